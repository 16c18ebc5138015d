"""What the Batch tab says."""

from __future__ import annotations

from mmer.phrasing import say_count

EMPTY = (
    "Upload several recordings. Each becomes a row with the verdict, the probabilities and logits of every model, the logits of late "
    "fusion's branches, and warnings. A recording that can't be used becomes a row with the reason."
)
RECORDINGS = "Recordings"
LIST = "List of their words (optional)"
COLUMNS = "Columns <code>path</code> (the file's name) and <code>text</code>; other columns are copied to the table."  # HTML
ANALYSE = "Analyse all"
CSV, JSON = "CSV", "JSON"
NO_RECORDINGS = "There are no recordings yet. Upload some first."
CANCELLED = "The batch was cancelled."
STOPPING = "Stopping after this step."
DONE = "Recordings done"
RESULTS = "Results"
NOTES = "notes"
HEARD_SPEAKER = "another clip of a speaker it was trained on"


def say_limits(recordings: int, minutes: float) -> str:
    """HTML."""
    return (
        f"At most {recordings} recordings and {minutes:.0f} minutes of sound at once. They are used for your table only and are "
        "deleted within an hour. For more, use <code>mmer batch</code>."
    )


def say_too_many(count: int, most: int) -> str:
    return f"You sent {count} recordings; at most {most} are analysed at once here. Use `mmer batch` for more."


def say_place(before: int) -> str:
    """Where a batch stands in the line."""
    place = f"{before} other{'s are' if before > 1 else ' is'} before yours" if before else "yours is next"
    return f"Waiting: one batch is done at a time, and {place}."


def say_progress(done: int, total: int, left: str) -> str:
    """`left`: how long it still takes, or "" where that isn't known."""
    return f"{done} of {total}{f', about {left} left' if left else ''}"


def say_done(recordings: int, time: str) -> str:
    return f"{say_count(recordings, 'recording')} in {time}."


def say_cancelled(done: int, total: int) -> str:
    return f"Cancelled after {done} of {say_count(total, 'recording')}."
