"""How sure the recogniser is of English speech, of speech it can't know, and of sound that is no speech.

python benchmarks/recogniser_confidence.py --data FOLDER [--clips 60]

What `transcribe.UNSURE` and `transcribe.NO_SPEECH` are set on. FOLDER holds ravdess/manifest.csv (English, acted) and nemo/manifest.csv
(Polish, acted), each with the columns path and label. LibriVox sentences and card names come from Debian's pocketsphinx-testdata; noise
and hums are made here. Prints per group how many clips are left without words, the mean word probability of the others, the share of
them that would be called unsure at several thresholds, and the range of the probability that a window holds no speech.
"""

import argparse
import random
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas

from mmer.audio import clip_from_samples, load_audio
from mmer.results import Clip
from mmer.transcribe import NO_SPEECH, UNSURE, Recogniser

TESTDATA = Path("/usr/share/pocketsphinx/test/data")
THRESHOLDS = (0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8)


class Listener:
    """The recogniser's model, with the no-speech probabilities of its segments written down on the way."""

    def __init__(self, model):
        self.model = model
        self.no_speech: list[float] = []

    def transcribe(self, samples, **options):
        segments, info = self.model.transcribe(samples, **options)
        return self.follow(segments), info

    def follow(self, segments):
        for segment in segments:
            self.no_speech.append(float(segment.no_speech_prob))
            yield segment


def choose_clips(data: Path, count: int) -> dict[str, list[Path]]:
    """Group name -> clips, `count` of each corpus spread evenly over its emotions."""
    groups = {"librivox": sorted(TESTDATA.glob("librivox/*.wav")), "cards": sorted(TESTDATA.glob("cards/*.wav"))}
    for corpus in ("ravdess", "nemo"):
        manifest = pandas.read_csv(data / corpus / "manifest.csv")
        for label, rows in manifest.groupby("label"):
            paths = sorted(data / corpus / path for path in rows["path"])
            groups[f"{corpus} {label}"] = random.Random(0).sample(paths, count // 4)
    return groups


def make_noises() -> list[Clip]:
    """Sounds without speech: white, coloured and pulsing noise, tones and hums of several lengths."""
    made, rng = [], np.random.default_rng(0)
    for seconds in (1, 3, 8):
        times = np.arange(seconds * 16000) / 16000
        white = rng.normal(0, 1, len(times))
        brown = np.cumsum(white)
        brown -= np.convolve(brown, np.ones(400) / 400, "same")
        hum = sum(np.sin(2 * np.pi * 130 * k * times) / k for k in range(1, 8)) * np.minimum(1, 5 * np.minimum(times, seconds - times))
        pulses = white * (np.sin(2 * np.pi * 4 * times) > 0.5)
        sounds = (0.2 * white, 0.05 * white, 0.005 * white, 0.3 * brown / np.abs(brown).max(), 0.2 * hum, 0.3 * pulses)
        made += [clip_from_samples(np.clip(sound, -1, 1), 16000, name="made") for sound in sounds]
    return made


def report_group(name: str, values: list[float | None], no_speech: list[float]) -> None:
    known = np.array([v for v in values if v is not None])
    shares = "  ".join(f"{(known < t).mean() if len(known) else np.nan:5.2f}" for t in THRESHOLDS)
    low, high = (min(no_speech), max(no_speech)) if no_speech else (np.nan, np.nan)
    mean = known.mean() if len(known) else np.nan
    print(f"{name:18s} {len(values):5d} {len(values) - len(known):8d}  {mean:5.2f}    {shares}   {low:.2f} to {high:.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=60, help="of each corpus")
    options = parser.parse_args()
    recogniser = Recogniser.load()
    listener = recogniser.model = Listener(recogniser.model)
    found: dict[str, list[float | None]] = defaultdict(list)
    print(f"{'group':18s} clips wordless   mean  below: " + "  ".join(f"{t:5.2f}" for t in THRESHOLDS) + "   no speech")
    groups = {name: map(load_audio, paths) for name, paths in choose_clips(options.data, options.clips).items()}
    for name, clips in {"noise": make_noises(), **groups}.items():
        listener.no_speech.clear()
        values = [recogniser.transcribe(clip).confidence for clip in clips]
        report_group(name, values, listener.no_speech)
        found[name.split()[0]] += values
    for corpus in ("ravdess", "nemo"):
        report_group(f"all of {corpus}", found[corpus], [])
    print(f"in use: unsure below {UNSURE}, no speech above {NO_SPEECH}")


if __name__ == "__main__":
    main()
