"""Why an exported analysis can't be shown. Each problem ends the sentence of `say_not_shown`."""

from __future__ import annotations

AGAIN = "Export the analysis again."

NO_PREDICTION = "it holds no prediction"
UNKNOWN_ROLE = "it holds a prediction of an unknown role"
UNKNOWN_UNIT = "it holds an unknown unit"
NO_AUDIO = "its audio can't be decoded"
UNKNOWN_WORDS = "the alignment names words that the transcript lacks"
LONG_ALIGNMENT = "its alignment is longer than its clip"
NO_OFFSETS = "its word pieces lack their places in the text"
OFFSETS_OUTSIDE = "its word pieces lie outside the text"
OTHER_CLASSES = "its models predict different classes"


def say_not_shown(problem: str) -> str:
    return f"This analysis can't be shown: {problem}. {AGAIN}"


def say_large(megabytes: float, most: int) -> str:
    return f"This file has {megabytes:.0f} MB; an exported analysis has at most {most} MB."


def say_beyond(name: str) -> str:
    return f"{name} holds numbers that are too large, or lists that are nested too deeply, for an analysis. {AGAIN}"


def say_no_json(name: str) -> str:
    return f"{name} is not a JSON file that can be read. {AGAIN}"


def say_samples(count: int, most: float) -> str:
    return f"The clip is said to have {count} samples; an analysis holds 1 to {most:.0f}."


def say_unfit(name: str) -> str:
    return f"{name} holds values that don't fit together, so it can't be shown. {AGAIN}"


def say_segments(count: int, unit: str) -> str:
    return f"it has {count} {unit} segments"


def say_foreign_words(unit: str) -> str:
    return f"the words of unit {unit} are not in the transcript"


def say_times(unit: str) -> str:
    return f"the times of unit {unit} lie outside the clip"


def say_other_role(role: str, named: str) -> str:
    return f"its {role} prediction calls itself {named}"


def say_no_classes(fewest: int, most: int) -> str:
    return f"its classes are not {fewest} to {most} different names"


def say_no_logits(role: str) -> str:
    return f"the {role} logits are not all numbers"


def say_no_probabilities(role: str) -> str:
    return f"the {role} probabilities do not all lie between 0 and 1"


def say_no_temperature(role: str) -> str:
    return f"the {role} temperature is no number above 0"


def say_absent_models(role: str) -> str:
    return f"the {role} prediction combines models that are not there"


def say_no_sum(unit: str) -> str:
    return f"the sum of branch {unit} holds values that are no numbers"


def say_layer_weights(unit: str) -> str:
    return f"the layer weights of {unit} don't fit"


def say_attention(unit: str) -> str:
    return f"the attention of {unit} doesn't fit its segments"


def say_attention_gaps(unit: str) -> str:
    return f"the attention of {unit} holds values that are no numbers"
