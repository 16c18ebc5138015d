"""The classes of the paper. A data set, an experiment and a head name their own; these are what they have when they name none."""

EMOTIONS = ("anger", "happiness", "sadness", "neutral")  # the paper's four classes; excitement counts as happiness
