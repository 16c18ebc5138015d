"""Words and sound brought together: clip and transcript -> words, syllables and phones in time. The aligners are rows of ALIGNERS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from mmer.align.mfa import setup as mfa
from mmer.choices.rows import Rows, load_named
from mmer.results import Alignment, Clip, Transcript

SPHINX, MFA = "mmer.align.sphinx:SphinxAligner", "mmer.align.mfa.aligner:MfaAligner"  # loaded when they are asked for
NO_ALIGNER = "none"  # what is chosen to do without
Options = Mapping[str, str]  # AlignerOption.name -> what the person gave; "" and what is missing have their defaults


class Aligner(Protocol):
    """Anything that finds the words of a transcript in a clip."""

    name: str
    source: str  # for people: "pocketsphinx 5.0.4"

    @property
    def identity(self) -> str:
        """All that its results depend on beside clip and words: versions, models by their content. Part of cache keys."""
        ...

    def align(self, clip: Clip, transcript: Transcript, *, pronunciations: Mapping[str, tuple[str, ...]] = ...) -> Alignment:
        """Raises AlignmentError, in words for the person, when the words can't be found in the sound."""
        ...


@dataclass(frozen=True)
class AlignerOption:
    """One text that a person may give an aligner."""

    name: str  # of the flag, with _ for -; a field of Experiment of this name is what training keeps of it
    metavar: str
    help: str


@dataclass(frozen=True)
class AlignerChoice:
    """One aligner: what it is called, how it is loaded and known again."""

    key: str
    title: str  # on the page
    load: Callable[..., Aligner]  # takes Options and, by keyword, check_words; raises AlignmentError saying what to install
    identify: Callable[[Options], str]  # Aligner.identity without loading it; raises AlignmentError when it isn't installed
    sources: tuple[str, ...]  # how the source of its alignments begins, in small letters
    options: tuple[AlignerOption, ...] = ()
    is_built_in: bool = False  # whether it comes with the package
    name_flags: Callable[[str], list[str]] = lambda source: []  # an alignment's source -> the flags that name its models
    describe: Callable[[Aligner], str] = lambda aligner: ""  # what `doctor` adds once it has aligned a sentence; ends it


def load_sphinx(options: Options | None = None, *, check_words: bool = True) -> Aligner:
    """The embedded aligner: pocketsphinx. It has no options. Without `check_words` it is faster and doubts fewer words."""
    sphinx: Aligner = load_named(SPHINX)(check_words=check_words)
    return sphinx


def identify_sphinx(options: Options) -> str:
    return str(load_named("mmer.align.sphinx:identify")())


def read_mfa(options: Options | None) -> mfa.MfaSettings:
    given = options or {}
    return mfa.MfaSettings(*(given.get(f"mfa_{name}", "") for name in ("command", "model", "dictionary")))


def load_mfa(options: Options | None = None, *, check_words: bool = True) -> Aligner:
    """The Montreal Forced Aligner, when it is installed; `check_words`: the embedded one judges its words.

    Raises AlignmentError when it isn't installed.
    """
    found: Aligner = load_named(MFA)(read_mfa(options), judge=load_sphinx() if check_words else None)
    return found


def identify_mfa(options: Options) -> str:
    return mfa.identify(mfa.find_paths(mfa.choose_settings(read_mfa(options))))


def describe_mfa(aligner: Aligner) -> str:
    """Which way it went; its process is ended."""
    mfa_aligner = load_named(MFA)
    if not isinstance(aligner, mfa_aligner):
        return ""
    fast = aligner.fast
    aligner.close()
    return ", the fast way" if fast else f", the slow way, by a new process for each clip. {aligner.why_slow}"


ALIGNERS: Rows[AlignerChoice] = Rows(
    AlignerChoice(
        key="sphinx",
        title="PocketSphinx (built in)",
        load=load_sphinx,
        identify=identify_sphinx,
        sources=("pocketsphinx",),
        is_built_in=True,
    ),
    AlignerChoice(
        key="mfa",
        title="Montreal Forced Aligner",
        load=load_mfa,
        identify=identify_mfa,
        sources=("mfa", "montreal"),
        options=(
            AlignerOption("mfa_model", "MODEL", "the Montreal Forced Aligner's acoustic model, by name or path (english_us_arpa)"),
            AlignerOption("mfa_dictionary", "DICTIONARY", "its dictionary, by name or path (named like the model)"),
            AlignerOption("mfa_command", "PROGRAM", "its program, by name or path (mfa)"),
        ),
        name_flags=mfa.name_flags,
        describe=describe_mfa,
    ),
)


def list_choices() -> tuple[str, ...]:
    """What a person chooses one of: every aligner, or to do without."""
    return (*ALIGNERS, NO_ALIGNER)


def title_choice(key: str) -> str:
    """What a choice is called on the page."""
    return "No alignment" if key == NO_ALIGNER else ALIGNERS[key].title if key in ALIGNERS else key


def list_options() -> tuple[AlignerOption, ...]:
    """Those of all aligners."""
    return tuple(option for choice in ALIGNERS.values() for option in choice.options)


def find_choice(source: str) -> AlignerChoice | None:
    """The aligner that an alignment of this source comes from; None where it was a file, or one that is not here."""
    return next((choice for choice in ALIGNERS.values() if source.lower().startswith(choice.sources)), None)


def identify_aligner(name: str, options: Options | None = None) -> str:
    """`Aligner.identity` of the aligner of that name, without loading it. Raises AlignmentError when it isn't installed."""
    return ALIGNERS[name].identify(options or {})
