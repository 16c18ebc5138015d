"""What the Learn tab says around the lesson, whose own steps are in `mmer.lesson`."""

from __future__ import annotations

TITLE = "Learn how the verdict comes about"
INTRO = (
    "Eight short steps through the paper’s method, each with its equation, the numbers of the clip on the screen, a picture and a "
    "question. The examples need no model; a clip of your own is analysed live."
)
CLIP = "Clip of the lesson"
OWN_FOLD, OWN = "Use a clip of your own", "Your own clip"
OWN_NOTE = "It is analysed by the models of this page, kept for your session only and deleted within an hour."
OWN_AUDIO, WORDS_HINT = "Your clip", "Leave this empty to have the words recognised."
ANALYSE = "Analyse and explain"
NO_EXAMPLES = "There are no stored examples. Bring a clip of your own below to begin."
NO_CLIP = "There is no clip yet. Upload or record one, then press Analyse and explain."
NOTHING_TO_MEASURE = "There is no clip yet. Choose an example or bring your own."


def say_unknown_example(name: str, known: str) -> str:
    return f"There is no example {name!r} on this page; choose one of: {known or 'none is stored'}."
