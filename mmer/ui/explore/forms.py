"""What people type or upload beside the clip, read into what the pipeline takes."""

from __future__ import annotations

from mmer.align.phones import split_arpabet
from mmer.errors import AlignmentError
from mmer.pipeline import Analyzer

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
            raise AlignmentError(
                f'Pronunciations, line {number}: "{line.strip()}" is not a word and ARPAbet phones. Write it as: zorb Z AO R B'
            )
        said[word.lower()] = read
    return said


def name_heads(analyzer: Analyzer) -> list[tuple[str, str]]:
    """(title, name) of each head; where they tell different classes apart, each title says how many."""
    classes = {name: analyzer.read_classes(name) for name in analyzer.heads}
    differ = len(set(classes.values())) > 1
    return [(f"{head.title or name}{f' ({len(classes[name])} classes)' if differ else ''}", name) for name, head in analyzer.heads.items()]
