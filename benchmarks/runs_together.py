"""The runs of an experiment trained together against the fastest loop that trains them one by one, in one process.

The loop holds one run's features in memory as normalised float32 (preparing them is not counted), visits the same batches of similar
length, uses the same model with PyTorch's dropout, weights the layers in one bmm and steps with the fused Adam; then it validates as we do.
Both do whole epochs, in turn; the ratio is of the medians. More than 1: together is faster.

    PYTHONPATH=. python benchmarks/runs_together.py --data ravdess --features cache --models linear:T linear:F late:TFS --rounds 3
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from mmer.datasets.folds import make_splits
from mmer.datasets.reading import read_dataset
from mmer.experiments.experiment import Experiment, shape_head
from mmer.experiments.trainer.blocks import Buffer, FeatureLoader, fit_fold_normalisations
from mmer.experiments.trainer.device import choose_stacked
from mmer.experiments.trainer.outputs import EVALUATED
from mmer.experiments.trainer.run import make_run
from mmer.experiments.trainer.stack import Stack
from mmer.experiments.trainer.visits import mark, visit_epoch
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.feature_items import choose_items
from mmer.feature_store.feature_set import read_feature_set
from mmer.heads.head import build_model

MODELS = ["linear:T", "linear:S", "linear:P", "linear:F", "late:TS", "late:TFS", "concatenation:TFP", "transformer:S", "coattention:TS"]


class Bench:
    def __init__(self, data: str, features: str, fusion: str, units: str, count: int, device: str, preset: str):
        self.experiment = Experiment(data, features, fusion=fusion, units=tuple(units), preset=preset)
        dataset, cache = read_dataset(data), FeatureCache(features)
        self.items, _ = choose_items(read_feature_set(dataset, cache, preset=preset), tuple(units))
        position = {item.index: place for place, item in enumerate(self.items)}
        runs = [make_run(self.experiment, split, position) for split in make_splits(dataset, self.experiment.plan)]
        self.loader = FeatureLoader(cache, self.items, tuple(units), max_seconds=15, device=device)
        self.lengths, self.labels = self.loader.measure_lengths(), np.array([item.label for item in self.items])
        runs.sort(key=lambda run: (run.repetition, run.fold))  # fewer runs: fewer repetitions of every fold
        tests = [run.test for run in runs if run.repetition == 0]
        self.normalisations = [None] * 5 if units == "T" else fit_fold_normalisations(cache, self.items, tests, max_seconds=15)
        self.runs = runs[:count]
        self.device = device

    def train_together(self, stack: Stack, epoch: int) -> None:
        stack.train_epoch(self.loader, self.normalisations, self.lengths, self.labels, epoch=epoch)
        wanted = {i: run.validation for i, run in enumerate(stack.runs)}
        stack.predict(self.loader, self.normalisations, wanted, self.lengths, self.labels)


class Plain:
    """One run by itself."""

    def __init__(self, bench: Bench, run):
        self.bench, self.run = bench, run
        torch.manual_seed(run.seed)
        self.model = build_model(shape_head(bench.experiment)).to(bench.device)
        self.buffer = Buffer()  # fresh memory at every step would cost it a sixth of its time
        self.adam = torch.optim.Adam(self.model.parameters(), lr=bench.experiment.rate, fused=True)

    def prepare(self) -> None:
        bench, normalisation = self.bench, self.bench.normalisations[self.run.fold]
        self.states = {}
        for unit in bench.experiment.units:
            for index in range(len(bench.items)):
                array = bench.loader.read(index, unit)
                if array is not None:
                    ready = array.astype(np.float32) if unit == "T" or normalisation is None else normalisation.apply(array)
                    self.states[index, unit] = torch.from_numpy(ready).to(bench.device)

    def read(self, rows: np.ndarray) -> tuple[dict, dict]:
        states, masks = {}, {}
        for unit in self.bench.experiment.units:
            arrays = [self.states.get((int(row), unit)) for row in rows]
            known = next((a for a in arrays if a is not None), None)
            known = next(v for (_, u), v in self.states.items() if u == unit) if known is None else known
            longest = max([1, *(a.shape[1] for a in arrays if a is not None)])
            batch = self.buffer.take(unit, (len(rows), known.shape[0], longest, known.shape[2]), like=known).zero_()
            mask = torch.zeros(len(rows), longest, dtype=torch.bool, device=known.device)
            for i, array in enumerate(arrays):
                if array is not None:
                    batch[i, :, : array.shape[1]] = array
                    mask[i, : array.shape[1]] = True
            states[unit], masks[unit] = batch, mask
        return states, masks

    def train(self, epoch: int) -> None:
        bench, experiment = self.bench, self.bench.experiment
        marked, sizes = [mark(self.run.train, len(bench.labels))], {"size": experiment.batch_size, "chunk": experiment.chunk}
        self.model.train()
        for (rows,) in visit_epoch(marked, bench.lengths, seed=0, epoch=epoch, **sizes):
            labels = torch.from_numpy(bench.labels[rows]).to(bench.device)
            loss = F.cross_entropy(self.model(*self.read(rows)).logits, labels)
            self.adam.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), experiment.clip_norm)
            self.adam.step()
        self.model.eval()
        rows = self.run.validation[np.argsort(bench.lengths[self.run.validation])]
        with torch.no_grad():
            for start in range(0, len(rows), EVALUATED):
                self.model(*self.read(rows[start : start + EVALUATED]))


def measure(work, device: str) -> float:
    begun = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def compare(bench: Bench, rounds: int, *, only_chosen: bool) -> dict[str, list[float]]:
    chosen = choose_stacked(bench.experiment, bench.device)
    light = not bench.experiment.kind.has_attention or bench.device == "cuda"
    stacks = {}
    ways = [chosen] if only_chosen else [False, True] if light else [False]
    for stacked in ways:
        name = ("stacked" if stacked else "side by side") + (" (chosen)" if stacked == chosen else "")
        stacks[name] = Stack(bench.experiment, bench.runs, device=bench.device, stacked=stacked)
    plain = [Plain(bench, run) for run in bench.runs]
    seconds: dict[str, list[float]] = {name: [] for name in ("one by one", *stacks)}
    for epoch in range(rounds + 1):  # the first warms up
        spent = 0.0
        for run in plain:
            run.prepare()
            spent += measure(lambda run=run, epoch=epoch: run.train(epoch), bench.device)
            run.states = {}
        seconds["one by one"].append(spent)
        for name, stack in stacks.items():
            seconds[name].append(measure(lambda stack=stack, epoch=epoch: bench.train_together(stack, epoch), bench.device))
    return {name: found[1:] for name, found in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--features", required=True)
    parser.add_argument(
        "--models", nargs="+", default=["linear:T", "linear:S", "linear:P", "linear:F", "late:TS", "late:TFS", "concatenation:TFP"]
    )
    parser.add_argument("--runs", type=int, default=25)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only-chosen", action="store_true", help="leave out the way that the engine would not choose")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--preset", default="compact")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for model in args.models:
        fusion, _, units = model.partition(":")
        bench = Bench(args.data, args.features, fusion, units, args.runs, args.device, args.preset)
        seconds = compare(bench, args.rounds, only_chosen=args.only_chosen)
        medians = {name: float(np.median(found)) for name, found in seconds.items()}
        told = ", ".join(f"{name} {median:.2f} s" for name, median in medians.items())
        ratios = ", ".join(f"{name} {medians['one by one'] / median:.2f}" for name, median in medians.items() if name != "one by one")
        print(f"{model}, {args.runs} runs, an epoch with validation: {told}; ratio {ratios}", flush=True)


if __name__ == "__main__":
    main()
