"""What the whole page says: its tabs, and what happens to what a visitor sends."""

from __future__ import annotations

TITLE = "mmer: why a machine hears an emotion"
EXPLORE, LEARN, BATCH, ERRORS, TRAIN, ABOUT = "Explore", "Learn", "Batch", "Errors", "Train", "About"
REFUSED = "This can't be used"
NO_ADDRESS = "An address can't be opened here. Send the file itself."
GONE_TITLE = "This file is gone"


def say_gone(minutes: int, gigabytes: int) -> str:
    """Why a file that was sent is not there any more."""
    return (
        f"This file is no longer on the server: files are deleted after {minutes} minutes, and the oldest earlier than that when "
        f"all visitors' files together reach {gigabytes} GB. Send it again."
    )


def say_let_go(gigabytes: int) -> str:
    """Why results are not there any more."""
    return (
        f"Your results were removed from memory: all visitors' results together had reached {gigabytes} GB, and those unused for "
        "the longest time are removed first. Analyse the clip again, or open an exported JSON file."
    )


def say_too_large(megabytes: int) -> str:
    """Gradio's own sentence, so that its page shows it as it shows that one."""
    return f"This upload exceeds the maximum allowed size of {megabytes} MB."
