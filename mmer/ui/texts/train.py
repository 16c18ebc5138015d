"""What the Train tab says: its form, the list of experiments, the chosen one, two beside each other."""

from __future__ import annotations

NEW, EXPERIMENTS, COMPARE = "New", "Experiments", "Compare"

# the form

DATA_SET, DATA_SET_CLOSED = "Data set", "A manifest, or the folder of an IEMOCAP release."
CHECK = "Check"
LABELS_EXAMPLE = "angry=anger, calm="
LABELS_FOLD, LABELS, LABELS_HINT = (
    "Labels and classes",
    "Labels",
    "Write label=class. A label with nothing after the sign is left out.",
)
CLASSES, CLASSES_EXAMPLE, CLASSES_HINT = (
    "Classes",
    "negative, neutral, positive",
    "The labels that the model learns, 2 to 12, in this order. Empty: those of the data, for IEMOCAP the paper's four.",
)
MODEL, UNIT, UNITS, ENCODERS = "Model", "Unit", "Units", "Encoders"
SPEECH_UNITS = "Speech units, beside text (T)"
PROTOCOL = "Protocol: the paper's five folds, five times"
FOLDS_OF = "Folds of"
BY_NAMES = {"auto": "sessions where there are any (the paper's)", "session": "sessions", "speaker": "speakers"}
VALIDATION_BY = "Validation split by"
VALIDATION_NAMES = {"random": "random utterances (the paper's)", "speaker": "whole speakers", "session": "whole sessions (reference [5]'s)"}
SETTINGS = "Settings: those of the paper where it names them"
ALIGNER, ALIGNER_HINT = "Aligner", "It finds the words in the sound of utterances without an alignment file."
TRAIN_ON = "Train on"
DEVICE_NAMES = {"auto": "a GPU where there is one", "cpu": "CPU", "cuda": "GPU"}
NAME, NAME_DEFAULT, NAME_HINT = "Name", "chosen for you", "Letters, digits and - _ ."
START = "Start"
SHELL = "The same from the command line"
CHECK_FIRST = "Check the data set to see how long it will take."

# what can be done with an experiment

STOP, RESUME, EXPORT, DELETE = "Stop", "Resume", "Export as zip", "Delete"
DOWNLOAD = "Download"
DELETE_FOR_GOOD, KEEP = "Delete permanently", "Keep it"
PROMOTION = "Make it a head of this app"
PROMOTED = (
    "One run becomes the head. The test part plays no role in the choice. Each fold is validated on different clips, so the run with the "
    "lowest loss often had the easiest clips, and its figures flatter. The run at the median shows what the experiment usually gives."
)
RUN = "Run"
CHOICE_NAMES = {"median": "at the median validation loss", "lowest": "with the lowest validation loss"}
HEAD_NAME, HEAD_NAME_DEFAULT = "Name of the head", "the experiment's"
LICENCE, LICENCE_DEFAULT = "Licence of the weights", "the data's, where it is known"
PROMOTE = "Promote"

# one experiment

CURVES_TITLE = "Learning curves"
CURVES = (
    "Each run is a faint line. The bold line is the median of all folds, dotted where most runs have already stopped; the band holds eight "
    "of ten runs. Drag to zoom."
)
SCORES_TITLE, SCORES = "Scores on the test parts", "UA is the mean recall of the classes, WA the share that is right."
CONFUSION = "How each emotion is classified"
UA_OF_EACH = "UA of each"
LAYERS_TITLE = "Which layers each branch learned to use"
LAYERS = (
    "The weights w / Σw of Equation 1. A dot is the mean over all runs, a bar is plus and minus one standard deviation, and a faint mark "
    "is one run."
)
EVERY_RUN = "Every run in numbers"
LOG, FACTS = "Log", "Data, settings, machine"

# two experiments

FIRST, SECOND, FIRST_MINUS_SECOND = "First", "Second", "First minus second"
UA_WITH_INTERVAL, BOTH_LAYERS = "UA with its interval", "Layer weights of both"
DIFFERENCE = "On the diagonal, plus means better for the first; elsewhere, plus means worse."


def say_roots(roots: str) -> str:
    return f"Or type a path below {roots}."


def ask_delete(name: str) -> str:
    return f"Delete {name} with its heads and predictions permanently?"


def say_promoted(name: str, folder: str) -> str:
    return f"The head {name} was written to {folder}. The app offers it after a restart."


def name_recorded(name: str) -> str:
    return f"{name} (recorded)"


def name_layer_rate(name: str, rate: float) -> str:
    return f"{name}: layer weights learned {rate:g} × as fast as the rest"
