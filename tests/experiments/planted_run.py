"""An experiment's folder as the engine leaves it, of a data set whose answers are known; its heads are real ones, with random weights."""

import numpy as np
import pandas as pd
import torch
from planted import DIM, LAYERS, plant_unit

from mmer.choices.emotions import EMOTIONS
from mmer.datasets.dataset import Dataset, Utterance
from mmer.datasets.folds import describe_split, make_splits
from mmer.datasets.leakage import measure_leakages, summarise_leakage
from mmer.experiments.experiment import Experiment, seed_run, shape_head
from mmer.experiments.folder.runs import create_run
from mmer.heads.folder import load_single, save_head
from mmer.heads.head import Head, build_model
from mmer.heads.normalisation import Normalisation
from mmer.results import Features
from mmer.scores.scores import summarise

SPEAKERS, PER_SPEAKER = 4, 16


def plant_dataset(path, name="ravdess", *, per_speaker=PER_SPEAKER):
    return Dataset(
        name,
        tuple(
            Utterance(path / f"{s}-{i}.wav", f"word {i}", EMOTIONS[i % 4], f"actor{s}", extra={"gender": "fm"[s % 2]}, name=f"actor{s}-{i}")
            for s in range(SPEAKERS)
            for i in range(per_speaker)
        ),
    )


def plant_features(dataset, units):
    """name -> Features, from which the label can be seen."""
    rng = np.random.default_rng(5)
    found = {}
    for u in dataset.utterances:
        found[u.name] = Features("compact", {unit: plant_unit(rng, unit, EMOTIONS.index(u.label), strength=0.5) for unit in units})
    return found


def plant_experiment(
    root, name="planted", *, fusion="late", units=("F", "S"), data="ravdess", half=False, steps=0, per_speaker=PER_SPEAKER, **settings
):
    """(folder, features): a finished experiment of 2 folds and 2 repetitions; its predictions are what its heads say.

    They are trained for `steps` steps on their training part, so that with some they are better than chance.
    """
    experiment = Experiment(data="data", features="cache", fusion=fusion, units=units, folds=2, repetitions=2, share=0.5, **settings)
    dataset = plant_dataset(root, data, per_speaker=per_speaker)
    splits = make_splits(dataset, experiment.plan)
    reports = measure_leakages(dataset, splits)
    leakage = {"summary": summarise_leakage(reports), "reports": [r.to_json() for r in reports]}
    described = {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "utterances": len(dataset.utterances),
        "counts": {e: sum(u.label == e for u in dataset.utterances) for e in EMOTIONS},
        "speakers": len(dataset.speakers),
        "sessions": len(dataset.sessions),
        "excluded": [],
        "notes": [],
    }
    folder = create_run(root, name, experiment, data=described, splits=[describe_split(dataset, s) for s in splits], leakage=leakage)
    features = plant_features(dataset, units)
    runs = []
    for split in splits:
        training = [(features[u.name], EMOTIONS.index(u.label)) for u in (dataset.utterances[i] for i in split.train)]
        save_planted_head(folder.place_head(split.fold, split.repetition), experiment, split, training if steps else [], steps, half=half)
        frame, row = predict_split(load_single(folder.place_head(split.fold, split.repetition)), dataset, split, features)
        folder.write_part(split.fold, split.repetition, frame)
        folder.append_metrics(
            {**row, "epoch": epoch, "loss": 1.0 / epoch, "validation_loss": row["validation_loss"] + 3 - epoch, "seconds": 0.1}
            for epoch in (1, 2, 3)
        )
        runs.append({**row, "best_epoch": 3, "epochs": 3, "ua": 0.5, "wa": 0.5, "macro_f1": 0.5})
    folder.write("results", {"runs": runs, "summary": summarise(folder.merge_parts(), resamples=100)})
    return folder, features


def save_planted_head(place, experiment, split, training, steps, *, half):
    torch.manual_seed(seed_run(experiment, split) % 2**31)
    config = shape_head(experiment)
    shape = (LAYERS["F"], DIM)
    normalisation = Normalisation(np.full(shape, 0.1, np.float32), np.full(shape, 2.0, np.float32))
    model = build_model(config)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    head = Head(config, model, normalisation=normalisation)
    rows = [[torch.from_numpy(head.prepare_unit(features, u)) for u in config.units] for features, _ in training]
    for _ in range(steps):
        states, masks = pad(rows, config.units)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(states, masks).logits, torch.tensor([label for _, label in training])).backward()
        optimizer.step()
    save_head(place, config, model, normalisation=normalisation, half=half)


def pad(rows, units):
    """States (batch, layers, segments, dim) and masks (batch, segments) per unit."""
    longest = {u: max(row[i].shape[1] for row in rows) for i, u in enumerate(units)}
    states = {
        u: torch.stack([torch.nn.functional.pad(row[i], (0, 0, 0, longest[u] - row[i].shape[1])) for row in rows])
        for i, u in enumerate(units)
    }
    masks = {u: torch.stack([torch.arange(longest[u]) < row[i].shape[1] for row in rows]) for i, u in enumerate(units)}
    return states, masks


def predict_split(head, dataset, split, features):
    """(predictions frame, row of results.json)."""
    rows = []
    for part in ("validation", "test"):
        for i in split.part(part):
            u = dataset.utterances[i]
            prediction = head.predict(features[u.name])
            row = {
                "part": part,
                "fold": split.fold,
                "repetition": split.repetition,
                "utterance": u.name,
                "speaker": u.speaker,
                "session": "",
            }
            row |= {"gender": u.extra["gender"], "label": u.label, "predicted": EMOTIONS[int(prediction.logits.argmax())]}
            row |= {f"logit.{e}": np.float32(v) for e, v in zip(EMOTIONS, prediction.logits)}
            rows.append(row)
    frame = pd.DataFrame(rows)
    own = frame[frame["part"] == "validation"]
    logits = torch.tensor(own[[f"logit.{e}" for e in EMOTIONS]].to_numpy())
    labels = torch.tensor([EMOTIONS.index(label) for label in own["label"]])
    weights = {u: {"raw": w.raw.tolist(), "normalised": w.normalised.tolist()} for u, w in prediction.layer_weights.items()}
    loss = float(torch.nn.functional.cross_entropy(logits, labels))
    ua = float((own["label"] == own["predicted"]).mean())
    return frame, {
        "fold": split.fold,
        "repetition": split.repetition,
        "validation_loss": loss,
        "validation_ua": ua,
        "layer_weights": weights,
    }
