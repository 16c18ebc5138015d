"""Words and sound brought together: clip and transcript -> words, syllables and phones in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from mmer.align.mfa.setup import MfaSettings, choose_settings, find_paths
from mmer.align.mfa.setup import identify as identify_mfa
from mmer.results import Alignment, Clip, Transcript


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


def load_sphinx(settings: MfaSettings | None = None, *, check_words: bool = True) -> Aligner:
    """The embedded aligner: pocketsphinx. It has no settings. Without `check_words` it is faster and doubts fewer words."""
    from mmer.align.sphinx import SphinxAligner

    return SphinxAligner(check_words=check_words)


def load_mfa(settings: MfaSettings | None = None, *, check_words: bool = True) -> Aligner:
    """The Montreal Forced Aligner, when it is installed; `check_words`: the embedded one judges its words.

    Raises AlignmentError when it isn't installed.
    """
    from mmer.align.mfa.aligner import MfaAligner
    from mmer.align.sphinx import SphinxAligner

    return MfaAligner(settings, judge=SphinxAligner() if check_words else None)


ALIGNERS: dict[str, Callable[..., Aligner]] = {"sphinx": load_sphinx, "mfa": load_mfa}  # each takes MfaSettings or nothing, and check_words


def identify_aligner(name: str, settings: MfaSettings | None = None) -> str:
    """`Aligner.identity` of the aligner of that name, without loading it. Raises AlignmentError when it isn't installed."""
    if name == "mfa":
        return identify_mfa(find_paths(choose_settings(settings)))
    from mmer.align.sphinx import identify

    return identify()
