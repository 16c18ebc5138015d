"""How the run of an experiment that becomes a head is chosen, when nobody names one."""

CHOICES = {
    "median": "the median validation loss",
    "lowest": "the lowest validation loss",
}


EASY = (
    "The runs' losses are of other validation utterances in each fold, so the lowest is often that of the easiest ones: read this run's "
    "figures beside the mean of all runs."
)
