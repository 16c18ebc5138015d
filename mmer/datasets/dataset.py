"""What every reader of labelled recordings gives: a data set of utterances."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmer.datasets.classes import order_classes


@dataclass(frozen=True)
class Utterance:
    """One labelled recording of one speaker."""

    path: Path
    text: str  # what is said; "" when it is not known
    label: str  # one of its data set's classes
    speaker: str  # unique within its data set
    session: str = ""  # "" when the manifest has none
    extra: Mapping[str, str] = field(default_factory=dict)  # the manifest's other columns
    name: str = ""  # unique within its data set
    dialogue: str = ""  # the conversation it is part of; "" when it is of none
    alignment: Path | None = None  # of this utterance, its times counted from the utterance's begin; None when there is no file
    start: float | None = None  # seconds into the file at which the utterance begins; None: the file is the utterance
    end: float | None = None
    has_audio: bool = True  # False when the file is not there, so that only the words can be used


@dataclass(frozen=True)
class Dataset:
    name: str
    utterances: tuple[Utterance, ...]
    left_out: tuple[str, ...] = ()  # "name: reason" for everything that is not in utterances
    notes: tuple[str, ...] = ()  # "name: what is missing or odd" for utterances that are in
    classes: tuple[str, ...] = ()  # what is told apart, in the order of the logits; (): as order_classes has it

    def __post_init__(self) -> None:
        if not self.classes:
            object.__setattr__(self, "classes", order_classes(u.label for u in self.utterances))

    @property
    def numbers(self) -> tuple[int, ...]:
        """(utterances,) the index of each one's label in `classes`."""
        return tuple(self.classes.index(u.label) for u in self.utterances)

    @property
    def speakers(self) -> tuple[str, ...]:
        return tuple(sorted({u.speaker for u in self.utterances}))

    @property
    def sessions(self) -> tuple[str, ...]:
        return tuple(sorted({u.session for u in self.utterances} - {""}))

    @property
    def fingerprint(self) -> str:
        """sha256 of what a run depends on, in order: names, labels, speakers, sessions, words and metadata, but not where the files lie."""
        rows = [
            [u.name or u.path.name, u.label, u.speaker, u.session, u.dialogue, u.text, u.start, u.end, sorted(u.extra.items())]
            for u in self.utterances
        ]
        return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()
