"""What the Train tab says: its form, the list of experiments, the chosen one, two beside each other."""

from __future__ import annotations

from mmer.phrasing import say_count
from mmer.ui.texts import shared

NEW, COMPARE = "New", "Compare"

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
ALIGNER_HINT = "It finds the words in the sound of utterances without an alignment file."
TRAIN_ON = "Train on"
DEVICE_NAMES = {"auto": "a GPU where there is one", "cpu": "CPU", "cuda": "GPU"}
NAME, NAME_DEFAULT, NAME_HINT = "Name", "chosen for you", "Letters, digits and - _ ."
START = "Start"
CHECK_FIRST = "Check the data set to see how long it will take."

# what a check of the data set shows

CHECK_SHOWS = "What a check shows"
CHECKED = (  # (what it answers, how)
    ("What is in the data.", "Recordings of each class, speaker and session, and what is left out and why."),
    ("How it is divided.", "The folds with their speakers and sizes; every model on the same data gets the same ones."),
    ("What leaks.", "Speakers, dialogues, sentences and sounds that stand on both sides of a split, in numbers."),
)
BEFORE_CHECK = {  # whether training is off -> what to do
    False: "Choose a data set and press Check. Nothing is written or trained before you press Start.",
    True: "On your own machine, Check shows this before anything is trained. The form writes the command.",
}
COPY = "Copy"
REPORT = "The data set"
BOTH_SHARE = "What both parts of a split share"
ALL, UTTERANCES = "all", "utterances"
TOO_SMALL = "Too small to be sure"
NOTHING_LEFT_OUT = "Nothing is left out."
FOLDS = "Folds"
FOLD_COLUMNS = ("train", "validation", "test")
TESTED_SPEAKERS = "tested speakers"
COMPARED_KINDS = {  # kind of leakage -> (of its row, why it may not be known)
    "speakers": ("Speakers", "no speaker is given"),
    "dialogues": ("Dialogues", "no dialogue is given"),
    "sentences": ("Sentences", "no words are given"),
    "audio": ("Recordings", "no sound was compared"),
}
NO_LEAKAGE = "No leakage report was kept."
LEAKAGE_COLUMNS = ("between", "verdict", "shared by both, at most", "on average", "share of the second, at most")
NOTHING_SHARED, NOT_COMPARED = "✓ none", "nothing to compare"
NOT_COMPARED_WHY = "It is known for no utterance of one of the two parts."
KNOWN_BY_HEART = "! a text model may know them by heart"
SPEAKERS_VALIDATED = "! as in the paper; validation by speaker avoids it"
DIALOGUES_VALIDATED = "! as in the paper; validation by session avoids it"
UNFAIR = "✗ the test is not fair"
ESTIMATE, TRAINING, FEATURES, MEMORY, ALL_EXTRACTED = "Estimate", "Training", "Features", "Memory", "all extracted"

# what can be done with an experiment

STOP, RESUME, EXPORT, DELETE = "Stop", "Resume", "Export as zip", "Delete"
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
FACTS = "Data, settings, machine"

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


def say_more(count: int) -> str:
    """What stands below a list that was cut."""
    return f"and {count:,} more"


def say_more_groups(count: int, by: str) -> str:
    return f"and {count} more {by if count == 1 else by + 's'}"


def say_lacking(count: int, what: str) -> str:
    """`what`: "no words", "no sound file"."""
    return f"{count:,} have {what}."


def say_left_out(reasons: str) -> str:
    return f"{shared.LEFT_OUT}: {reasons}."


def say_runs(folds: int, runs: int) -> str:
    each = runs // max(1, folds)
    counted = f"{say_count(folds, 'fold')} × {say_count(each, 'repetition')} = {say_count(runs, 'run')}"
    return f"{counted}. The sizes are those of the first repetition."


def name_tested(name: str) -> str:
    return f"test {name}"


def say_shared_by(first: str, second: str) -> str:
    return f"{first} and {second}"


def say_leakage(runs: int) -> str:
    over = "Of the only run" if runs == 1 else f"Over all {runs} runs"
    return f"{over}. A model may recognise again what stands in both parts, instead of understanding it."


def say_not_compared(kind: str, count: int) -> str:
    name, why = COMPARED_KINDS[kind]
    return f"{name}: not compared for {say_count(count, 'utterance')}; {why}."


def say_training_time(likely: str, most: str) -> str:
    return f"about {likely}, {most} at most"


def say_extraction_time(time: str) -> str:
    return f"about {time} still to extract"


def say_memory(gigabytes: float) -> str:
    return f"about {gigabytes:.1f} GB"


def say_busy(names: str) -> str:
    return f"{names} is training now, so both will be slower."
