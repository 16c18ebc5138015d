"""Whether a card says what the CPU says: logits and verdicts of the six examples, in one file that any machine with a card can check.

    python benchmarks/gpu_agreement.py --make agreement.safetensors          # once, where everything is installed
    python benchmarks/gpu_agreement.py agreement.safetensors [--device cuda] # needs torch, transformers, safetensors and this repository

The file holds the speech encoder in half precision, the examples with their words and alignments, and the states of the words, so that
the second call needs no recogniser, aligner, text encoder or page. It analyses every example on the CPU and on the device, with TF32 off,
and fails where a logit differs by more than 1e-3 or a verdict differs. Then it times, on both, leaving each of 40 words out of the
sound, and a clip of 5 minutes. The encoder's rounded weights are in both, so the logits are not those of the app to the last digit.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from transformers.models.whisper.configuration_whisper import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from mmer.devices.placement import Placement, open_placement
from mmer.encoders.encoders import SpeechEncoder
from mmer.encoders.presets import PRESETS
from mmer.encoders.speech_models import WhisperModel
from mmer.exports.json_values import decode, encode
from mmer.heads.folder import load_heads
from mmer.interventions.leave_one_out import leave_one_out
from mmer.pipeline import Analyzer
from mmer.results import SAMPLE_RATE, Alignment, Analysis, Clip, Segment, TextStates, Transcript

ROOT = Path(__file__).resolve().parents[1]
PRESET = PRESETS["compact"]
TOLERANCE = 1e-3  # of a logit
FULL_SCALE = 32767
WORDS, SECONDS = 40, 300.0  # of the clips that are timed


class StoredText:
    """A text encoder that knows the states of a few texts."""

    def __init__(self, known: Iterable[tuple[Transcript, TextStates]], identity: str):
        self.known, self.identity = {transcript.text: states for transcript, states in known}, identity

    def encode(self, transcript: Transcript) -> TextStates:
        return self.known[transcript.text]

    def encode_batch(self, transcripts: Sequence[Transcript]) -> list[TextStates]:
        return [self.encode(transcript) for transcript in transcripts]


class NoRecogniser:
    """Stands where a recogniser would be asked: all words are known here."""

    languages = {"en": "English"}  # noqa: RUF012
    place = None


# ---- making the file


def make_bundle(
    analyzer: Analyzer, examples: Sequence[tuple[Clip, str]], out: Path, *, words: int = WORDS, seconds: float = SECONDS
) -> None:
    """Writes the file: the examples (sound, words) as the analyzer reads them, and the two long clips that are joined of them."""
    read = [analyzer.analyze(clip, text=text) for clip, text in examples]
    parts = [(a.clip.samples, a.transcript, a.alignment) for a in read if a.alignment is not None]
    long = [join_parts(take(parts, lambda n, s: n >= words)), join_parts(take(parts, lambda n, s: s >= seconds))]
    arrays: dict[str, np.ndarray] = {
        f"encoder.{name}": value.numpy().astype(np.float16) for name, value in analyzer.speech.model.encoder.state_dict().items()
    }
    rows = []
    for number, (samples, transcript, alignment) in enumerate([*parts, *long]):
        arrays[f"samples.{number}"] = np.round(np.clip(samples, -1, 1) * FULL_SCALE).astype(np.int16)
        states = analyzer.text.encode(transcript)
        arrays[f"text.{number}"] = states.hidden.astype(np.float16)
        arrays[f"offsets.{number}"], arrays[f"words.{number}"] = states.offsets, states.words
        rest = {"tokens": states.tokens, "encoder": states.encoder, "layer_names": states.layer_names, "joins": states.joins}
        rows.append({"transcript": encode(transcript), "alignment": encode(alignment), "states": rest})
    config = analyzer.speech.model.encoder.config.to_dict()
    about = {"rows": rows, "config": config, "speech": analyzer.speech.identity, "text": analyzer.text.identity}
    save_file(arrays, str(out), metadata={"about": json.dumps(about, default=str)})


def take(parts: Sequence[Any], enough: Callable[[int, float], bool]) -> list[Any]:
    """The parts in turn, again and again, until words and seconds are enough."""
    taken: list[Any] = []
    words, seconds = 0, 0.0
    while not enough(words, seconds):
        taken.append(parts[len(taken) % len(parts)])
        words, seconds = words + len(taken[-1][1].words), seconds + len(taken[-1][0]) / SAMPLE_RATE
    return taken


def join_parts(parts: Sequence[tuple[np.ndarray, Transcript, Alignment]]) -> tuple[np.ndarray, Transcript, Alignment]:
    """One clip after the other, with their words and alignments."""
    text, words = "", []
    tiers: dict[str, list[Segment]] = {"words": [], "syllables": [], "phones": []}
    start = 0.0
    for samples, transcript, alignment in parts:
        first = len(words)
        words += [replace(w, start_char=w.start_char + len(text), end_char=w.end_char + len(text)) for w in transcript.words]
        for name, tier in tiers.items():
            for s in getattr(alignment, name):
                tier.append(replace(s, start=s.start + start, end=s.end + start, word=s.word + first if s.word >= 0 else -1))
        text, start = f"{text}{transcript.text} ", start + len(samples) / SAMPLE_RATE
    transcript = Transcript(text, tuple(words), "typed")
    return np.concatenate([p[0] for p in parts]), transcript, Alignment(**{k: tuple(v) for k, v in tiers.items()}, source="joined")


# ---- checking it


def open_bundle(path: Path, placement: Placement, heads: Path) -> tuple[Analyzer, list[tuple[Clip, Transcript, Alignment]]]:
    """An analyzer of what the file holds, on the placement, and the clips: the examples, then the two long ones."""
    with safe_open(path, framework="np") as file:
        about = json.loads(file.metadata()["about"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no dictionary
    module = WhisperEncoder(WhisperConfig.from_dict(about["config"])).eval().requires_grad_(False)
    prefix = "encoder."
    module.load_state_dict({k.removeprefix(prefix): torch.from_numpy(v).float() for k, v in arrays.items() if k.startswith(prefix)})
    placement.place(module)
    options: dict[str, Any] = {"include_input": PRESET.include_input, "window": PRESET.window, "context": PRESET.context}
    speech = SpeechEncoder(WhisperModel(module, silence=PRESET.silence), identity="half", placement=placement, **options)
    clips, known = [], []
    for number, row in enumerate(about["rows"]):
        samples = arrays[f"samples.{number}"].astype(np.float32) / FULL_SCALE
        transcript, alignment = decode(Transcript, row["transcript"], ""), decode(Alignment, row["alignment"], "")
        rest = {name: tuple(value) if isinstance(value, list) else value for name, value in row["states"].items()}
        hidden = arrays[f"text.{number}"].astype(np.float32)
        known.append((transcript, TextStates(hidden, offsets=arrays[f"offsets.{number}"], words=arrays[f"words.{number}"], **rest)))
        clips.append((Clip(f"clip {number + 1}", samples, f"{number:064x}"), transcript, alignment))
    loaded = load_heads(heads, preset=PRESET.name)
    for head in loaded.values():
        head.place(placement)
    parts: dict[str, Any] = {"recogniser": NoRecogniser(), "speech": speech, "text": StoredText(known, about["text"]), "aligners": {}}
    return Analyzer(preset=PRESET.name, heads=loaded, placement=placement, find_speech=lambda samples: (), **parts), clips


def compare(here: Analysis, there: Analysis) -> tuple[float, list[str]]:
    """(largest difference of a logit, roles whose label or verdict differs) of the same clip on two devices."""
    worst, unlike = 0.0, []
    for role, a in here.predictions.items():
        b = there.predictions[role]
        worst = max(worst, float(np.abs(a.logits - b.logits).max()))
        if (a.label, a.verdict) != (b.label, b.verdict):
            unlike.append(role)
    return worst, unlike


def measure(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def check_bundle(path: Path, device: str, heads: Path = ROOT / "pretrained", *, timed: bool = True) -> bool:
    """Prints the table; whether the device says what the CPU says."""
    placement = open_placement(device, strict=True)
    on_cpu, clips = open_bundle(path, Placement(), heads)
    there, _ = open_bundle(path, placement, heads)
    print(f"{path.name}, {path.stat().st_size / 1e6:.1f} MB; cpu and {placement.device}, torch {torch.__version__}")
    good = True
    for clip, transcript, alignment in clips[:-2]:
        worst, unlike = compare(on_cpu.analyze_parts(clip, transcript, alignment), there.analyze_parts(clip, transcript, alignment))
        good &= worst <= TOLERANCE and not unlike
        print(f"{clip.name}: logits differ by at most {worst:.2e}; other verdicts: {', '.join(unlike) or 'none'}", flush=True)
    if placement.reason:
        print(placement.reason)
        good = False
    for analyzer in (on_cpu, there) if timed else ():
        (short, words, places), (long, text, aligned) = clips[-2:]
        analysis = analyzer.analyze_parts(short, words, places)
        seconds = measure(lambda: leave_one_out(analyzer, analysis, tier="words", medium="sound"))  # noqa: B023
        print(f"{analyzer.placement.device}: {len(places.words)} words left out of {short.duration:.0f} s of sound in {seconds:.2f} s")
        seconds = measure(lambda: analyzer.analyze_parts(long, text, aligned))  # noqa: B023
        print(f"{analyzer.placement.device}: a clip of {long.duration:.0f} s analysed in {seconds:.2f} s", flush=True)
    print("The device agrees with the CPU." if good else "The device does NOT agree with the CPU.")
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--make", action="store_true", help="write the file instead of checking it")
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    if not args.make:
        sys.exit(0 if check_bundle(args.bundle, args.device) else 1)
    from mmer.audio.load import load_audio
    from mmer.ui.explore.examples import list_examples

    examples = [(load_audio(example.clip), example.text) for example in list_examples(ROOT / "assets" / "examples")]
    make_bundle(Analyzer.load(heads_folder=ROOT / "pretrained"), examples, args.bundle)


if __name__ == "__main__":
    main()
