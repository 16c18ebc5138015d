"""An alignment file of any format -> Alignment: a `.TextGrid`, or IEMOCAP's `.wdseg` with the `.phseg` and `.syseg` beside it."""

from __future__ import annotations

import os
from pathlib import Path

from mmer.align.iemocap import read_iemocap
from mmer.align.textgrid import read_textgrid
from mmer.errors import AlignmentError
from mmer.results import Alignment, Transcript


def read_alignment(path: str | Path, transcript: Transcript | None = None, *, duration: float | None = None) -> Alignment:
    """The alignment in a file. Without `transcript` its words need not be those of a text: `Segment.word` counts the file's own.

    `duration` (seconds) is that of the recording, beyond which nothing may be aligned.
    Raises AlignmentError naming the file when it is missing, broken, of no known format, or does not fit transcript and recording.
    """
    path = Path(path)
    if path.suffix == ".TextGrid":
        if not os.path.isfile(path):
            raise AlignmentError(f"{path.name} can't be read: there is no such file.")
        return read_textgrid(path, transcript, duration=duration)
    if path.suffix != ".wdseg":
        raise AlignmentError(f"{path.name} is neither a .TextGrid nor a .wdseg file.")
    syllables = path.with_suffix(".syseg")
    alignment = read_iemocap(path, path.with_suffix(".phseg"), syllables if syllables.is_file() else None, transcript)
    end = alignment.words[-1].end
    if duration is not None and end > duration + 0.05:  # the last frame may be a partial one
        raise AlignmentError(f"{path.name}: its last word ends at {end:.2f} s, after the recording's {duration:.2f} s.")
    return alignment
