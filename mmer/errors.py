"""What can be wrong with what a person gave us. Messages are for that person: what was wrong, with the value, and what to do."""

LONGEST = 800  # characters of a message; what a file or a stranger wrote may be endless


class MmerError(Exception):
    """Base of every error that a person can mend. The app shows its text, the CLI prints it and exits with 2."""

    def __str__(self) -> str:
        """One line; of a very long one the beginning and the end, where the advice stands."""
        text = " ".join(super().__str__().split())
        return text if len(text) <= LONGEST else f"{text[: LONGEST - 300]} … {text[-297:]}"


class AudioError(MmerError):
    """A recording that can't be read, is empty, too long or holds no usable samples."""


class TranscriptError(MmerError):
    """A transcript that can't be used with this clip."""


class AlignmentError(MmerError):
    """Words and sound could not be brought together; the analysis goes on without the aligned units."""


class EditError(MmerError):
    """A change that can't be made to this clip: a word that is not there, a span that is too short, a tool that is missing."""


class WeightsError(MmerError):
    """A weight file that is missing, altered or of another model."""


class DeviceError(MmerError):
    """A device that is none, or that this machine lacks."""


class HeadError(MmerError):
    """A head that is missing, damaged or made for another preset."""


class DataError(MmerError):
    """A data set, manifest or run folder that can't be read; names file, row and column."""


class Busy(MmerError):
    """More people ask the models than can wait; asking again later helps."""


class Cancelled(MmerError):
    """The person stopped the work."""


class Bug(MmerError):
    """A mistake of ours, caught by the last net (`bugs.catch_bugs`). The message names the file that holds the traceback."""
