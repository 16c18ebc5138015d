"""`mmer intervene CLIP`: change words or sound and see what the models then say; or leave out each segment in turn."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmer.choices.units import UNITS, aligned_by_name, name_unit
from mmer.commands.analyze import find_heads_folder, load_analysis, report
from mmer.commands.options.clip import add_clip_arguments, add_preset, check_outputs, print_summary, write
from mmer.commands.options.device import add_device
from mmer.errors import DataError, EditError
from mmer.exports.analysis_json import dump_json
from mmer.exports.formats import EXPORTS, Wishes
from mmer.phrasing import say_count

if TYPE_CHECKING:
    from mmer.interventions.curves import LeaveOneOut
    from mmer.interventions.differences import Difference, Intervention
    from mmer.interventions.edits import Edit
    from mmer.pipeline import Analyzer
    from mmer.results import Analysis

TARGETS = "word:3, syllable:2 or phone:5 (counting from 1), or seconds: 0.31-0.52"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_clip_arguments(parser)
    for flag, what in (
        ("mute", "not heard, or [MASK] in the text"),
        ("remove", "cut out, or dropped from the text"),
        ("isolate", "kept alone"),
    ):
        add_edit(parser, flag, "TARGET", f"{what}; TARGET is {TARGETS}; repeatable, as are all edits")
    add_edit(parser, "pitch", "TARGET=SEMITONES", "move the pitch of a span")
    add_edit(parser, "tempo", "TARGET=FACTOR", "say a span faster (above 1) or slower")
    add_edit(parser, "loudness", "TARGET=DB", "turn a span up or down")
    add_edit(parser, "voice", "OTHER", "use the voice of another recording with the same words")
    add_edit(parser, "words", "TEXT", "use other words with the same voice")
    add_edit(parser, "correct", "TEXT", "correct the words to those that are really said, and align them again")
    parser.add_argument(
        "--in",
        dest="medium",
        choices=("sound", "text", "both"),
        help="where to mute, remove, isolate (sound), or to leave out (words: both, else: sound)",
    )
    parser.add_argument("--noise", action="store_true", help="mute with noise of the span's spectrum and level, not with silence")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the noise (%(default)s)")
    parser.add_argument(
        "--leave-one-out",
        metavar="TIER",
        choices=tuple(aligned_by_name()),
        help=f"leave out each segment in turn: {', '.join(aligned_by_name())}",
    )
    parser.add_argument("--emotion", help="the emotion that the curve is printed for (the likeliest)")
    parser.add_argument("--head", help="a head's name, or a folder that holds one (combined)")
    parser.add_argument("--heads", metavar="FOLDER", type=Path, default=find_heads_folder(), help="the folder of heads (pretrained)")
    add_preset(parser)
    add_device(parser)
    parser.add_argument("--json", metavar="OUT", type=Path, help="write everything as JSON (docs/interventions.md)")
    parser.add_argument("--samples", action="store_true", help="include the sound in the JSON")
    parser.add_argument("--wav", metavar="OUT", type=Path, help="write the changed sound, 16 kHz mono")


def add_edit(parser: argparse.ArgumentParser, flag: str, metavar: str, text: str) -> None:
    """All edits share one list, so that they keep the order they were given in."""
    parser.add_argument(f"--{flag}", dest="edits", metavar=metavar, action="append", default=[], type=partial(tag, flag), help=text)


def tag(flag: str, value: str) -> tuple[str, str]:
    return flag, value


def run(args: argparse.Namespace) -> None:
    outputs = (args.json, args.textgrid, args.wav)
    check_outputs(args.clip, outputs)
    check_request(args)
    for flag, value in args.edits:  # a mistyped edit is found before anything is loaded
        if flag != "voice":
            parse_edit(flag, value, args)
    analyzer, analysis = load_analysis(args)
    print_summary((run_curve if args.leave_one_out else run_edits)(analyzer, analysis, args), outputs, quiet=args.quiet)


def check_request(args: argparse.Namespace) -> None:
    if bool(args.edits) == bool(args.leave_one_out):
        raise EditError("Name at least one edit, such as --mute word:3, or --leave-one-out words; not both.")
    if args.leave_one_out and (args.wav or args.textgrid):
        raise DataError("--leave-one-out changes the clip many times; --wav and --textgrid go with an edit.")


def parse_edit(flag: str, value: str, args: argparse.Namespace) -> Edit:
    """Raises EditError naming the flag's form."""
    from mmer.interventions.edits import (
        ChangeLoudness,
        ChangePitch,
        ChangeTempo,
        CorrectWords,
        Isolate,
        Mute,
        Remove,
        SwapWords,
        parse_target,
    )

    fill, medium = "noise" if args.noise else "silence", args.medium or "sound"
    if flag == "remove":
        return Remove(parse_target(value), medium)
    if flag in ("mute", "isolate"):
        return (Mute if flag == "mute" else Isolate)(parse_target(value), medium, fill, args.seed)
    if flag in ("words", "correct"):
        return (SwapWords if flag == "words" else CorrectWords)(value)
    target, _, amount = value.rpartition("=")
    try:
        number = float(amount)
    except ValueError as error:
        raise EditError(f"--{flag} {value!r} does not have the form TARGET=NUMBER, for example --{flag} word:3=2.") from error
    kinds: dict[str, Callable[..., Edit]] = {"pitch": ChangePitch, "tempo": ChangeTempo, "loudness": ChangeLoudness}
    return kinds[flag](parse_target(target), number)


