"""The labels that a model tells apart, its classes: which names they may have, how many there may be, and in which order they stand.

A set of classes is a tuple of names in the order of the logits. It belongs to a data set, an experiment and a head; EMOTIONS, the paper's
four, is only what stands where nobody says otherwise. A class has no colour of its own: colours say for and against.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from mmer.choices.emotions import EMOTIONS
from mmer.errors import DataError
from mmer.phrasing import say_count

FEWEST, MOST = 2, 12
LONGEST = 40  # letters of a name
MARKS = ",;="  # what stands between names and pairs where a person types them


def clean_label(text: str) -> str:
    """A label as it is compared: without blanks around it, its accents written in one way."""
    return unicodedata.normalize("NFC", text).strip()


def explain_name(name: str) -> str:
    """Why no class can have this name, as the end of a sentence; "" when one can."""
    if not name:
        return "it is empty"
    if len(name) > LONGEST:
        return f"it has {len(name)} letters, and at most {LONGEST} are read"
    if not name.isprintable():
        return "it holds a character that can't be seen"
    found = [mark for mark in MARKS if mark in name]
    return f"it holds {found[0]!r}, which stands between names" if found else ""


def check_name(name: str, where: str) -> None:
    """Raises DataError when no class can have this name."""
    problem = explain_name(name)
    if problem:
        raise DataError(f"{where}: {name[:LONGEST]!r} can't be the name of a class: {problem}.")


def check_classes(classes: Sequence[str], where: str) -> None:
    """Raises DataError unless these are 2 to 12 different names that classes can have."""
    for name in classes:
        check_name(name, where)
    if not FEWEST <= len(classes) <= MOST:
        shown = ", ".join(classes[: MOST + 1]) + (", ..." if len(classes) > MOST + 1 else "")
        raise DataError(f"{where}: {say_count(len(classes), 'class', 'classes')} ({shown}); it must be {FEWEST} to {MOST} different ones.")
    check_spelling(classes, where)


def check_spelling(names: Iterable[str], where: str) -> None:
    """Raises DataError where two names are the same, or would be but for upper and lower case."""
    seen: dict[str, str] = {}
    for name in names:
        before = seen.get(name.casefold())
        if before == name:
            raise DataError(f"{where}: the class {name!r} is named twice.")
        if before is not None:
            raise DataError(f"{where}: {before!r} and {name!r} would be two classes. Write both alike, or map one to the other (--labels).")
        seen[name.casefold()] = name


def parse_classes(text: str) -> tuple[str, ...]:
    """Classes as a person types them, "negative, neutral, positive", in that order; () of nothing. Raises DataError."""
    classes = tuple(name for part in text.split(",") if (name := clean_label(part)))
    if classes:
        check_classes(classes, "Classes")
    return classes


def order_classes(labels: Iterable[str]) -> tuple[str, ...]:
    """The classes of these labels: the paper's four when there are no others, else those of them that occur, then the others by name."""
    found = set(labels)
    if found <= set(EMOTIONS):
        return EMOTIONS
    others = sorted(found - set(EMOTIONS), key=lambda name: (drop_accents(name).casefold(), name))
    return (*(emotion for emotion in EMOTIONS if emotion in found), *others)


def drop_accents(text: str) -> str:
    """ "Überraschung" -> "Uberraschung", so that it stands beside its neighbours in a list by name."""
    return "".join(letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter))


def find_classes(labels: Sequence[str], where: str) -> tuple[str, ...]:
    """order_classes of a data set's labels, one for each utterance. Raises DataError when they are too many, or spelt in two ways."""
    check_spelling(dict.fromkeys(labels), where)
    classes = order_classes(labels)
    if len(classes) > MOST:
        counts = ", ".join(f"{name} {count}" for name, count in Counter(labels).most_common(MOST))
        raise DataError(
            f"{where}: it has {len(classes)} different labels ({counts}, ...); at most {MOST} can be told apart. "
            "Choose some of them (--classes), or bring several together (--labels)."
        )
    return classes


def check_stated(classes: Sequence[str], labels: Iterable[str], where: str) -> None:
    """Raises DataError when somebody chose a class that no utterance has, which is mostly a slip of the pen.

    The paper's four may be chosen wherever one of them is: where it lacks one, that is said elsewhere.
    """
    counts = Counter(labels)
    missing = [name for name in classes if not counts[name]]
    if missing and (tuple(classes) != EMOTIONS or len(missing) == len(classes)):
        held = ", ".join(f"{name} {count}" for name, count in counts.most_common(MOST)) or "none that can be used"
        raise DataError(f"{where}: no utterance is labelled {' or '.join(missing)}. Its labels are: {held}.")


def say_own_classes(classes: Sequence[str]) -> str:
    """One sentence for classes that are not the paper's; "" for the paper's four."""
    if tuple(classes) == EMOTIONS:
        return ""
    return f"{len(classes)} classes of its own: {', '.join(classes)}. Its scores can't be compared with those of the paper's four emotions."


def count_classes(labels: Iterable[str], classes: Sequence[str]) -> Mapping[str, int]:
    """Class -> how many of the labels are it, in the order of the classes."""
    counts = Counter(labels)
    return {name: counts[name] for name in classes}
