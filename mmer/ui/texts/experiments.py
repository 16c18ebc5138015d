"""What is said of experiments: the list, one of them, two beside each other."""

from __future__ import annotations

from mmer.phrasing import say_count

STATES = {
    "waiting": "not begun",
    "starting": "starting",
    "running": "running",
    "finished": "finished",
    "failed": "failed",
    "stopped": "stopped",
    "lost": "lost",
    "recorded": "recorded, read only",
    "broken": "broken",
}
EXPERIMENT, COMPARISON = "Experiment", "Comparison"
CHOOSE_TWO = "Choose two experiments that have scores."
NOTHING_CHOSEN = "Choose an experiment to see it."
NONE_RECORDED = "No experiment was recorded with this app."
NONE_YET = "There are no experiments yet. Start the first one under New."

# how far it is, and how it ended

STOPPED = "It was stopped. Resume continues where it stopped."
LAST_LINES = "The last lines of its log"
WHOLE = "the whole"
NO_LOG = "Its log is still empty."

# its scores

SCORES = "Scores"
UA, WA, MACRO_F1, POOLED_UA, PAPERS_UA = "UA", "WA", "macro F1", "pooled UA", "the paper's UA"
ACCURACY, MEAN = "accuracy, mean over runs", "mean over runs"
SAME_SETTINGS_AS_PAPER = "on the same data and settings"
RUN_COLUMNS = ("tested", UA, WA, MACRO_F1, "best epoch of all", "learnt")
YES, NO = "yes", "no"

# its facts

BOTH_SHARED = "What both parts of a split shared"
MACHINE = "Machine"
AS_THEY_ARE = "as they are"

# two beside each other

AND = "and"
SCORE_ROWS = {"ua": "UA, mean over runs", "pooled_ua": "UA, pooled over folds", "wa": "WA", "macro_f1": "macro F1"}
INTERVAL, TESTED, RUNS = "interval of the pooled UA", "utterances tested", "runs"
UNLEARNT = {"unlearnt": "stopped before learning", "at_chance": "trained longer, no better than chance"}  # by field of LearningReport
SAME_UA = "The same pooled UA"
DIFFERENCE = "difference, points"
INCLUDES_NONE, EXCLUDES_NONE = "which includes no difference", "which excludes no difference"
SAME_SETTINGS, SETTINGS_THAT_DIFFER, DEFAULT = "Both have the same settings.", "settings that differ", "the default"


def say_ua(percent: str) -> str:
    return f"UA {percent}"


def say_diverged(count: int, runs: int, names: str) -> str:
    they = "It is" if count == 1 else "They are"
    return (
        f"{count} of {say_count(runs, 'run')} had no finite validation loss. {they} untrained, but part of the means ({names}). "
        "Lower the learning rate."
    )


def say_failed(message: str) -> str:
    return f"It failed: {message}"


def say_lost(message: str) -> str:
    return f"{message} Nothing that was written is lost: Resume continues."


def say_left(time: str) -> str:
    return f"about {time} left"


def say_ua_so_far(ua: str, finished: int, runs: int) -> str:
    return f"UA so far {ua}, mean over {finished} of {say_count(runs, 'run')}"


def say_runs_finished(finished: int, runs: int) -> str:
    return f"{finished} of {say_count(runs, 'run')} finished"


def say_finished(finished: int, runs: int) -> str:
    return f"{finished} of {runs} finished"


def say_epoch(epoch: int) -> str:
    return f"epoch {epoch}"


def say_test_ua(ua: str) -> str:
    return f"test UA {ua}"


def say_validation_ua(ua: str) -> str:
    return f"validation UA {ua}"


def say_spread(deviation: float, over: str) -> str:
    """`over`: "folds" or "repetitions"."""
    return f"{deviation:.1f} over {over}"


def say_mean(runs: int, spread: str) -> str:
    return f"mean over {say_count(runs, 'run')}{'; standard deviation ' + spread if spread else ''}"


def say_interval(level: float, low: float, high: float, resampled: str) -> str:
    """All in percent."""
    return f"{level:.0f} % interval {low:.1f} to {high:.1f} %, {resampled} resampled"


def say_range(low: float, high: float) -> str:
    return f"{low:.1f} to {high:.1f} %"


def say_deviations(deviations: str) -> str:
    return f"another experiment: {deviations}"


def name_run(fold: str, repetition: int) -> str:
    return f"{fold}, repetition {repetition}"


def say_of(part: object, whole: object) -> str:
    return f"{part} of {whole}"


def say_partial(units: str) -> str:
    return f"Read without some of {units}"


def say_includes_unlearnt(sentences: str) -> str:
    return f"{sentences}. The comparison includes these runs."


def say_difference(points: str, better: str) -> str:
    return f"<b>{points} points</b> of pooled UA in favour of <b>{better}</b>"


def say_difference_interval(first: str, second: str, difference: float, level: float, low: float, high: float) -> str:
    """The difference and its interval in points, and whether they may be equal."""
    within = INCLUDES_NONE if low <= 0 <= high else EXCLUDES_NONE
    return f"; {first} minus {second}: {difference:+.1f}, {level:.0f} % interval {low:+.1f} to {high:+.1f}, {within}"


def say_unpaired(problem: str) -> str:
    return f"No paired test: {problem}"
