"""A data set -> what a person should know of it before anything is trained: how much there is, what was left out and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from mmer.datasets.manifest import Dataset
from mmer.phrasing import say_count
from mmer.results import EMOTIONS

SHOWN = 10  # lines of a longer list


def count_reasons(left_out: Sequence[str]) -> dict[str, int]:
    """Reason -> how many, most frequent first: what stands behind the name in Dataset.left_out, without file names."""
    reasons = (re.sub(r"^no sound file .*", "no sound file", line.split(": ", 1)[-1]) for line in left_out)
    return dict(Counter(reasons).most_common())


def list_reasons(left_out: Sequence[str]) -> str:
    """ "2507 labelled xxx, 2 no sound file"; "" of nothing."""
    return ", ".join(f"{count} {reason}" for reason, count in count_reasons(left_out).items())


def word_missing_classes(labels: Iterable[str]) -> str:
    """A sentence about those of EMOTIONS that no utterance has; "" when all are there."""
    known = set(labels)
    missing = [emotion for emotion in EMOTIONS if emotion not in known]
    return f"There is no utterance of {' or '.join(missing)}: no model can learn that, and UA is over the others." if missing else ""


def describe_dataset(dataset: Dataset) -> list[str]:
    """Lines of text: counts, what was left out by reason, what was noted."""
    labels, sessions = (Counter(getattr(u, name) for u in dataset.utterances) for name in ("label", "session"))
    lines = [f"{dataset.name}: {say_count(len(dataset.utterances), 'utterance')} of {say_count(len(dataset.speakers), 'speaker')}: "]
    lines[0] += ", ".join(f"{emotion} {labels[emotion]}" for emotion in EMOTIONS)
    if len(sessions) > 1:
        lines.append("sessions: " + ", ".join(f"{session or 'none'} {count}" for session, count in sorted(sessions.items())))
    if dataset.left_out:
        lines.append(f"not in the data set: {len(dataset.left_out)}")
        lines += [f"  {count:5d}  {reason}" for reason, count in count_reasons(dataset.left_out).items()][:SHOWN]
    if dataset.notes:
        lines += [f"noted: {len(dataset.notes)}", *(f"  {note}" for note in dataset.notes[:SHOWN])]
        lines += [f"  ... and {len(dataset.notes) - SHOWN} more"] * (len(dataset.notes) > SHOWN)
    return lines
