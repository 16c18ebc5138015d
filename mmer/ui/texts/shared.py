"""What several tabs say alike."""

from __future__ import annotations

CANCEL = "Cancel"
CANCELLED = "Cancelled."
BUG = "Something went wrong. This is a bug of ours, not a fault of what you gave: please report what the program printed."
DOWNLOAD = "Download"
SETTINGS = "Settings"
HEADS = "Trained models"
ALIGNER = "Aligner"
WORDS = "What is said"
READING = "Reading the clip"
NOTHING_CHANGED = "Nothing was changed yet."
EXPERIMENTS = "Experiments"
LOG = "Log"
LEFT_OUT = "Left out"
NOTES = "Notes"
SHELL = "The same from the command line"
