"""What the Train tab says: its form, the list of experiments, the chosen one, two beside each other."""

from __future__ import annotations

NEW, EXPERIMENTS, COMPARE = "New", "Experiments", "Compare"

# the form

DATA_SET, DATA_SET_CLOSED = "Data set", "A manifest, or the folder of an IEMOCAP release."
CHECK = "Check"
LABELS_EXAMPLE = "angry=anger, calm="
LABELS_FOLD, LABELS, LABELS_HINT = "Labels that have other names", "Labels", "label=emotion; nothing after the sign leaves a label out."
MODEL, UNIT, UNITS, ENCODERS = "Model", "Unit", "Units", "Encoders"
SPEECH_UNITS = "Speech units, beside text (T)"
PROTOCOL = "Protocol: the paper's five folds, five times"
FOLDS_OF = "Folds of"
BY_NAMES = {"auto": "sessions where there are any (the paper's)", "session": "sessions", "speaker": "speakers"}
VALIDATION_BY = "Validation by"
VALIDATION_NAMES = {"random": "random utterances (the paper's)", "speaker": "whole speakers", "session": "whole sessions (reference [5]'s)"}
SETTINGS = "Settings: the paper's where it names them"
ALIGNER, ALIGNER_HINT = "Aligner", "Finds the words of utterances that bring no alignment file."
TRAIN_ON = "Train on"
DEVICE_NAMES = {"auto": "a GPU where there is one", "cpu": "CPU", "cuda": "GPU"}
NAME, NAME_DEFAULT, NAME_HINT = "Name", "chosen by itself", "Letters, digits and - _ ."
START = "Start"
SHELL = "The same from a shell"
CHECK_FIRST = "Check the data set to see how long it will take."

# what can be done with an experiment

STOP, RESUME, EXPORT, DELETE = "Stop", "Resume", "Export as zip", "Delete"
DOWNLOAD = "Download"
DELETE_FOR_GOOD, KEEP = "Delete for good", "Keep it"
PROMOTION = "Make it a head of this app"
PROMOTED = (
    "One run becomes the head; the test part chooses nothing. Every fold is validated on other clips, so the lowest loss is often that of "
    "the easiest ones, and its figures flatter. The run at the median shows what the experiment gives."
)
RUN = "Run"
CHOICE_NAMES = {"median": "at the median validation loss", "lowest": "with the lowest validation loss"}
HEAD_NAME, HEAD_NAME_DEFAULT = "Name of the head", "the experiment's"
LICENCE, LICENCE_DEFAULT = "Licence of the weights", "the data's, where it is known"
PROMOTE = "Promote"

# one experiment

CURVES_TITLE = "Learning curves"
CURVES = (
    "Every run faint, the median of all folds bold and dotted where most runs have already stopped, eight of ten runs within the band. "
    "Drag to zoom."
)
SCORES_TITLE, SCORES = "Scores on the test parts", "UA is the mean recall of the four emotions, WA the share that is right."
CONFUSION = "What is said of each emotion"
UA_OF_EACH = "UA of each"
LAYERS_TITLE = "Which layers each branch learned to read"
LAYERS = "w / Σw of Equation 1. Dot: mean over all runs, bar: plus/minus one standard deviation, faint: single runs."
EVERY_RUN = "Every run in numbers"
LOG, FACTS = "Log", "Data, settings, machine"

# two experiments

FIRST, SECOND, FIRST_MINUS_SECOND = "First", "Second", "First minus second"
UA_WITH_INTERVAL, BOTH_LAYERS = "UA with its interval", "Layer weights of both"
DIFFERENCE = "On the diagonal plus is better for the first, elsewhere worse."


def say_roots(roots: str) -> str:
    return f"Or type a path below {roots}."


def ask_delete(name: str) -> str:
    return f"Delete {name} with its heads and predictions for good?"


def say_promoted(name: str, folder: str) -> str:
    return f"The head {name} was written to {folder}. It speaks when the app is started anew."


def name_recorded(name: str) -> str:
    return f"{name} (recorded)"


def name_layer_rate(name: str, rate: float) -> str:
    return f"{name}: layer weights learned {rate:g} × as fast as the rest"
