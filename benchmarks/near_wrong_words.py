"""Does the check of single words (mmer/align/phone_loop.py) tell near-wrong words from right ones, and whom does it wrong?

RAVDESS has two sentences of one rhythm and one ending ("Kids are talking by the door.", "Dogs are sitting by the door."): each clip with
its own and with the other. Other corpora: each clip with its own words, and with one word replaced by one of about as many sounds.

    python benchmarks/near_wrong_words.py --data DATA [--clips 20] [--others 8] [--seed 1]

DATA holds speech/<corpus>/manifest.csv (path, label, text). The table of right words counts false alarms, that of wrong words what is
caught. No path at all counts as warned of; "both" is what the aligner says: the mean score's warning or this check's.
"""

from __future__ import annotations

import argparse
import csv
import random
from pathlib import Path

import numpy as np
from alignment_threshold import EMOTIONS, SENTENCES, UnjudgedAligner, share_below

import mmer.align.sphinx as sphinx
from mmer.align.phone_loop import DOUBTFUL, PhoneLoop, find_worst_run
from mmer.audio.load import load_audio
from mmer.results import Clip

OTHERS = ("librispeech", "vctk_sample", "tess")
LONGEST = 12.0  # seconds
Fit = tuple[float, float] | None  # (mean score, worst run); None: no path


class Bench:
    def __init__(self) -> None:
        self.aligner, self.loop = UnjudgedAligner(check_words=False), PhoneLoop()

    def measure(self, clip: Clip, texts: list[str]) -> list[Fit]:
        scores = self.loop.score_frames(sphinx.to_pcm(clip.samples))
        found = [self.aligner.measure(clip, text) for text in texts]
        return [None if a is None else (a.score or 0.0, find_worst_run(a.phones, scores)[0]) for a in found]

    def replace_word(self, text: str, words: list[str], draw: random.Random) -> str | None:
        """One word of four or more sounds replaced by another of about as many; None without such a word."""
        said = text.split()
        sizes = [self.aligner.count_phones(word) for word in said]
        able = [i for i, size in enumerate(sizes) if size >= 4]
        if not able:
            return None
        i = draw.choice(able)
        near = [w for w in words if abs(self.aligner.count_phones(w) - sizes[i]) <= 1 and w.lower() != said[i].lower()]
        return " ".join([*said[:i], draw.choice(near), *said[i + 1 :]]) if near else None


def read_clips(folder: Path) -> list[dict[str, str]]:
    """Rows with plain words alone, of which the reader here leaves none out."""
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [r for r in rows if r["text"].strip() and not any(c.isdigit() for c in r["text"]) and float(r["duration"]) < LONGEST]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with speech/")
    parser.add_argument("--clips", type=int, default=20, help="of each emotion of RAVDESS (%(default)s)")
    parser.add_argument("--others", type=int, default=8, help="of each other corpus (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    bench, draw = Bench(), random.Random(options.seed)
    right: dict[str, list[Fit]] = {}
    wrong: dict[str, list[Fit]] = {}
    folder = options.data / "speech" / "ravdess"
    rows = read_clips(folder)
    for emotion in EMOTIONS:
        for row in draw.sample([r for r in rows if r["label"] == emotion], options.clips):
            other = SENTENCES[1 - SENTENCES.index(row["text"])]
            own, swapped = bench.measure(load_audio(folder / row["path"]), [row["text"], other])
            right.setdefault(emotion, []).append(own)
            wrong.setdefault(f"{emotion}, other sentence", []).append(swapped)
    for corpus in OTHERS:
        folder = options.data / "speech" / corpus
        rows = read_clips(folder)
        words = sorted({w for r in draw.sample(rows, min(60, len(rows))) for w in r["text"].split() if bench.aligner.count_phones(w) >= 4})
        for row in draw.sample(rows, options.others):
            changed = bench.replace_word(row["text"], words, draw)
            fits = bench.measure(load_audio(folder / row["path"]), [row["text"], *([changed] if changed else [])])
            right.setdefault(corpus, []).append(fits[0])
            wrong.setdefault(f"{corpus}, one word", []).extend(fits[1:])
    print_table("right words", right)
    print_table("wrong words", wrong)


def print_table(title: str, groups: dict[str, list[Fit]]) -> None:
    """Shares warned of: by the mean score alone, by the worst run at several bounds, by both at the bounds in use."""
    bounds = (-25.0, -30.0, DOUBTFUL)
    print(
        f"\n{title:<28}{'clips':>6}{'no path':>9}{'mean':>8}" + "".join(f"{f'run {b:.0f}':>9}" for b in bounds) + f"{'both':>8}{'worst':>8}"
    )
    for name, fits in [*groups.items(), ("all", [fit for group in groups.values() for fit in group])]:
        means, runs = ([None if fit is None else fit[i] for fit in fits] for i in (0, 1))
        shares = [share_below(means, sphinx.WARNING_SCORE, none=True), *(share_below(runs, b, none=True) for b in bounds)]
        both = float(np.mean([fit is None or fit[0] < sphinx.WARNING_SCORE or fit[1] < DOUBTFUL for fit in fits])) if fits else 0.0
        lowest = min((run for run in runs if run is not None), default=0.0)
        row = f"{name:<28}{len(fits):>6}{means.count(None):>9}" + f"{shares[0]:>8.0%}" + "".join(f"{s:>9.0%}" for s in shares[1:])
        print(row + f"{both:>8.0%}{lowest:>8.1f}", flush=True)


if __name__ == "__main__":
    main()
