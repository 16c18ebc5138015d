"""What people type or upload beside the clip, read into what the pipeline takes."""

from __future__ import annotations

from pathlib import Path

from ..align.phones import split_arpabet
from ..align.textgrid import MAX_CHARACTERS
from ..errors import AlignmentError

ALIGNER_NAMES = {"sphinx": "PocketSphinx (built in)", "mfa": "Montreal Forced Aligner", "none": "No alignment"}


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


def read_text_file(path: str | Path) -> str:
    """The text of an uploaded TextGrid: UTF-8 or UTF-16, as Praat saves it. Raises: AlignmentError when it is neither."""
    if Path(path).stat().st_size > MAX_CHARACTERS:
        raise AlignmentError(
            f"{Path(path).name} is larger than {MAX_CHARACTERS // 10**6} MB, too large for a TextGrid. Cut it to the clip."
        )
    data = Path(path).read_bytes()
    try:
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise AlignmentError(
            f"{Path(path).name} is no TextGrid: it is neither UTF-8 nor UTF-16 text. Save it in Praat as a text file."
        ) from error
