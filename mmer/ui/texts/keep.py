"""What the visitor's list says, and two of its entries side by side."""

from __future__ import annotations

TITLE = "Your session"
ANALYSED = "Analysed"
NOTE, TAGS = "Note", "Tags, separated by spaces"
OPEN, REMOVE, COPY_LINK = "Open", "Remove", "Copy a link to what is shown"
LINK, FOLLOW_LINK, QUERY = "Link", "Follow the link", "Query"
IMPORT = "Open an exported JSON file"
HOW_TO_PIN = "Pin one entry as A and one as B to see them side by side: two clips, two versions of one, two heads, or heads of two folds."
SIDE_BY_SIDE_BELOW = "They stand side by side below."
UNLIKE_CLASSES = "A and B speak of different classes, so their numbers can't be set side by side."

SIDE_TITLE = "Side by side"
SIDE = (
    "Both share one time axis and one scale. What you select in one is selected in the other, word by word. A solid line below a segment "
    "means that its word is missing in the other; a dashed line means that the segment adds clearly more or less there, by more than a "
    "tenth of the scale. Small numbers belong to the other."
)
NUMBERS_TITLE = "Differences in numbers"
NUMBERS = "Every probability and logit of both, the words in order, and the layer weights that differ."
EMOTION = "Emotion of the contributions"

NO_FILE = "No file was sent."
CHOOSE_FIRST = "Choose an entry of the list first."


def say_what_is_kept(most: int) -> str:
    return (
        f"The last {most} results that you got on this page. They are kept in memory, for you only, and are deleted five minutes after "
        "you close the page or after 30 minutes without use; nothing you record stays on the server. To keep a result, export it as JSON, "
        "which can be opened again here."
    )


def say_pin(letter: str) -> str:
    return f"Pin as {letter}"


def say_pin_another(letter: str) -> str:
    return f"Pin another entry as {letter}."


def say_pinned_already(letter: str) -> str:
    return f"This entry is pinned as {letter} already; choose another one to set beside it."


def say_unknown_example(name: str) -> str:
    return f"There is no example {name!r}, which the link names. Choose one of those above."


# A and B in numbers

NO_WORDS = "Neither has aligned words to set side by side."
ATTENTION = "Attention to each word in early fusion, mean of both directions"
WORD_COLUMNS = ("word", "A", "B", "B minus A")
LAYER_COLUMNS = ("layer", "A", "B")
LAYERS = "Layer weights that differ"


def say_changed_from(name: str) -> str:
    return f"changed from {name}"


def name_contributions(emotion: str) -> str:
    return f"Contribution of each word to {emotion} in late fusion, text and sound together"


def name_layers(role: str, unit: str) -> str:
    return f"{role}, {unit}: weight of each layer"