def run_edits(analyzer: Analyzer, analysis: Analysis, args: argparse.Namespace) -> str:
    """Makes the edits, writes the files, returns what to print."""
    from mmer.interventions.intervene import intervene, intervention_to_json

    edits, voices = collect_edits(analyzer, args)
    aligner = "sphinx" if args.aligner == "none" else args.aligner
    intervention = intervene(analyzer, analysis, edits, voices=voices, aligner=aligner, progress=report(args))
    if args.json:
        write(args.json, dump_json(intervention_to_json(intervention, include_samples=args.samples)), quiet=args.quiet)
    if args.wav:
        from mmer.audio.load import encode_wav

        write(args.wav, encode_wav(intervention.changed.clip), quiet=args.quiet)
    if args.textgrid:
        save_textgrid(intervention.changed, args)
    return summarise_intervention(intervention)


def save_textgrid(analysis: Analysis, args: argparse.Namespace) -> None:
    from mmer.errors import AlignmentError

    export = EXPORTS["textgrid"]
    if refused := export.refuse(analysis):
        raise AlignmentError(refused)
    write(args.textgrid, export.write(analysis, Wishes()), quiet=args.quiet)


def collect_edits(analyzer: Analyzer, args: argparse.Namespace) -> tuple[list[Edit], dict[str, Analysis]]:
    """The edits in their order, and the analyses of other voices by their clip's sha256."""
    from mmer.audio.load import load_audio
    from mmer.interventions.edits import SwapVoice

    edits: list[Edit] = []
    voices = {}
    for flag, value in args.edits:
        if flag == "voice":
            other = analyzer.analyze(load_audio(value), aligner=args.aligner)
            voices[other.clip.sha256] = other
            edits.append(SwapVoice(other.clip.sha256, other.clip.name))
        else:
            edits.append(parse_edit(flag, value, args))
    return edits, voices


def run_curve(analyzer: Analyzer, analysis: Analysis, args: argparse.Namespace) -> str:
    from mmer.interventions.curves import FIRST_MEDIUM
    from mmer.interventions.leave_one_out import leave_one_out, leave_one_out_to_json

    emotion = args.emotion or analysis.best.label
    if emotion not in analysis.best.classes:
        raise EditError(f"There is no emotion {emotion!r}; choose one of: {', '.join(analysis.best.classes)}.")
    tier = args.leave_one_out
    medium = args.medium or (FIRST_MEDIUM if tier == "words" else "sound")  # the text has words alone
    result = leave_one_out(analyzer, analysis, tier=tier, medium=medium, seed=args.seed, progress=report(args))
    if args.json:
        write(args.json, dump_json(leave_one_out_to_json(result)), quiet=args.quiet)
    return summarise_curve(result, emotion, analysis.best.role)


# what is printed


