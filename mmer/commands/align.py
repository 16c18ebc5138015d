"""`mmer align CLIP`: the words in time on standard output, a TextGrid if one is asked for."""

from __future__ import annotations

import argparse

from mmer.commands.options.clip import (
    add_clip_arguments,
    check_outputs,
    parse_pronunciations,
    print_summary,
    read_aligner_options,
    read_text,
    read_textgrid_text,
    tell,
    write,
)
from mmer.commands.options.device import add_device, read_device
from mmer.errors import AlignmentError
from mmer.phrasing import say_count
from mmer.results import Alignment, Clip, Transcript


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_clip_arguments(parser)
    add_device(parser, what="where the words are recognised")


def run(args: argparse.Namespace) -> None:
    check_outputs(args.clip, (args.textgrid,))
    clip, alignment = align(args)
    if args.textgrid:
        from mmer.align.textgrid import write_textgrid

        write(args.textgrid, write_textgrid(alignment, clip.duration), quiet=args.quiet)
    print_summary("\n".join(list_tiers(alignment)) + "\n", (args.textgrid,), quiet=args.quiet)


def align(args: argparse.Namespace) -> tuple[Clip, Alignment]:
    """The clip and its alignment. Raises MmerError when they can't be had."""
    from mmer.align import ALIGNERS
    from mmer.align.textgrid import read_textgrid
    from mmer.audio.load import load_audio

    if args.aligner == "none" and not args.textgrid_in:
        raise AlignmentError(f"With --aligner none there is nothing to do; choose one of: {', '.join(ALIGNERS)}.")
    pronunciations, device = parse_pronunciations(args.pronounce), read_device(args)
    text, textgrid = read_text(args), read_textgrid_text(args.textgrid_in)
    clip = load_audio(args.clip)
    if textgrid is not None and text is None:
        return clip, read_textgrid(textgrid, duration=clip.duration)
    transcript = find_words(clip, text, device=device, quiet=args.quiet)
    if transcript.untrusted:
        raise AlignmentError(f"{transcript.untrusted} Use --text.")
    if textgrid is not None:
        return clip, read_textgrid(textgrid, transcript, duration=clip.duration)
    return clip, ALIGNERS[args.aligner].load(read_aligner_options(args)).align(clip, transcript, pronunciations=pronunciations)


def find_words(clip: Clip, text: str | None, *, device: str, quiet: bool) -> Transcript:
    from mmer.devices.placement import open_placement
    from mmer.transcript.transcribe import Recogniser, read_transcript

    if text is not None:
        return read_transcript(text, duration=clip.duration)
    tell("Recognising the words", quiet=quiet)
    return Recogniser.load(device=open_placement(device).device).transcribe(clip)


def list_tiers(alignment: Alignment) -> list[str]:
    """One line per word: its time, its score and its syllables; then what the person should know."""
    score = "" if alignment.score is None else f", score {alignment.score:.1f} per 10 ms"
    lines = [
        f"{say_count(len(alignment.words), 'word')}, {say_count(len(alignment.syllables), 'syllable')}, "
        f"{say_count(len(alignment.phones), 'phone')} by {alignment.source}{score}"
    ]
    for word in alignment.words:
        inside = [s.label for s in alignment.syllables if s.word == word.word and word.start <= (s.start + s.end) / 2 < word.end]
        score = "" if word.score is None else f"{word.score:>8.1f}"
        lines.append(f"{word.start:>8.2f} {word.end:>8.2f} {score}  {word.label:<16} {' . '.join(inside)}".rstrip())
    return lines + [f"{'Note' if n.level == 'info' else 'Warning'}: {n.text}" for n in alignment.notices]
