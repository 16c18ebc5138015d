"""What people type or upload beside the clip, read into what the pipeline takes."""

from __future__ import annotations

from mmer.align.phones import split_arpabet
from mmer.errors import AlignmentError
from mmer.pipeline import Analyzer
from mmer.ui.texts import explore as texts

OTHER_FILES = [".mp4", ".webm", ".mkv", ".mov", ".m4a", ".aac", ".opus"]  # what gr.Audio does not take


def read_pronunciations(text: str) -> dict[str, tuple[str, ...]]:
    """Lines of "word PH OW N Z" -> word -> ARPAbet phones without stress. Raises: AlignmentError naming the line."""
    said = {}
    for number, line in enumerate((text or "").splitlines(), start=1):
        word, *phones = line.split() or [""]
        if not word:
            continue
        read = split_arpabet(" ".join(phones))
        if read is None:
            raise AlignmentError(texts.say_no_pronunciation(number, line.strip()))
        said[word.lower()] = read
    return said


def name_heads(analyzer: Analyzer) -> list[tuple[str, str]]:
    """(title, name) of each head; where they tell different classes apart, each title says how many."""
    classes = {name: analyzer.read_classes(name) for name in analyzer.heads}
    differ = len(set(classes.values())) > 1
    counts = {name: f" ({texts.say_classes(len(told_apart))})" if differ else "" for name, told_apart in classes.items()}
    return [(f"{head.title or name}{counts[name]}", name) for name, head in analyzer.heads.items()]
