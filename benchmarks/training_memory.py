"""The memory that training takes at the paper's size: made-up features of IEMOCAP's lengths (12 layers, 768 dimensions), 25 runs together,
with as little memory for features as the trainer ever takes. Prints the process's peak.

    PYTHONPATH=. python benchmarks/training_memory.py --utterances 160
"""

from __future__ import annotations

import argparse
import resource
import tempfile

import numpy as np
import torch

from mmer.experiments.experiment import Experiment
from mmer.experiments.trainer.blocks import MIN_BUDGET, FeatureLoader, fit_fold_normalisations
from mmer.experiments.trainer.run import Run
from mmer.experiments.trainer.stack import Stack
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.feature_items import FeatureItem
from mmer.results import Features, UnitStates

LAYERS, DIM, FRAME = 12, 768, 0.02
UNITS = {"T": 3.3, "F": 50.0, "S": 4.4}  # segments a second


def write_utterance(cache: FeatureCache, name: str, seconds: float, rng: np.random.Generator) -> FeatureItem:
    for kind, units in (("speech", "FS"), ("text", "T")):
        found = {}
        for unit in units:
            count = max(2, round(seconds * UNITS[unit]))
            times = np.linspace(0, seconds, count + 1)
            states = rng.standard_normal((LAYERS, count, DIM), dtype=np.float32)
            timed = (None, None) if unit == "T" else (times[:-1], times[1:])
            found[unit] = UnitStates(unit, states, ("x",) * count, *timed, np.zeros(count, int))
        cache.write(f"aa{kind}{name}", Features("paper", found))
    label, speaker = int(rng.integers(4)), str(int(rng.integers(10)))
    return FeatureItem(name, label, speaker, "", "", f"aaspeech{name}", f"aatext{name}", ("T", "F", "S"), int(name), seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=160)
    parser.add_argument("--runs", type=int, default=25)
    parser.add_argument("--steps", type=int, default=3)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(folder)
        lengths = np.clip(rng.lognormal(1.3, 0.65, args.utterances), 0.6, 15)  # mean about 4.5 s, as IEMOCAP's
        lengths[:40] = 15.0  # a block of the longest
        items = [write_utterance(cache, str(i), float(s), rng) for i, s in enumerate(lengths)]
        experiment = Experiment("data", folder, preset="paper")
        folds = np.arange(args.utterances) % 5
        runs = []
        for number in range(args.runs):
            rest = np.flatnonzero(folds != number // 5)
            runs.append(Run(number // 5, number % 5, number, rest, rest[:8], np.flatnonzero(folds == number // 5)))
        tests = [np.flatnonzero(folds == fold) for fold in range(5)]
        normalisations = fit_fold_normalisations(cache, items, tests, max_seconds=15)
        loader = FeatureLoader(cache, items, experiment.units, max_seconds=15, budget=MIN_BUDGET)
        stack = Stack(experiment, runs, device="cpu", stacked=False)
        labels = np.array([item.label for item in items])
        longest = np.argsort(-loader.measure_lengths(), kind="stable")
        torch.set_num_threads(2)
        for step in range(args.steps):
            batches = {number: np.array([i for i in longest[step * 32 :] if i in set(run.train)][:32]) for number, run in enumerate(runs)}
            stack.take_step(loader, normalisations, batches, labels)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            print(f"step {step + 1}, {len(runs)} runs of 32 utterances, longest first: peak {peak:.2f} GiB resident", flush=True)


if __name__ == "__main__":
    main()