def summarise_intervention(intervention: Intervention) -> str:
    """Original, changed and difference per class, for every model (probabilities in per cent) and branch (logits)."""
    from mmer.explain.verdict import describe_verdict

    lines = [
        notice.text for notice in intervention.changed.notices if notice.text.startswith(("This is not", "The voice of", "These words"))
    ]
    lines += [f"Words: {intervention.changed.transcript.text or '(none)'}", ""]
    lines += [f"original   {describe_verdict(intervention.original)}", f"changed    {describe_verdict(intervention.changed)}"]
    for found in intervention.differences:
        name = f"{found.role} model" if not found.unit else f"{found.role}, {UNITS[found.unit].name}"
        lines += ["", f"{name}{'' if found.same_head else ' (another head speaks for it now)'}", *list_classes(found)]
    for what, why in intervention.changed.unavailable.items():
        if what not in intervention.original.unavailable:
            lines.append(f"No longer available: {name_unit(what, what + ' model')}. {why}")
    return "\n".join(lines) + "\n"


def list_classes(found: Difference) -> list[str]:
    """One row per class: logits, and for a whole model the probabilities."""
    chances = not found.unit
    head = f"  {'':<10}{'original':>10}{'changed':>10}{'difference':>12}"
    rows = [head + (f"{'original':>12}{'changed':>10}{'difference':>12}" if chances else "")]
    for k, name in enumerate(found.classes):
        row = f"  {name:<10}" + cell(found.original, k, 10) + cell(found.changed, k, 10) + cell(found.logits, k, 12, sign="+")
        if chances:
            row += cell(found.original_probabilities, k, 12, percent=True) + cell(found.changed_probabilities, k, 10, percent=True)
            row += cell(found.probabilities, k, 12, sign="+", percent=True)
        rows.append(row)
    return rows


def cell(values: Any, k: int, width: int, *, sign: str = "", percent: bool = False) -> str:
    if values is None:
        return f"{'-':>{width}}"
    return f"{100 * values[k]:{sign}.0f} %".rjust(width) if percent else f"{values[k]:{sign}.3f}".rjust(width)


def summarise_curve(result: LeaveOneOut, emotion: str, role: str) -> str:
    """A row per segment, marked where its sign depends on the baseline; then the rank correlations and what they say."""
    from mmer.interventions.curves import describe_flips, read_flips
    from mmer.interventions.ranks import read_columns

    columns, flips = read_columns(result, emotion, role=role), read_flips(result, emotion, role=role)
    width = max(map(len, (*result.labels, "segment"))) + 2
    place = {"sound": "the sound", "text": "the text", "both": "the sound and the text"}[result.medium]
    lines = [f"Left out of {place}. {role} model, {emotion}, logits centred over the emotions: above 0 the segment spoke for it", ""]
    lines.append(f"{'segment':<{width}}{'seconds':>13}" + "".join(f"{name:>{len(name) + 3}}" for name in columns))
    for k, label in enumerate(result.labels):
        time = "-" if result.starts[k] != result.starts[k] else f"{result.starts[k]:.2f}-{result.ends[k]:.2f}"
        values = "".join(f"{column[k]:+.3f}".rjust(len(name) + 3) for name, column in columns.items())
        lines.append(f"{label:<{width}}{time:>13}{values}{'  ±' if flips[k] else ''}")
    sentence = describe_flips([label for label, flipped in zip(result.labels, flips) if flipped])
    lines += ["", sentence] if sentence else []
    lines += ["", f"Spearman's rank correlation, {say_count(len(result.labels), 'segment')}", *list_agreements(result, emotion, role)]
    return "\n".join([*lines, *(f"Left out: {reason}." for reason in result.left_out)]) + "\n"


def list_agreements(result: LeaveOneOut, emotion: str, role: str) -> list[str]:
    """One line per comparison: rho, and what it says. Contribution against attention is the same for every baseline, so it comes once."""
    from mmer.interventions.ranks import describe_agreement, rank_agreements

    lines: dict[str, None] = {}
    for curve in result.curves:
        for a in rank_agreements(result, emotion, role=role, baseline=curve.baseline):
            against = f"drop ({a.baseline})" if a.one == "drop" else a.one
            rho = "none" if a.rho is None else f"{a.rho:+.2f}"
            lines[f"  {against + ' and ' + a.other:<36}{rho}{', by size' if a.sizes else ''}: {describe_agreement(a.rho, a.n)}"] = None
    return list(lines)
