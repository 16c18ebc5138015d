"""A data set and a split -> what stands on both sides of it: speakers, dialogues, sentences, sound. In numbers, for people and as JSON."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmer.datasets.dataset import Dataset
from mmer.datasets.folds import PARTS, Split
from mmer.errors import DataError
from mmer.files.replace import hash_file
from mmer.phrasing import say_count

PAIRS = (("train", "validation"), ("train", "test"), ("validation", "test"))
KINDS = ("speakers", "dialogues", "sentences", "audio")
Key = Hashable | None  # None: not known, never shared


@dataclass(frozen=True)
class Overlap:
    """One kind of thing in two parts of a split."""

    kind: str  # one of KINDS
    first: str  # train | validation
    second: str  # validation | test
    shared: int  # different speakers, dialogues, sentences or sounds that stand in both
    first_utterances: int  # of the first part that hold one of them
    second_utterances: int
    examples: tuple[tuple[str, str], ...] = ()  # names of utterances, one of each part; at most three pairs
    compared: bool = True  # False where it is known for no utterance of one of the parts: then none shared says nothing


@dataclass(frozen=True)
class LeakageReport:
    name: str  # of the split
    sizes: Mapping[str, int]  # part -> utterances
    unknown: Mapping[str, int]  # kind -> utterances for which it isn't known: no dialogue, no words, no sound file
    overlaps: tuple[Overlap, ...]  # every kind and pair of parts

    def find(self, kind: str, first: str, second: str) -> Overlap:
        """The overlap of `kind` between two parts, train before validation before test."""
        return next(o for o in self.overlaps if (o.kind, o.first, o.second) == (kind, first, second))

    def share(self, overlap: Overlap) -> float:
        """Of the second part's utterances, how many hold something that the first part has too."""
        return overlap.second_utterances / max(1, self.sizes[overlap.second])

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def measure_leakages(dataset: Dataset, splits: Sequence[Split], *, audio: Sequence[str | None] | None = None) -> tuple[LeakageReport, ...]:
    """What the parts of each split share. `audio` is identify_audio(dataset); without it sound is not compared."""
    if audio is not None and len(audio) != len(dataset.utterances):
        raise DataError(f"{dataset.name}: {len(audio)} identities of sound for {say_count(len(dataset.utterances), 'utterance')}.")
    keys: dict[str, list[Key]] = {
        "speakers": [u.speaker for u in dataset.utterances],
        "dialogues": [u.dialogue or None for u in dataset.utterances],
        "sentences": [normalise_words(u.text) or None for u in dataset.utterances],
        "audio": list(audio or [None] * len(dataset.utterances)),
    }
    names = [u.name or u.path.name for u in dataset.utterances]
    return tuple(_measure(keys, names, split) for split in splits)


def _measure(keys: Mapping[str, Sequence[Key]], names: Sequence[str], split: Split) -> LeakageReport:
    used = np.concatenate([split.part(part) for part in PARTS])
    overlaps = tuple(_compare(kind, keys[kind], names, split, first, second) for kind in KINDS for first, second in PAIRS)
    unknown = {kind: sum(keys[kind][i] is None for i in used) for kind in KINDS}
    return LeakageReport(split.name, {part: len(split.part(part)) for part in PARTS}, unknown, overlaps)


def _compare(kind: str, keys: Sequence[Key], names: Sequence[str], split: Split, first: str, second: str) -> Overlap:
    holders = [_group(keys, split.part(part)) for part in (first, second)]
    shared = [key for key in holders[0] if key in holders[1]]  # in the first part's order
    here, there = (sum(len(h[key]) for key in shared) for h in holders)
    examples = tuple((names[holders[0][key][0]], names[holders[1][key][0]]) for key in shared[:3])
    return Overlap(kind, first, second, len(shared), here, there, examples, bool(holders[0] and holders[1]))


def _group(keys: Sequence[Key], indices: np.ndarray) -> dict[Key, list[int]]:
    groups: dict[Key, list[int]] = {}
    for i in indices:
        if keys[i] is not None:
            groups.setdefault(keys[i], []).append(int(i))
    return groups


