"""What the Train tab's tests share: a small data set whose labels need no sound, and an engine whose trainer knows the answers."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from mmer.choices.emotions import EMOTIONS
from mmer.experiments.prepare import prepare_experiment
from mmer.experiments.training_service import Engine, TrainingService

TRAINER = Path(__file__).with_name("fake_trainer.py")
SPEAKERS, EACH = 6, 8


@dataclass
class FakeEstimate:
    seconds_likely: float = 75.0
    seconds_most: float = 300.0
    memory_bytes: int = 900_000_000
    extraction_seconds: float = 20.0


def write_data(root, name="voices", *, extra_rows=()):
    """A folder with a manifest of 6 speakers; two sentences are said by all of them."""
    folder = root / name
    (folder / "clips").mkdir(parents=True)
    lines = ["path,text,label,speaker,gender"]
    rng = np.random.default_rng(3)
    for s in range(SPEAKERS):
        for i in range(EACH):
            soundfile.write(folder / "clips" / f"{s}-{i}.wav", rng.normal(0, 0.1, 8000), 16000)
            lines.append(f"clips/{s}-{i}.wav,Sentence {i % 2}.,{EMOTIONS[i % 4]},voice{s},{'female' if s % 2 else 'male'}")
    (folder / "manifest.csv").write_text("\n".join([*lines, *extra_rows]) + "\n", "utf-8")
    return folder


def make_engine(*, seconds=0.0, crash=0, gate=""):
    def command(folder):
        settings = {"--seconds": seconds, "--crash": crash, "--gate": gate}
        return (sys.executable, str(TRAINER), str(folder.path), *(str(part) for pair in settings.items() for part in pair))

    return Engine(prepare_experiment, lambda experiment: FakeEstimate(), command)


def make_service(root, *, seconds=0.0, crash=0, gate="", **changes):
    """A service below `root`: data in root/data, experiments in root/runs."""
    (root / "data").mkdir(exist_ok=True)
    engine = make_engine(seconds=seconds, crash=crash, gate=gate)
    settings = {
        "runs": root / "runs",
        "features": root / "cache",
        "roots": (root / "data",),
        "heads": root / "heads",
        "load": lambda: engine,
    }
    return TrainingService(**(settings | changes))


def fill_form(**changes):
    """What the form holds: three folds, two repetitions, Linear on frames."""
    return {"fusion": "linear", "unit": "F", "units": [], "preset": "compact", "folds": 3, "repetitions": 2, "share": 0.3} | changes
