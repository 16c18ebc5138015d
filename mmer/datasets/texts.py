"""A text corpus (`split,emotion,text`) -> labelled sentences, and training texts that stand in nobody's validation or test."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmer.choices.emotions import EMOTIONS
from mmer.datasets.table import parse_table
from mmer.errors import DataError
from mmer.files.encoding import decode_text

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class LabelledText:
    corpus: str  # the file's name without its suffix
    split: str  # train | dev | test
    label: str  # one of EMOTIONS
    text: str


def read_texts(path: str | Path) -> tuple[LabelledText, ...]:
    """The sentences of one corpus, in order. Raises DataError with file, row and column for what can't be used."""
    path = Path(path)
    try:
        table = parse_table(decode_text(path.read_bytes(), str(path)), str(path))
    except OSError as error:
        raise DataError(f"{path}: the text corpus can't be opened ({error.strerror}).") from error
    missing = [c for c in ("split", "emotion", "text") if c not in table.columns]
    if missing:
        raise DataError(f"{path}: column {missing[0]!r} is missing; a text corpus has split, emotion, text.")
    return tuple(_read_text(path, number, row) for number, row in table.rows)


def _read_text(path: Path, number: int, row: Mapping[str, str]) -> LabelledText:
    if row["split"] not in SPLITS:
        raise DataError(f"{path}, row {number}, column 'split': {row['split']!r} is none of {', '.join(SPLITS)}.")
    if row["emotion"] not in EMOTIONS:
        raise DataError(f"{path}, row {number}, column 'emotion': {row['emotion']!r} is none of {', '.join(EMOTIONS)}.")
    if not row["text"].strip():
        raise DataError(f"{path}, row {number}, column 'text': empty.")
    return LabelledText(path.stem, row["split"], row["emotion"], row["text"])


def normalise_sentence(text: str) -> str:
    """What makes two sentences the same for a leakage check: lower-case words and digits, nothing else."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower().replace("’", "'").replace("'", "")))


def drop_leaks(texts: Sequence[LabelledText]) -> tuple[tuple[LabelledText, ...], dict[str, int]]:
    """Texts without the training (and validation) sentences that another part holds, and how many went, per corpus.

    A training sentence goes when its normalised form stands in any corpus's dev or test split, a dev sentence when in any test split.
    Sentences without a letter or digit are kept apart by their raw text.
    """
    key = [normalise_sentence(t.text) or t.text.strip() for t in texts]
    test = {k for k, t in zip(key, texts) if t.split == "test"}
    held_out = test | {k for k, t in zip(key, texts) if t.split == "dev"}
    kept: list[LabelledText] = []
    dropped: dict[str, int] = {}
    for k, t in zip(key, texts):
        if (t.split == "train" and k in held_out) or (t.split == "dev" and k in test):
            name = f"{t.corpus} {t.split}"
            dropped[name] = dropped.get(name, 0) + 1
        else:
            kept.append(t)
    return tuple(kept), dropped