def normalise_words(text: str) -> str:
    """What makes two sentences the same: letters and digits of any script, without case, accents or punctuation."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return " ".join(re.findall(r"[^\W_]+", re.sub("['’‘]", "", bare)))


def identify_audio(dataset: Dataset, *, identify: Callable[[Path], str] = hash_file) -> tuple[str | None, ...]:
    """What each utterance's sound is, None without a file: the same for the same file, and for pieces of one file that overlap in time.

    `identify` gives a file's identity, by default its bytes; `lambda path: load_audio(path).sha256` finds the same sound in another format,
    slower. Raises DataError when a file can't be read.
    """
    files: dict[Path, str] = {}
    pieces: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
    for index, u in enumerate(dataset.utterances):
        if not u.has_audio:
            continue
        if u.path not in files:
            try:
                files[u.path] = identify(u.path)
            except OSError as error:
                raise DataError(f"{u.path}: can't be read ({error.strerror}).") from error
        pieces[files[u.path]].append((u.start or 0.0, float("inf") if u.end is None else u.end, index))
    found: list[str | None] = [None] * len(dataset.utterances)
    for file, ranges in pieces.items():
        reached, cluster = 0.0, -1
        for start, end, index in sorted(ranges):
            if cluster < 0 or start >= reached:  # nothing before it reaches into it
                cluster += 1
            reached = max(reached, end)
            found[index] = f"{file} {cluster}"
    return tuple(found)


def summarise_leakage(reports: Sequence[LeakageReport]) -> list[dict[str, Any]]:
    """Over an experiment's splits, for each kind and pair: most and mean shared things, most and mean share of the second part. JSON.

    "compared" is in how many splits both parts hold something that is known; with 0 of them "none shared" would say nothing.
    """
    rows = []
    for kind in KINDS:
        for first, second in PAIRS:
            overlaps = [(r, r.find(kind, first, second)) for r in reports]
            shared = [o.shared for _, o in overlaps]
            shares = [r.share(o) for r, o in overlaps]
            rows.append(
                {
                    "kind": kind,
                    "first": first,
                    "second": second,
                    "shared_most": max(shared, default=0),
                    "shared_mean": float(np.mean(shared)) if shared else 0.0,
                    "share_most": max(shares, default=0.0),
                    "share_mean": float(np.mean(shares)) if shares else 0.0,
                    "compared": sum(o.compared for _, o in overlaps),
                }
            )
    return rows


def format_leakage(stored: Mapping[str, Any]) -> str:
    """Lines of text about all splits, from what an experiment keeps: {"summary": summarise_leakage's rows, "reports": every split's}."""
    reports = stored["reports"]
    unknown = reports[0]["unknown"] if reports else {}
    whole = sum(reports[0]["sizes"].values()) if reports else 0
    lines = [f"What the parts share, the most and the mean of {say_count(len(reports), 'split')}:"]
    for row in stored["summary"]:
        if whole and unknown.get(row["kind"]) == whole:
            continue
        found = f"{row['shared_most']}, {row['shared_mean']:.1f}; in {row['share_most']:.1%} of {row['second']} at most"
        lines.append(f"  {row['kind']:9}  {row['first']} and {row['second']}: {found if row['shared_most'] else say_none(row)}")
    for kind, count in unknown.items():
        if count:
            lines.append(f"  {kind:9}  not compared for {say_count(count, 'utterance')}: {_WHY_UNKNOWN[kind]}")
    return "\n".join(lines)


def say_none(row: Mapping[str, Any]) -> str:
    """What to say of two parts that share nothing: that, or that there was nothing to compare."""
    return "none shared" if row.get("compared", 1) else "nothing to compare, since it is known for no utterance of one of them"


_WHY_UNKNOWN = {"speakers": "no speaker", "dialogues": "no dialogue is given", "sentences": "no words", "audio": "no sound was compared"}
