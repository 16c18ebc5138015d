"""What heads say of people whom nobody here trained on: a table per corpus, of the voice alone and of the verdict on the page.

python benchmarks/strangers.py --data DATA/speech --features FEATURES --clips 80 --csv strangers.csv

DATA/speech holds a folder per corpus with a manifest.csv (path, text, label, speaker). `--words recognised` goes the whole way of the app,
`--words written` takes the manifest's words, `--words none` (default, the quickest) hears the voice alone.
"""

import argparse
import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from mmer.choices.emotions import EMOTIONS
from mmer.datasets.clips import load_clip
from mmer.datasets.dataset import Dataset, Utterance
from mmer.datasets.manifest import read_manifest
from mmer.encoders.encoders import SpeechEncoder
from mmer.encoders.features import extract_features
from mmer.encoders.presets import PRESETS
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.extraction import extract_dataset
from mmer.heads.folder import load_head
from mmer.heads.head import AnyHead, Head
from mmer.pipeline import Analyzer
from mmer.results import Prediction

NEUTRAL = EMOTIONS.index("neutral")
TIMES = (1, 2, 4)  # so often in a row a clip of the length test is heard
WORDS = ("none", "written", "recognised")


@dataclass(frozen=True, eq=False)
class Answer:
    """Probabilities (4,) for one clip, and whether the gap between the two highest reaches the head's margin."""

    truth: int
    probabilities: np.ndarray
    sure: bool

    @property
    def said(self) -> int:
        return int(self.probabilities.argmax())


class Listener:
    """One head with what reads a clip for it."""

    def __init__(self, folder: Path, head: str, words: str):
        self.head, self.words = load_head(folder / head), words
        self.late: Head = find_late(self.head)
        preset = PRESETS[self.late.config.preset]
        self.analyzer = Analyzer.load(preset=preset.name, heads_folder=folder, head=head) if words != "none" else None
        self.speech: SpeechEncoder = self.analyzer.speech if self.analyzer else SpeechEncoder.load(preset)

    def hear_voice(self, samples: np.ndarray) -> Prediction:
        """What the late head's frame branch says by itself: no words, no alignment."""
        return self.late.predict(extract_features(self.late.config.preset, self.speech.encode(samples), None, None))

    def judge(self, utterance: Utterance) -> Prediction | None:
        """The verdict that the page shows; None where words aren't read."""
        if self.analyzer is None:
            return None
        text = (utterance.text or None) if self.words == "written" else None
        return self.analyzer.analyze(load_clip(utterance), text=text, head=self.head.config.name).best


def find_late(head: AnyHead) -> Head:
    """Raises SystemExit for a head without a frame branch of its own."""
    late = head if isinstance(head, Head) else head.late
    if late.role != "late" or "F" not in late.config.units:
        raise SystemExit(f"{late.config.name} has no frame branch of its own; name a late head with F, or a combination with one.")
    return late


def answer(truth: int, prediction: Prediction, *, always: bool) -> Answer:
    """`always` asks the margin alone; otherwise the verdict counts, which is never sure where a branch or a measurement is missing."""
    second, first = np.sort(prediction.probabilities)[-2:]
    sure = first - second >= prediction.margin > 0 if always else prediction.verdict == "sure"
    return Answer(truth, prediction.probabilities, bool(sure))


def choose(utterances: Sequence[Utterance], most: int) -> tuple[Utterance, ...]:
    """At most `most`: the first of each speaker and label, then the second, and so on, so that few clips hold many voices."""
    ranks: Counter[tuple[str, str]] = Counter()
    random, ranked = np.random.default_rng(0), []
    for utterance in utterances:
        ranked.append((ranks[utterance.speaker, utterance.label], random.random(), utterance))
        ranks[utterance.speaker, utterance.label] += 1
    return tuple(utterance for _, _, utterance in sorted(ranked, key=lambda row: row[:2])[: most or None])


def measure(answers: Sequence[Answer]) -> dict[str, float | None]:
    """Shares: UA over the classes there are, recall of each, sure, right when sure, neutral clips called something else and sure of it."""
    truths, said = (np.array([getattr(a, name) for a in answers]) for name in ("truth", "said"))
    sure = np.array([a.sure for a in answers])
    recalls = {name: float(np.mean(said[truths == i] == i)) if np.any(truths == i) else None for i, name in enumerate(EMOTIONS)}
    neutral, acted = truths == NEUTRAL, truths != NEUTRAL
    return {
        "ua": float(np.mean([r for r in recalls.values() if r is not None])),
        **recalls,
        "sure": float(sure.mean()),
        "sure, acted": float(sure[acted].mean()) if acted.any() else None,
        "right when sure": float((said == truths)[sure].mean()) if sure.any() else None,
        "neutral called sure and not neutral": float((sure & (said != NEUTRAL))[neutral].mean()) if neutral.any() else None,
    }


