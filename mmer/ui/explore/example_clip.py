"""A clip that everybody can open, whose result is stored beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmer.errors import DataError
from mmer.results import Analysis
from mmer.ui.texts import explore as texts


@dataclass(frozen=True)
class ExampleClip:
    """What assets/examples/<name>/about.json says."""

    folder: Path
    title: str  # on the button, e.g. "A real voice reads"
    kind: str  # "recorded" | "synthesised"
    text: str  # what is said
    emotion: str  # what the clip is meant to be: the voice's emotion where words and voice differ
    words: str  # the emotion of the words alone
    voice: str  # the emotion of the voice alone
    look: str  # one sentence: what to look at
    source: str  # where the clip comes from
    licence: str

    @property
    def clip(self) -> Path:
        """The recording: clip.wav or clip.ogg. Raises: DataError when there is none."""
        for name in ("clip.wav", "clip.ogg"):
            if (self.folder / name).is_file():
                return self.folder / name
        raise DataError(texts.say_no_recording(str(self.folder)))


Opener = Callable[[ExampleClip], Analysis]
