"""A trainer that knows the answers: it writes an experiment's folder as the engine does, epoch by epoch, and can be stopped and resumed.

python fake_trainer.py FOLDER [--seconds S of an epoch] [--crash EPOCH]
"""

import argparse
import os
import time

import numpy as np
import pandas as pd

from mmer.choices.emotions import EMOTIONS
from mmer.datasets.reading import read_dataset
from mmer.experiments.folder.run_status import lock_run
from mmer.experiments.folder.runs import RunFolder
from mmer.scores.scores import score_runs, summarise

EPOCHS = 6


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--crash", type=int, default=0)
    parser.add_argument("--gate", default="")
    options = parser.parse_args()
    folder = RunFolder(options.folder)
    experiment, splits = folder.read_experiment(), folder.read("splits")
    dataset = read_dataset(experiment.data, labels=experiment.labels or None)
    utterances = {u.name or u.path.name: u for u in dataset.utterances}
    with lock_run(folder, runs=len(splits), stage="extracting clips: 1 of 2") as lock:
        begun = max((row["epoch"] for row in folder.read_metrics()), default=0)
        for epoch in range(begun + 1, EPOCHS + 1):
            time.sleep(options.seconds)
            lock.check()
            while epoch > EPOCHS // 2 and options.gate and not os.path.exists(options.gate):
                time.sleep(0.05)
                lock.check()
            if epoch == options.crash:
                print("Traceback: <b>the disk is on fire</b>", flush=True)
                os._exit(7)
            folder.append_metrics(make_row(split, epoch) for split in splits)
            lock.say(f"epoch {epoch}, {len(splits)} runs")
            for split in splits:
                if last_epoch(split) == epoch:
                    folder.write_part(split["fold"], split["repetition"], predict(split, utterances, experiment))
            finished = sum(last_epoch(split) <= epoch for split in splits)
            left = options.seconds * (EPOCHS - epoch)
            lock.update(stage=f"training, epoch {epoch}", done=epoch / EPOCHS, seconds_left=left, runs_finished=finished, epoch=epoch)
        predictions = folder.merge_parts()
        rows = [row | describe(split) for row, split in zip(score_runs(predictions), order(splits))]
        folder.write("results", {"runs": rows, "summary": summarise(predictions, resamples=200)})


def order(splits):
    return sorted(splits, key=lambda s: (s["repetition"], s["fold"]))


def last_epoch(split):
    return EPOCHS - split["fold"] % 2


def make_row(split, epoch):
    shift = 0.03 * split["fold"] + 0.01 * split["repetition"]
    row = {"loss": 1.4 / epoch + shift, "validation_loss": 1.4 / epoch + 2 * shift, "validation_ua": 1 - 0.8 / epoch - shift}
    return {"fold": split["fold"], "repetition": split["repetition"], "epoch": epoch, "seconds": 0.1, **row}


def predict(split, utterances, experiment):
    """Right with a probability that depends on the model's name, so that two experiments differ."""
    rng = np.random.default_rng([split["fold"], split["repetition"], len(experiment.fusion)])
    rows = []
    for part in ("validation", "test"):
        for name in split[part]:
            u = utterances[name]
            logits = rng.normal(size=4) + (1.5 if experiment.fusion == "linear" else 2.5) * np.eye(4)[EMOTIONS.index(u.label)]
            row = {"part": part, "fold": split["fold"], "repetition": split["repetition"], "utterance": name}
            row |= {"speaker": u.speaker, "session": u.session, "gender": u.extra.get("gender", ""), "label": u.label}
            row |= {"predicted": EMOTIONS[int(logits.argmax())]} | {f"logit.{e}": np.float32(v) for e, v in zip(EMOTIONS, logits)}
            rows.append(row)
    return pd.DataFrame(rows)


def describe(split):
    weights = np.array([0.2, 0.3, 0.35, 0.15]) + 0.02 * split["fold"] * np.array([1, -1, 0, 0])
    layers = {"F": {"raw": weights.tolist(), "normalised": weights.tolist()}}
    return {"best_epoch": 4, "epochs": last_epoch(split), "validation_loss": 0.4, "validation_ua": 0.8, "layer_weights": layers}


if __name__ == "__main__":
    main()
