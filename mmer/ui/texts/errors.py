"""What the Errors tab says; what its scripts say stands in texts.js."""

from __future__ import annotations

SOURCE, OTHER = "Errors of", "Beside them those of (optional)"
NONE = "no other"
ADDRESS, FOLLOW = "Address", "Open what the address names"  # of what nobody sees
FILE, FILE_TITLE = "A batch's table (.csv or mmer-batch.json)", "Or a batch's table"
FILE_NOTE = (
    "It is used for your page only and is deleted within the hour. Its clips can be played and opened where they lie below a --data-root."
)
RECORDED = "came with the app"
EMPTY_TITLE = "Which utterances does a model get wrong?"
EMPTY = (
    "Choose an experiment above: each utterance that it tested becomes a row, with what all repetitions said.",
    "Press a cell of the confusion matrix or a bar: it becomes a filter. Several filters hold together, and stand in the page's address.",
    "Go through the rows with the arrow keys; space plays where the recordings can be read.",
)
NO_EXPERIMENTS = "There are no experiments yet. Train one in the Train tab, or open a batch's table."
TOO_MANY = "This page takes tables of at most {most:,} rows; `python -m mmer errors` takes more."
CHOOSE_FIRST = "Choose an experiment, or open a batch's table first."
NOTES_NOT_HERE = "Notes of this table are kept in the browser, not here; open the table anew."
NOTES_TOO_LARGE = "The file is too large for notes."
THE_FILE = "The file"  # of notes that a visitor brings
NOT_OPENED = "On a page for strangers no recordings are read, so no clip is opened; run mmer yourself."
NOT_PLAYED = "The recordings of this table can't be read here."


def name_source(name: str, *, recorded: bool, problem: str, state: str) -> str:
    """A line of the list of experiments."""
    if problem:
        return f"{name} (damaged)"
    return f"{name} ({RECORDED})" if recorded else f"{name} ({state})"
