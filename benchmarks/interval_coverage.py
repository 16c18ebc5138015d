"""How often the 95 % intervals and tests of experiments hold the truth, when the speakers of a session share one model. Seeded.

Made-up experiments whose true UA, and whose true difference (none), are known: `sessions` folds of `speakers` each, EACH utterances of
every emotion per speaker. A speaker's recall is MEAN plus what the voice gives (sd of --voice), plus what the fold's model gives to all of
its speakers (sd of --model); of two experiments both have the voice in common, and each fold has two models.

    PYTHONPATH=. python benchmarks/interval_coverage.py --trials 2000
"""

import argparse

import numpy as np

from mmer.scores import intervals, pairs

MEAN, EACH, CLASSES = 0.65, 30, 4


def plant_counts(rng, recall):
    """(1, speakers, classes, classes) confusion counts; who is wrong says the next emotion."""
    right = rng.binomial(EACH, np.clip(recall, 0.02, 0.98)[:, None], size=(len(recall), CLASSES))
    counts = np.zeros((1, len(recall), CLASSES, CLASSES), int)
    classes = np.arange(CLASSES)
    counts[0][:, classes, classes] = right
    counts[0][:, classes, (classes + 1) % CLASSES] = EACH - right
    return counts


def join(counts, sessions):
    """The same counts by session."""
    return counts.reshape(1, sessions, -1, CLASSES, CLASSES).sum(2)


def try_once(rng, sessions, speakers, *, voice, model, resamples):
    """Whether each interval held the truth, and the p values."""
    voices = rng.normal(0, voice, sessions * speakers)
    both = [plant_counts(rng, MEAN + voices + rng.normal(0, model, sessions).repeat(speakers)) for _ in range(2)]
    ways = {"speakers": both, "sessions": [join(counts, sessions) for counts in both]}
    found = {}
    for of, (a, b) in ways.items():
        weights = intervals.draw_weights(np.ones(a.shape[1], int), resamples=resamples, seed=int(rng.integers(2**31)))
        for what, truth, values in (
            ("UA", MEAN, intervals.resample_ua(a, weights)),
            ("difference", 0.0, intervals.resample_ua(a, weights) - intervals.resample_ua(b, weights)),
        ):
            low, high = np.quantile(values, [0.025, 0.975])
            found[f"{what}, bootstrap by {of}"] = low <= truth <= high
        for what, truth, interval in (
            ("UA", MEAN, intervals.jackknife_interval(a, of=of)),
            ("difference", 0.0, intervals.jackknife_interval(a, b, of=of)),
        ):
            found[f"{what}, jackknife by {of}"] = interval["low"] <= truth <= interval["high"]
        found[f"p <= 0.05, swapping {of}"] = pairs.swap_groups(pairs.share_difference(a, b))[0] <= 0.05
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=400)
    parser.add_argument("--voice", type=float, default=0.08, help="standard deviation of speakers' recall")
    parser.add_argument("--model", type=float, nargs="+", default=[0.0, 0.03, 0.06], help="of what a fold's model gives all its speakers")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for sessions, speakers in ((5, 2), (5, 5)):
        for model in options.model:
            rng = np.random.default_rng([options.seed, sessions, speakers, round(1000 * model)])
            told = {"voice": options.voice, "model": model, "resamples": options.resamples}
            tried = [try_once(rng, sessions, speakers, **told) for _ in range(options.trials)]
            print(f"{sessions} folds of {speakers} speakers, sd of voices {options.voice}, of models {model}, {options.trials} trials")
            for name in tried[0]:
                print(f"  {name:40s} {100 * np.mean([t[name] for t in tried]):5.1f} %")


if __name__ == "__main__":
    main()
