"""How sure the recogniser is of English speech and of speech it can't know: what `transcribe.UNSURE` is set on.

python benchmarks/recogniser_confidence.py --data FOLDER [--clips 60]

FOLDER holds ravdess/manifest.csv (English, acted) and nemo/manifest.csv (Polish, acted), each with the columns path and label.
LibriVox sentences come from Debian's pocketsphinx-testdata. Prints, per corpus and emotion, the mean word probability and the share
of clips that would be called unsure at several thresholds. Clips in which no word is heard are counted apart.
"""

import argparse
import random
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas

from mmer.audio import load_audio
from mmer.transcribe import UNSURE, Recogniser

LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")
THRESHOLDS = (0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8)


def choose_clips(data: Path, count: int) -> dict[str, list[Path]]:
    """Group name -> clips, `count` of each corpus spread evenly over its emotions."""
    groups = {"librivox": sorted(LIBRIVOX.glob("*.wav"))}
    for corpus in ("ravdess", "nemo"):
        manifest = pandas.read_csv(data / corpus / "manifest.csv")
        for label, rows in manifest.groupby("label"):
            paths = sorted(data / corpus / path for path in rows["path"])
            groups[f"{corpus} {label}"] = random.Random(0).sample(paths, count // 4)
    return groups


def report_group(name: str, values: list[float | None]) -> None:
    known = np.array([v for v in values if v is not None])
    shares = "  ".join(f"{(known < t).mean():5.2f}" for t in THRESHOLDS)
    print(f"{name:20s} {len(values):4d} {len(values) - len(known):6d}  {known.mean():5.2f} {np.median(known):6.2f}  {shares}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=60, help="of each corpus")
    options = parser.parse_args()
    recogniser = Recogniser.load()
    found: dict[str, list[float | None]] = defaultdict(list)
    print(f"{'group':20s} clips silent   mean median  share below " + "  ".join(f"{t:5.2f}" for t in THRESHOLDS))
    for name, paths in choose_clips(options.data, options.clips).items():
        values = [recogniser.transcribe(load_audio(path)).confidence for path in paths]
        report_group(name, values)
        found[name.split()[0]] += values
    for corpus, values in found.items():
        report_group(f"all of {corpus}", values)
    print(f"in use: {UNSURE}")


if __name__ == "__main__":
    main()
