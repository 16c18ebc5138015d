"""The bytes of a text file -> its text, or one sentence that names the encoding it is in."""

from __future__ import annotations

import codecs

from mmer.errors import DataError, MmerError

ADVICE = "Save it as UTF-8 (in Excel: “CSV UTF-8”)."
LATIN = frozenset((*b"\t\n\r", *range(32, 127)))  # letters, digits and signs that have the same number in all these encodings


def decode_text(data: bytes, name: str, *, error: type[MmerError] = DataError, advice: str = ADVICE) -> str:
    """The text of a file in UTF-8, or in UTF-16 with its mark as Excel's "Unicode text" has it; the mark is left out.

    Raises `error` for other encodings, named where the bytes show which, and for what is no text.
    """
    other = find_unmarked(data)
    if other:
        raise error(f"{name}: it is text in {other}. {advice}")
    is_wide = data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    try:
        return data.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as failed:
        raise error(f"{name}: not {'UTF-16' if is_wide else 'UTF-8'} text (byte {failed.start}). {advice}") from failed


def find_unmarked(data: bytes) -> str:
    """UTF-32, or UTF-16 without its mark, where Latin letters have zeros beside them; "" for other bytes."""
    if data[:4] in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
        return "UTF-32"
    head = data[: min(len(data), 4096) // 4 * 4]
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or b"\0" not in head:
        return ""
    if all(head[i : i + 3] == b"\0\0\0" or head[i + 1 : i + 4] == b"\0\0\0" for i in range(0, len(head), 4)):
        return "UTF-32"
    for order, letters, zeros in (("little", head[::2], head[1::2]), ("big", head[1::2], head[::2])):
        beside = [letter for letter, zero in zip(letters, zeros) if zero == 0]
        latin = sum(letter in LATIN for letter in beside)
        if len(beside) >= 0.2 * len(letters) and latin >= 0.8 * len(beside) and 0 not in letters:
            return f"UTF-16 ({order}-endian) without the mark that says so at its beginning"
    return ""
