"""The Montreal Forced Aligner 3.x, where it is installed: it lives in an interpreter of its own (conda), so this side only talks to it.

A clip goes to `mfa_worker.py`, started once in that interpreter (tens of milliseconds a clip); where that can't start, to `mfa align_one`
(seconds); a corpus goes to `mfa align`. MFA exits happily with nonsense, so its input is guarded and its output checked here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mmer.align.assemble import UNKNOWN, SpokenWord, assemble_alignment, find_holders, is_silence, match_labels
from mmer.align.fit import check_fit
from mmer.align.phones import VOWELS, map_phone
from mmer.align.pronounce import check_pronunciations, guess_pronunciation
from mmer.align.textgrid import read_tiers, split_interval
from mmer.align.worker_process import WorkerProcess, last_sentence
from mmer.errors import AlignmentError
from mmer.results import Alignment, Clip, Notice, Segment, Transcript

SUPPORTED = 3  # major version; 4.0 changes the commands
SHORTEST = 0.1  # seconds; a file without samples aborts MFA's process
ANSWER_SECONDS = 120.0
COMMAND_SECONDS = 600.0
MODEL = "english_us_arpa"
INSTALL = "conda create -n aligner -c conda-forge montreal-forced-aligner"
_WORKER = Path(__file__).with_name("mfa_worker.py")


@dataclass(frozen=True)
class FoundWord:
    """One interval of MFA's word tier that isn't silence."""

    label: str
    start: float
    end: float
    phones: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class CorpusItem:
    """One utterance of a corpus for `MfaAligner.align_corpus`."""

    key: str
    speaker: str  # MFA adapts to each speaker, so a result depends on who shares the folder
    clip: Clip
    transcript: Transcript


@dataclass(frozen=True)
class CorpusAlignment:
    found: Mapping[str, Alignment]  # by CorpusItem.key
    missing: Mapping[str, str] = field(default_factory=dict)  # key -> the reason


class MfaAligner:
    """MFA behind one `align`. `program` is the path of `mfa`, default the one on the PATH; models are names MFA has downloaded, or paths.

    Raises AlignmentError when MFA isn't there, is not version 3, or its models aren't downloaded.
    """

    name = "mfa"

    def __init__(self, *, program: str | Path | None = None, acoustic: str = MODEL, dictionary: str = MODEL, root: Path | None = None):
        self.program = find_program(program)
        root = root or Path(os.environ.get("MFA_ROOT_DIR") or Path.home() / "Documents" / "MFA")
        self.acoustic = find_model(acoustic, root / "pretrained_models" / "acoustic", ".zip", "acoustic")
        self.dictionary = find_model(dictionary, root / "pretrained_models" / "dictionary", ".dict", "dictionary")
        self.why_slow = ""  # why the worker could not start, when it could not
        self._phones: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        self._worker = self._start_worker()
        try:
            self.version = (self._worker.hello.get("version") if self._worker else None) or read_version(self.program)
            check_version(self.version)
        except AlignmentError:
            self.close()
            raise
        self.source = f"mfa {self.version} {self.acoustic.stem}"

    def align(self, clip: Clip, transcript: Transcript, *, pronunciations: Mapping[str, tuple[str, ...]] = {}) -> Alignment:
        """Words, syllables and phones of `clip`. Unknown words go through letters to sound where the acoustic model speaks ARPAbet.

        Raises AlignmentError when there is nothing to align, MFA finds no path, or knows none of the words.
        """
        check_input(clip, transcript)
        typed = check_pronunciations(pronunciations)
        if self._worker is not None:
            found, likelihood = self._ask_worker(self._worker, clip, transcript, typed)
            return build_alignment(found, clip, transcript, source=self.source, score=likelihood)
        alignment = build_alignment(self._run_align_one(clip, transcript), clip, transcript, source=self.source)
        return replace(alignment, notices=(*alignment.notices, *self._slow_notices(typed)))

    def align_corpus(self, items: Sequence[CorpusItem]) -> CorpusAlignment:
        """Every utterance that `mfa align` aligned, and why the others are missing: it leaves out without a word what it can't align."""
        missing: dict[str, str] = {}
        with tempfile.TemporaryDirectory() as folder:
            names = _write_corpus(items, Path(folder) / "corpus", missing)
            if names:
                options = ["--clean", "--output_format", "short_textgrid"]
                paths = [Path(folder) / "corpus", self.dictionary, self.acoustic, Path(folder) / "out"]
                self._run(["align", *map(str, paths), *options], Path(folder))
            found = _read_corpus(names, Path(folder) / "out", self.source, missing)
        return CorpusAlignment(found, missing)

    def close(self) -> None:
        """Ends the worker's process."""
        if self._worker is not None:
            self._worker.close()

    def _slow_notices(self, typed: Mapping[str, tuple[str, ...]]) -> list[Notice]:
        notices = [Notice("alignment", f"The Montreal Forced Aligner ran by its slow command. {self.why_slow}", "info")]
        if typed:
            notices.append(Notice("alignment", "The typed pronunciations were not used: the slow command of the aligner takes none."))
        return notices

    def _start_worker(self) -> WorkerProcess | None:
        interpreter = find_interpreter(self.program)
        if interpreter is None:
            self.why_slow = f"The first line of {self.program} names no Python interpreter."
            return None
        worker = WorkerProcess([interpreter, "-u", str(_WORKER), str(self.acoustic), str(self.dictionary)])
        try:
            worker.start()
        except AlignmentError as error:
            self.why_slow = str(error)
            return None
        self._phones = frozenset(worker.hello.get("phones", ()))
        return worker

    def _ask_worker(
        self, worker: WorkerProcess, clip: Clip, transcript: Transcript, typed: Mapping[str, tuple[str, ...]]
    ) -> tuple[list[FoundWord], float | None]:
        words = [word for _, word in transcript.spoken]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "samples.raw"
            path.write_bytes(clip.samples.astype("<f4").tobytes())
            missing = worker.ask({"op": "missing", "words": words}, seconds=ANSWER_SECONDS)["missing"]
            request = {"op": "align", "samples": str(path), "words": words, "pronunciations": self._pronounce(missing, words, typed)}
            answer = worker.ask(request, seconds=ANSWER_SECONDS + clip.duration)
        return read_answer(answer), answer.get("likelihood")

    def _pronounce(self, missing: Sequence[str], words: Sequence[str], typed: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
        """Dictionary lines for typed and unknown words, in the acoustic model's own phones; a model without ARPAbet gets none."""
        chosen = {word: typed[word] for word in words if word in typed}
        chosen |= {word: guess_pronunciation(word) for word in missing if word not in chosen}
        lines = {word: add_stress(phones, self._phones) for word, phones in chosen.items() if phones}
        return {word: line for word, line in lines.items() if line}

    def _run_align_one(self, clip: Clip, transcript: Transcript) -> list[FoundWord]:
        with tempfile.TemporaryDirectory() as folder:
            sound, text, out = (Path(folder) / f"clip.{end}" for end in ("wav", "lab", "TextGrid"))
            write_wav(sound, clip.samples)
            text.write_text(" ".join(word for _, word in transcript.spoken), encoding="utf-8")
            paths = [str(sound), str(text), str(self.dictionary), str(self.acoustic), str(out)]
            self._run(["align_one", *paths, "--output_format", "short_textgrid"], Path(folder))
            if not out.is_file():
                raise AlignmentError("The Montreal Forced Aligner ended without an alignment.")
            return read_mfa_textgrid(out)

    def _run(self, arguments: Sequence[str], folder: Path) -> None:
        """One mfa command with a root folder of its own, since calls at the same time race on unpacked models."""
        with self._lock:
            try:
                done = subprocess.run(
                    [str(self.program), *arguments],
                    env={**os.environ, "MFA_ROOT_DIR": str(folder / "root")},
                    capture_output=True,
                    encoding="utf-8",
                    errors="replace",
                    timeout=COMMAND_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise AlignmentError(f"The Montreal Forced Aligner took longer than {COMMAND_SECONDS:.0f} s.") from error
        if done.returncode != 0:
            said = last_sentence(done.stderr) or f"nothing; its process ended with {done.returncode}"
            raise AlignmentError(f"The Montreal Forced Aligner says: {said}.")


def find_program(program: str | Path | None = None) -> Path:
    """The path of `mfa`. Raises AlignmentError naming the command that installs it."""
    found = shutil.which(str(program or "mfa"))
    if found is None:
        where = f"at {program}" if program else "on the PATH"
        raise AlignmentError(f"The Montreal Forced Aligner is not installed: there is no program “mfa” {where}. Install it with: {INSTALL}")
    return Path(found)


def find_interpreter(program: Path) -> str | None:
    """The Python that the script `mfa` names in its first line; None when it names none (a compiled launcher)."""
    with program.open("rb") as file:
        head = file.read(1024).decode("utf-8", errors="replace").splitlines()
    if not head or not head[0].startswith("#!"):
        return None
    command = head[0][2:].strip()
    if command.endswith("/sh") and len(head) > 1:  # pip's and conda's way around long paths: '''exec' /path/python "$0" "$@"
        found = re.match(r"'''exec'\s+\"?([^\"]+?)\"?\s+\"\$0\"", head[1])
        return found.group(1) if found else None
    if command.startswith("/usr/bin/env "):
        return shutil.which(command.split()[-1])
    return command.split(" -")[0] if "python" in command else None


def find_model(name: str, folder: Path, ending: str, kind: str) -> Path:
    """The path of a model given by name or path. Raises AlignmentError naming the command that downloads it."""
    for path in (Path(name), folder / name, folder / f"{name}{ending}"):
        if path.exists():
            return path
    raise AlignmentError(f"The Montreal Forced Aligner has no {kind} model “{name}”. Download it with: mfa model download {kind} {name}")


def read_version(program: Path) -> str:
    """What `mfa version` prints, e.g. "3.4.3"."""
    try:
        done = subprocess.run([str(program), "version"], capture_output=True, encoding="utf-8", errors="replace", timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AlignmentError(f"The Montreal Forced Aligner at {program} does not answer “mfa version”.") from error
    if done.returncode != 0:
        raise AlignmentError(f"“mfa version” failed: {last_sentence(done.stderr) or done.returncode}.")
    lines = done.stdout.split()
    return lines[-1] if lines else ""


def check_version(version: str) -> None:
    major = re.match(r"v?(\d+)\.", version)
    if major is None or int(major.group(1)) != SUPPORTED:
        raise AlignmentError(
            f"This is version {version or 'unknown'} of the Montreal Forced Aligner; versions {SUPPORTED}.x are supported."
        )


def check_input(clip: Clip, transcript: Transcript) -> None:
    """What MFA would take without a word, or die of."""
    if not transcript.spoken:
        raise AlignmentError("There are no spoken words to align with the recording.")
    if clip.duration < SHORTEST:
        raise AlignmentError(f"The recording is {clip.duration * 1000:.0f} ms long, too short to hold a word.")
    if not np.isfinite(clip.samples).all():
        raise AlignmentError("The recording holds samples that are not numbers, so it can't be aligned.")


def add_stress(phones: Sequence[str], known: frozenset[str]) -> str:
    """Phones in the names of an acoustic model that may mark stress; "" when the model doesn't speak ARPAbet."""
    stressed = next((i for i, phone in enumerate(phones) if phone in VOWELS and phone != "AH"), None)
    named = []
    for i, phone in enumerate(phones):
        digits = ("1", "0", "") if i == stressed or stressed is None else ("0", "1", "")
        name = next((phone + digit for digit in digits if phone + digit in known), None)
        if name is None:
            return ""
        named.append(name)
    return " ".join(named)


def read_answer(answer: Mapping) -> list[FoundWord]:
    """The worker's words without silences."""
    return [
        FoundWord(label, start, end, tuple((p, s, e) for p, s, e in phones))
        for label, start, end, phones in answer["words"]
        if not is_silence(label)
    ]


def read_mfa_textgrid(path: str | Path) -> list[FoundWord]:
    """The words and phones of a TextGrid or JSON that MFA wrote, without silences. Raises AlignmentError when it has no such tiers."""
    tiers = {tier.name.split(" - ")[-1]: tier for tier in read_tiers(path)}
    if "words" not in tiers or "phones" not in tiers:
        raise AlignmentError("The Montreal Forced Aligner's file lacks the tiers “words” and “phones”.")
    phones, words = tiers["phones"].intervals, tiers["words"].intervals
    inside: list[list[tuple[str, float, float]]] = [[] for _ in words]
    for (start, end, label), at in zip(phones, find_holders([(s + e) / 2 for s, e, _ in phones], [(s, e) for s, e, _ in words])):
        if at >= 0:
            inside[at].append((label, start, end))
    return [FoundWord(label, start, end, tuple(said)) for (start, end, label), said in zip(words, inside) if not is_silence(label)]


def build_alignment(
    found: Sequence[FoundWord], clip: Clip, transcript: Transcript, *, source: str, score: float | None = None
) -> Alignment:
    """MFA's words under the names the transcript has for them. Raises AlignmentError when it aligned nothing or knows none of the words."""
    if not found:
        raise AlignmentError("The Montreal Forced Aligner found none of the words in the recording.")
    unknown = sum(_is_unknown(word) for word in found)
    if unknown == len(found):
        raise AlignmentError("The Montreal Forced Aligner's dictionary has none of these words. Check their language and spelling.")
    indices = match_labels([word.label for word in found], transcript)
    spoken = [SpokenWord(i, w.start, w.end, _read_phones(w, i)) for w, i in zip(found, indices) if w.end > w.start]
    spoken = join_clitics(spoken, [w for w in found if w.end > w.start])
    alignment = assemble_alignment(spoken, transcript, source=source, score=score)
    notices = list(check_fit(clip, alignment))
    if unknown:
        words = dict.fromkeys(transcript.words[i].text for w, i in zip(found, indices) if _is_unknown(w))
        notices.append(Notice("alignment", f"Not in the aligner's dictionary, so without phones: {', '.join(words)}."))
    return Alignment(alignment.words, alignment.syllables, alignment.phones, source, score, notices=tuple(notices))


def join_clitics(spoken: Sequence[SpokenWord], found: Sequence[FoundWord]) -> list[SpokenWord]:
    """ "there" + "'s" is one spoken word again, so that its syllables are cut as one."""
    joined: list[SpokenWord] = []
    for word, source in zip(spoken, found):
        if joined and source.label.startswith("'") and joined[-1].word == word.word:
            last = joined.pop()
            word = SpokenWord(word.word, last.start, word.end, last.phones + word.phones)
        joined.append(word)
    return joined


def _is_unknown(word: FoundWord) -> bool:
    return word.label == UNKNOWN or (bool(word.phones) and all(phone.lower() == "spn" for phone, _, _ in word.phones))


def _read_phones(word: FoundWord, index: int) -> tuple[Segment, ...]:
    phones: list[Segment] = []
    for label, start, end in word.phones:
        mapped = map_phone(label)
        if mapped and end > start:
            phones += split_interval(mapped, start, end, index)
    return tuple(phones)


def write_wav(path: Path, samples: np.ndarray) -> None:
    """16 bit mono, 16 kHz: what MFA reads without resampling."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(np.clip(samples * 32767, -32768, 32767).astype("<i2").tobytes())


def _write_corpus(items: Sequence[CorpusItem], folder: Path, missing: dict[str, str]) -> dict[Path, CorpusItem]:
    """One folder a speaker; the file that each item should come back as. What MFA would choke on goes into `missing` instead."""
    speakers = {speaker: f"s{i:04d}" for i, speaker in enumerate(dict.fromkeys(item.speaker for item in items))}
    names = {}
    for i, item in enumerate(items):
        try:
            check_input(item.clip, item.transcript)
        except AlignmentError as error:
            missing[item.key] = str(error)
            continue
        name = Path(speakers[item.speaker]) / f"u{i:06d}"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_wav(folder / name.with_suffix(".wav"), item.clip.samples)
        (folder / name.with_suffix(".lab")).write_text(" ".join(word for _, word in item.transcript.spoken), encoding="utf-8")
        names[name.with_suffix(".TextGrid")] = item
    return names


def _read_corpus(names: Mapping[Path, CorpusItem], folder: Path, source: str, missing: dict[str, str]) -> dict[str, Alignment]:
    found = {}
    for name, item in names.items():
        if not (folder / name).is_file():
            missing[item.key] = "The Montreal Forced Aligner left it out: its words and sound could not be matched."
            continue
        try:
            found[item.key] = build_alignment(read_mfa_textgrid(folder / name), item.clip, item.transcript, source=source)
        except AlignmentError as error:
            missing[item.key] = str(error)
    return found
