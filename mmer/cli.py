"""`python -m mmer COMMAND ...`: finds the command's module, runs it, and turns what a person can mend into one sentence and exit code 2."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from mmer import __version__
from mmer.errors import Bug, MmerError
from mmer.files.bugs import catch_bugs
from mmer.files.streams import keep_working

COMMANDS = {
    "analyze": "what the fusion models say about a clip, and why",
    "intervene": "what the models say when words or sound are changed",
    "align": "where each word, syllable and phone is in a clip",
    "batch": "every clip of a folder or a list, one row each, as a table",
    "errors": "which utterances an experiment or a batch gets wrong, as a table that can be filtered, sorted and joined with another",
    "schema": "the JSON schema of what mmer writes, for other programs",
    "extract": "what the encoders make of every utterance of a data set, once for all trainings",
    "train": "train one model on a data set: all folds and repetitions, together",
    "reproduce": "train one of the paper's tables and print it beside the paper's figures",
    "runs": "list, show, resume, stop, delete, export, promote and compare experiments",
    "demo-heads": "train the heads that ship",
    "space": "a folder that can be pushed to a Hugging Face Space as it is",
    "doctor": "what is installed and ready, and what to do about what is not",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code: 0; 2 for input that can't be used; 1 for a bug, or when `doctor` misses something essential; 130 when interrupted.

    Output that nobody reads any more (`mmer doctor | head -1`) doesn't stop the work; what a full disk did not take is said.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    with keep_working() as output:
        code = run_to_the_end(arguments)
        sys.stdout.flush()
        if output is not None and output.failed:
            print(f"mmer: Standard output can't be written: {output.reason}. What was printed is not whole.", file=sys.stderr)
            return code or 2
        return code


def run_to_the_end(arguments: Sequence[str]) -> int:
    """The command's exit code; whatever it raises is one sentence on standard error."""
    chosen = build_parser().parse_args(arguments[:1])
    try:
        return catch_bugs(lambda: run_command(chosen.command, arguments[1:]))
    except MmerError as error:
        print(f"mmer: {error}", file=sys.stderr)
        return 1 if isinstance(error, Bug) else 2
    except KeyboardInterrupt:
        print("mmer: interrupted", file=sys.stderr)
        return 130


def build_parser() -> argparse.ArgumentParser:
    listing = "\n".join(f"  {name:<12}{what}" for name, what in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="mmer",
        description="See why a machine hears an emotion in speech.",
        epilog=f"commands:\n{listing}\n\n`mmer COMMAND --help` lists what a command takes.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"mmer {__version__}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    return parser


def build_command_parser(name: str) -> argparse.ArgumentParser:
    """The parser of one command; only its own module is imported."""
    parser = argparse.ArgumentParser(prog=f"mmer {name}", description=COMMANDS[name].capitalize() + ".")
    import_module(f"mmer.commands.{name.replace('-', '_')}").add_arguments(parser)
    return parser


def run_command(name: str, arguments: Sequence[str]) -> int:
    args = build_command_parser(name).parse_args(arguments)
    return import_module(f"mmer.commands.{name.replace('-', '_')}").run(args) or 0