def measure_length(listener: Listener, clips: Sequence[np.ndarray]) -> dict[str, float]:
    """Median distance from training of clips said once, twice and four times, and the largest change of a probability."""
    heard = [[listener.hear_voice(np.tile(clip, times)) for times in TIMES] for clip in clips]
    found = {}
    for i, times in enumerate(TIMES):
        distances = [row[i].novelty for row in heard if row[i].novelty is not None]
        found[f"distance x{times}"] = float(np.median(distances)) if distances else float("nan")
    changes = [float(np.abs(p.probabilities - row[0].probabilities).max()) for row in heard for p in row[1:]]
    return found | {"largest change": max(changes), "median change": float(np.median(changes))}


def hear_corpus(listener: Listener, dataset: Dataset, cache: FeatureCache | None) -> list[Prediction]:
    """What each clip's voice gets, from states in the cache where one is given; what it lacks is extracted."""
    if cache is None:
        return [listener.hear_voice(load_clip(utterance).samples) for utterance in dataset.utterances]
    found = extract_dataset(dataset, cache, preset=listener.late.config.preset, units=("F",), aligner=None)
    if found.left_out:
        raise SystemExit(f"{dataset.name}: {len(found.left_out)} clips can't be read, the first: {found.left_out[0]}")
    return [listener.late.predict(cache.read(item.speech)) for item in found.items if item.speech]


def measure_corpus(listener: Listener, dataset: Dataset, cache: FeatureCache | None, *, looped: int) -> dict[str, float | None]:
    truths = [EMOTIONS.index(utterance.label) for utterance in dataset.utterances]
    voices = [answer(truth, heard, always=True) for truth, heard in zip(truths, hear_corpus(listener, dataset, cache), strict=True)]
    judged = [(truth, listener.judge(u)) for truth, u in zip(truths, dataset.utterances)]
    verdicts = [answer(truth, verdict, always=False) for truth, verdict in judged if verdict is not None]
    clips = [load_clip(utterance).samples for utterance in dataset.utterances[:looped]]
    found: dict[str, float | None] = {"clips": len(truths), **{f"voice: {k}": v for k, v in measure(voices).items()}}
    if verdicts:
        found |= {f"verdict: {k}": v for k, v in measure(verdicts).items()}
        found["fusion gain"] = np.mean([a.said == a.truth for a in verdicts]) - np.mean([a.said == a.truth for a in voices])
    return found | (measure_length(listener, clips) if clips else {})


def write_row(cells: Sequence[object]) -> str:
    shown = ("" if c is None else f"{c:.2f}" if isinstance(c, float) else str(c) for c in cells)
    return f"| {' | '.join(shown)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder with a folder per corpus, each with manifest.csv")
    parser.add_argument("--heads", type=Path, default=Path("pretrained"), help="folder of the heads")
    parser.add_argument("--head", default="combined", help="the head whose verdict is measured")
    parser.add_argument("--features", type=Path, help="a feature cache: what it has of the voices is not encoded again")
    parser.add_argument("--corpora", nargs="+", help="only these folders")
    parser.add_argument("--speakers", nargs="+", default=(), help="only these speakers, as corpus/speaker, of the corpora that they name")
    parser.add_argument("--words", choices=WORDS, default="none", help="whose words are read beside the voice")
    parser.add_argument("--clips", type=int, default=0, help="at most so many of a corpus, of as many speakers as there are (0: all)")
    parser.add_argument("--looped", type=int, default=10, help="clips of each corpus in the length test")
    parser.add_argument("--csv", type=Path, help="also write the figures there")
    args = parser.parse_args()
    torch.set_num_threads(1)
    listener = Listener(args.heads, args.head, args.words)
    cache = FeatureCache(args.features) if args.features else None
    rows: list[dict[str, object]] = []
    for manifest in sorted(args.data.glob("*/manifest.csv")):
        name = manifest.parent.name
        if args.corpora and name not in args.corpora:
            continue
        own = {s.partition("/")[2] for s in args.speakers if s.partition("/")[0] == name}
        dataset = read_manifest(manifest, classes=EMOTIONS)
        chosen = choose([u for u in dataset.utterances if not own or u.speaker in own], args.clips)
        rows.append({"corpus": name, **measure_corpus(listener, replace(dataset, utterances=chosen), cache, looped=args.looped)})
        if len(rows) == 1:
            print(f"{write_row(list(rows[0]))}\n|{'---|' * len(rows[0])}")
        print(write_row(list(rows[-1].values())), flush=True)
    if args.csv is not None and rows:
        with args.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    print(f"heads {args.heads}, {args.head}; words {args.words}; margin {listener.late.config.margin:.2f} for the voice alone")


if __name__ == "__main__":
    main()
