"""How well the alignment score tells true transcripts from swapped ones, and whom its warning would wrong: false alarms per emotion.

RAVDESS clips against (a) their own sentence, (b) RAVDESS's other sentence, which has the same rhythm and the same ending, (c) two
unrelated lines of MELD with about as many sounds. A false alarm on strong emotion would punish what this project is about, hence the table.

    python benchmarks/alignment_threshold.py --data DATA [--every 1]

DATA holds speech/ravdess/manifest.csv (path, label, text, speaker) and text/meld.csv (split, emotion, text).
"""

from __future__ import annotations

import argparse
import csv
import random
import re
from pathlib import Path

import numpy as np

import mmer.align.sphinx as sphinx
from mmer.align.fit import UNCOVERED_WARNING, uncovered_share
from mmer.audio.load import load_audio
from mmer.errors import AlignmentError
from mmer.results import Alignment, Clip, Transcript, Word

EMOTIONS = ("anger", "happiness", "sadness", "neutral")
SENTENCES = ("Kids are talking by the door.", "Dogs are sitting by the door.")


class UnjudgedAligner(sphinx.SphinxAligner):
    """The aligner without its own verdict on the score, which is what is measured here."""

    def measure(self, clip: Clip, text: str) -> Alignment | None:
        """None when there is no path."""
        transcript = read_words(text)
        entries, _ = self._look_up(transcript, {})
        try:
            words, _ = self._decode_clip(sphinx.to_pcm(clip.samples), entries)
        except AlignmentError:
            return None
        return sphinx.assemble_alignment(words, transcript, source=self.source)

    def count_phones(self, text: str) -> int:
        """0 when a word is not in the dictionary."""
        phones = [self._decoder.lookup_word(word) for _, word in read_words(text).spoken]
        return 0 if None in phones else sum(len(p.split()) for p in phones)


def read_words(text: str) -> Transcript:
    words = tuple(Word(m.group(), m.start(), m.end(), (m.group().lower(),)) for m in re.finditer(r"[A-Za-z']+", text))
    return Transcript(text, words, "file")


def read_unrelated(path: Path, aligner: UnjudgedAligner) -> list[tuple[str, int]]:
    """Lines of four to nine dictionary words with their number of phones."""
    with path.open(encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    plain = [t for t in texts if re.fullmatch(r"[A-Za-z '.,!?]+", t) and 4 <= len(t.split()) <= 9]
    chosen = random.Random(0).sample(plain, min(3000, len(plain)))
    return [(t, n) for t in chosen if (n := aligner.count_phones(t))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with speech/ and text/")
    parser.add_argument("--every", type=int, default=1, help="take every n-th clip")
    options = parser.parse_args()
    aligner, draw = UnjudgedAligner(), random.Random(1)
    unrelated = read_unrelated(options.data / "text" / "meld.csv", aligner)
    folder = options.data / "speech" / "ravdess"
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:: options.every]
    true: dict[str, list[float | None]] = {emotion: [] for emotion in EMOTIONS}
    swapped: dict[str, list[float | None]] = {"other sentence": [], "unrelated": []}
    uncovered: dict[str, list[float]] = {emotion: [] for emotion in EMOTIONS}
    for row in rows:
        clip = load_audio(folder / row["path"])
        own = aligner.measure(clip, row["text"])
        true[row["label"]].append(own.score if own else None)
        if own:
            uncovered[row["label"]].append(uncovered_share(clip.samples, own))
        size = aligner.count_phones(row["text"])
        others = draw.sample([t for t, n in unrelated if abs(n - size) <= 3], 2)
        for kind, texts in (("other sentence", [SENTENCES[1 - SENTENCES.index(row["text"])]]), ("unrelated", others)):
            found = [aligner.measure(clip, text) for text in texts]
            swapped[kind] += [alignment.score if alignment else None for alignment in found]
    print_table(true, swapped, uncovered)


def print_table(true: dict, swapped: dict, uncovered: dict) -> None:
    everyone = [score for scores in true.values() for score in scores]
    print(f"{len(everyone)} clips; no path: " + ", ".join(f"{e} {true[e].count(None)}" for e in EMOTIONS))
    for kind, scores in swapped.items():
        area = measure_area([s for s in everyone if s is not None], [s for s in scores if s is not None])
        lost = scores.count(None) / len(scores)
        print(f"{kind}: {len(scores)} transcripts, {lost:.1%} without a path, area under the curve of the rest {area:.3f}")
    print(f"{'threshold':>9} {'false':>7} " + " ".join(f"{e:>9}" for e in EMOTIONS) + "  caught: " + ", ".join(swapped))
    for threshold in (-25, -28, sphinx.WARNING_SCORE, -32, -35, -40, -45, sphinx.REFUSED_SCORE):
        rates = [share_below(true[e], threshold, none=False) for e in EMOTIONS]
        caught = [share_below(scores, threshold, none=True) for scores in swapped.values()]
        print(f"{threshold:9.0f} {share_below(everyone, threshold, none=False):7.1%} " + " ".join(f"{r:9.1%}" for r in rates), end="  ")
        print(", ".join(f"{c:.1%}" for c in caught))
    print(f"lowest true score {min(s for s in everyone if s is not None):.1f}")
    shares = [np.mean(np.array(uncovered[e]) > UNCOVERED_WARNING) for e in EMOTIONS]
    highest = [max(uncovered[e]) for e in EMOTIONS]
    print(
        f"loud sound outside the words above {UNCOVERED_WARNING:.0%}: " + ", ".join(f"{e} {s:.1%}" for e, s in zip(EMOTIONS, shares)),
        end="; ",
    )
    print("highest: " + ", ".join(f"{h:.0%}" for h in highest))


def share_below(scores: list, threshold: float, *, none: bool) -> float:
    """Share of scores below the threshold; `none` says whether a missing path counts as caught or is left out."""
    kept = [s for s in scores if none or s is not None]
    return float(np.mean([s is None or s < threshold for s in kept])) if kept else 0.0


def measure_area(right: list[float], wrong: list[float]) -> float:
    """Probability that a true transcript scores higher than a swapped one."""
    return float(np.mean(np.asarray(right)[:, None] > np.asarray(wrong)[None, :])) if right and wrong else float("nan")


if __name__ == "__main__":
    main()
