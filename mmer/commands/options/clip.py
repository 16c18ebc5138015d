"""What `analyze` and `align` share: a clip, its words, how they are aligned, and files that are written."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmer.align import list_choices, list_options
from mmer.encoders.presets import DEFAULT, PRESETS
from mmer.errors import AlignmentError, DataError, TranscriptError
from mmer.exports.formats import EXPORTS
from mmer.files.encoding import decode_text
from mmer.files.output import OUTPUT, write_file

SHARED_EXPORT = "textgrid"  # what analyze, align and intervene all write


def add_clip_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clip", metavar="CLIP", type=Path, help="a recording: wav, flac, ogg, opus, mp3, m4a, webm, mp4")
    words = parser.add_mutually_exclusive_group()
    words.add_argument("--text", help="the words that are said; without them they are recognised (English)")
    words.add_argument("--text-file", metavar="FILE", type=Path, help="read the words from a UTF-8 file")
    add_aligner_arguments(parser)
    parser.add_argument("--textgrid-in", metavar="FILE", type=Path, help="use the tiers of a Praat TextGrid instead of an aligner")
    parser.add_argument(
        "--pronounce", metavar='WORD="PHONES"', action="append", default=[], help='how a word is said, in ARPAbet: Zhao="JH AW"; repeatable'
    )
    add_export_argument(parser, SHARED_EXPORT)
    parser.add_argument("--quiet", action="store_true", help="print no progress on standard error")


def add_export_argument(parser: argparse.ArgumentParser, key: str) -> None:
    """The flag of one of EXPORTS: where to write it."""
    parser.add_argument(f"--{key}", metavar="OUT", type=Path, help=EXPORTS[key].help)


def add_preset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", default=DEFAULT, choices=tuple(PRESETS), help="the pair of encoders (%(default)s)")


def add_aligner_arguments(parser: argparse.ArgumentParser, *, what: str = "finds the words in the sound") -> None:
    parser.add_argument("--aligner", default="sphinx", choices=list_choices(), help=f"{what} (%(default)s)")
    add_aligner_options(parser)


def add_aligner_options(parser: argparse.ArgumentParser) -> None:
    """The flags of all aligners that have any, such as which Montreal Forced Aligner."""
    for option in list_options():
        parser.add_argument(f"--{option.name.replace('_', '-')}", metavar=option.metavar, default="", help=option.help)


def read_aligner_options(args: argparse.Namespace) -> dict[str, str]:
    """What the flags say; what they leave open is in the environment, or has its default."""
    return {option.name: getattr(args, option.name) for option in list_options()}


def read_text(args: argparse.Namespace) -> str | None:
    """The words as typed or read from a file; None: a TextGrid's own, or recognise them. Raises TranscriptError."""
    return read_text_file(args.text_file) if args.text_file is not None else args.text


def read_text_file(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TranscriptError(f"Can't read the words from {path}: {error.strerror}.") from error
    return decode_text(data, str(path), error=TranscriptError, advice="Save it as UTF-8.")


def read_textgrid_text(path: Path | None) -> str | None:
    """The text of a TextGrid file that was read through once, whatever encoding Praat gave it; None without one. Raises AlignmentError."""
    if path is None:
        return None
    from mmer.align.textgrid_tiers import read_text, read_tiers

    text = read_text(path)
    read_tiers(text)
    return text


def parse_pronunciations(given: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """`Zhao=JH AW` -> {"zhao": ("JH", "AW")}. Raises AlignmentError for what has another form; the phones are checked by the aligner."""
    pronunciations = {}
    for entry in given:
        word, sign, phones = entry.partition("=")
        if not (word.strip() and sign and phones.split()):
            raise AlignmentError(f'--pronounce {entry!r} does not have the form WORD="PHONES", for example Zhao="JH AW".')
        if word.strip().lower() in pronunciations:
            raise AlignmentError(f"--pronounce gives {word.strip()[:60]!r} twice. Name one pronunciation of a word.")
        pronunciations[word.strip().lower()] = tuple(phones.upper().split())
    return pronunciations


def check_outputs(clip: Path, outputs: Sequence[Path | None]) -> None:
    """Before any work: each output must have a folder and must not be the recording; only one may be standard output. Raises DataError."""
    if outputs.count(OUTPUT) > 1:
        raise DataError("Only one output can go to standard output (-); name files for the others.")
    for out in outputs:
        if out is None or out == OUTPUT:
            continue
        if not os.path.isdir(out.parent):  # unlike Path.is_dir it takes any name, an endless one as well
            raise DataError(f"Can't write {out}: there is no folder {out.parent}. Create it first.")
        if os.path.isdir(out):
            raise DataError(f"Can't write {out}: it is a folder. Name a file in it.")
        if os.path.exists(out) and os.path.exists(clip) and out.samefile(clip):
            raise DataError(f"{out} is the recording itself; choose another name for the output.")


def print_summary(text: str, outputs: Sequence[Path | None], *, quiet: bool) -> None:
    """On standard output; where a file goes there (-), on standard error, so that each can be read by itself."""
    if OUTPUT not in outputs:
        print(text, end="")
    elif not quiet:
        print(text, end="", file=sys.stderr)


def write(path: Path, content: str | bytes, *, quiet: bool) -> None:
    """One output, whole or not at all, and a line that says so. Raises DataError."""
    write_file(path, content)
    if path != OUTPUT:
        tell(f"wrote {path}", quiet=quiet)


def tell(text: str, *, quiet: bool) -> None:
    """One line of progress on standard error."""
    if not quiet:
        print(text, file=sys.stderr, flush=True)
