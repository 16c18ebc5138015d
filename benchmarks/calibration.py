"""How well does each rule of fitting a temperature suit new speakers? From the recorded RAVDESS experiments; nothing is trained.

python benchmarks/calibration.py --runs assets/runs
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mmer.experiments.confidence import measure_confidence, read_outputs
from mmer.experiments.folder.runs import RunFolder
from mmer.experiments.trainer.outputs import Outputs
from mmer.heads import calibration
from mmer.heads.calibration import ece, fit_temperature, mean_log_loss, softmax
from mmer.scores.predictions import select_part

COUNTS = (5, 10, 20, 50, 100, 200)  # clips that a temperature is fitted on
PRIORS = (0.1, 0.2, 0.3, 0.5, 1.0, None)  # deviations of its logarithm; None: not shrunk
DRAWS = 60  # of speakers, per experiment and number of clips


def fit_and_judge(fitted: Outputs, judged: Outputs, clips: int | None) -> float:
    """Mean log loss on `judged` of the temperature fitted on `fitted`, less that of a temperature of 1."""
    temperature = fit_temperature(fitted.logits, fitted.labels, clips=clips)
    return mean_log_loss(judged.logits / temperature, judged.labels) - mean_log_loss(judged.logits, judged.labels)


def judge_validation(predictions: pd.DataFrame) -> tuple[float, float, float, float]:
    """(mean log loss, ece) of the test parts, each run's temperature fitted on its own validation part; then lowest and highest one."""
    scaled, labels, temperatures = [], [], []
    for _, rows in predictions.groupby(["fold", "repetition"]):
        validation, test = (read_outputs(select_part(rows, part)) for part in ("validation", "test"))
        temperatures.append(fit_temperature(validation.logits, validation.labels))
        scaled.append(test.logits / temperatures[-1])
        labels.append(test.labels)
    logits, right = np.concatenate(scaled), np.concatenate(labels)
    return mean_log_loss(logits, right), ece(softmax(logits), right), min(temperatures), max(temperatures)


def judge_few(tests: Sequence[pd.DataFrame], clips: int, random: np.random.Generator) -> dict[float | None, list[float]]:
    """Prior -> gains and losses against a temperature of 1, fitted on so many clips of few speakers, judged on 12 others."""
    found: dict[float | None, list[float]] = {prior: [] for prior in PRIORS}
    for rows in tests:
        for _ in range(DRAWS):
            own = rows[rows["repetition"] == random.integers(rows["repetition"].max() + 1)]
            speakers = random.permutation(sorted(set(own["speaker"])))
            few = own[own["speaker"].isin(speakers[: -(-clips // 25)])].sample(clips, random_state=int(random.integers(2**31)))
            fitted, judged = read_outputs(few), read_outputs(own[own["speaker"].isin(speakers[12:])])
            for prior in PRIORS:
                calibration.PRIOR = prior or 1.0
                found[prior].append(fit_and_judge(fitted, judged, clips if prior else None))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("assets/runs"), help="folder of the recorded experiments")
    folders = [RunFolder(path) for path in sorted(parser.parse_args().runs.glob("ravdess-linear-*"))]
    tests = []
    for folder in folders:
        predictions = folder.read_predictions()
        tests.append(select_part(predictions))
        loss, error, low, high = judge_validation(predictions)
        figures = measure_confidence(predictions, folder.read("splits")).figures
        print(f"{folder.name}, mean log loss (ece) on new speakers")
        print(f"  fitted on the validation part   {loss:.3f} ({error:.3f}), temperatures {low:.2f} to {high:.2f}")
        print(f"  temperature 1                   {figures['mean log loss, temperature 1']:.3f} ({figures['ece, temperature 1']:.3f})")
        low, high = (figures[f"temperature when cross-fitted, {which}"] for which in ("lowest", "highest"))
        print(
            f"  fitted on the other folds' test {figures['mean log loss, cross-fitted']:.3f} ({figures['ece, cross-fitted']:.3f}), "
            f"temperatures {low:.2f} to {high:.2f}"
        )
        told = [figures[f"accuracy when {which}"] for which in ("sure", "not sure")]
        print(f"  sure {figures['sure share']:.0%}: right {told[0]:.0%}, else {told[1]:.0%}")
    print("\nchange of the mean log loss against a temperature of 1 (share of draws that got worse), by clips and prior deviation")
    print("clips " + "".join(f"{prior or 'none':>16}" for prior in PRIORS))
    random = np.random.default_rng(0)
    for clips in COUNTS:
        found = judge_few(tests, clips, random)
        print(f"{clips:>5} " + "".join(f"{np.mean(v):>+9.3f} ({np.mean(np.array(v) > 0):>4.0%})" for v in found.values()))


if __name__ == "__main__":
    main()
