"""A data set -> what a person should know of it before anything is trained: how much there is, what was left out and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from mmer.datasets.classes import count_classes, say_own_classes
from mmer.datasets.dataset import Dataset
from mmer.phrasing import say_count

SHOWN = 10  # lines of a longer list


def count_reasons(left_out: Sequence[str]) -> dict[str, int]:
    """Reason -> how many, most frequent first: what stands behind the name in Dataset.left_out, without file names."""
    reasons = (re.sub(r"^no sound file .*", "no sound file", line.split(": ", 1)[-1]) for line in left_out)
    return dict(Counter(reasons).most_common())


def list_reasons(left_out: Sequence[str]) -> str:
    """ "2507 labelled xxx, 2 no sound file"; "" of nothing."""
    return ", ".join(f"{count} {reason}" for reason, count in count_reasons(left_out).items())


def word_missing_classes(labels: Iterable[str], classes: Sequence[str]) -> str:
    """A sentence about those of the classes that no utterance has; "" when all are there."""
    known = set(labels)
    missing = [name for name in classes if name not in known]
    return f"There is no utterance of {' or '.join(missing)}: no model can learn that, and UA is over the others." if missing else ""


def describe_dataset(dataset: Dataset) -> list[str]:
    """Lines of text: counts, what was left out by reason, what was noted."""
    sessions = Counter(u.session for u in dataset.utterances)
    labels = count_classes((u.label for u in dataset.utterances), dataset.classes)
    lines = [f"{dataset.name}: {say_count(len(dataset.utterances), 'utterance')} of {say_count(len(dataset.speakers), 'speaker')}: "]
    lines[0] += ", ".join(f"{name} {count}" for name, count in labels.items())
    lines += filter(None, [say_own_classes(dataset.classes)])
    if len(sessions) > 1:
        lines.append("sessions: " + ", ".join(f"{session or 'none'} {count}" for session, count in sorted(sessions.items())))
    if dataset.left_out:
        lines.append(f"not in the data set: {len(dataset.left_out)}")
        lines += [f"  {count:5d}  {reason}" for reason, count in count_reasons(dataset.left_out).items()][:SHOWN]
    if dataset.notes:
        lines += [f"noted: {len(dataset.notes)}", *(f"  {note}" for note in dataset.notes[:SHOWN])]
        lines += [f"  ... and {len(dataset.notes) - SHOWN} more"] * (len(dataset.notes) > SHOWN)
    return lines
