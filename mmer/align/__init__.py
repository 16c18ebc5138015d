"""Words and sound brought together: clip and transcript -> words, syllables and phones in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from mmer.results import Alignment, Clip, Transcript


class Aligner(Protocol):
    """Anything that finds the words of a transcript in a clip."""

    name: str

    def align(self, clip: Clip, transcript: Transcript, *, pronunciations: Mapping[str, tuple[str, ...]] = ...) -> Alignment:
        """Raises AlignmentError, in words for the person, when the words can't be found in the sound."""
        ...


def load_sphinx() -> Aligner:
    """The embedded aligner: pocketsphinx."""
    from mmer.align.sphinx import SphinxAligner

    return SphinxAligner()


def load_mfa() -> Aligner:
    """The Montreal Forced Aligner, when it is installed. Raises AlignmentError when it isn't."""
    from mmer.align.mfa import MfaAligner

    return MfaAligner()


ALIGNERS: dict[str, Callable[[], Aligner]] = {"sphinx": load_sphinx, "mfa": load_mfa}
