"""What a run leaves on disk when it is over: its predictions, and what results.json says of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from mmer.errors import DataError
from mmer.experiments.folder.runs import RunFolder
from mmer.experiments.trainer.outputs import Outputs
from mmer.experiments.trainer.run import Run, RunProgress
from mmer.feature_store.feature_items import FeatureItem
from mmer.files.replace import replace_file
from mmer.fusion import read_layer_weights


def frame_outputs(items: Sequence[FeatureItem], run: Run, part: str, outputs: Outputs, classes: Sequence[str]) -> pd.DataFrame:
    """One row per utterance of a part, as in predictions.parquet; `classes` in the order of the logits."""
    rows = [items[row] for row in getattr(run, part)]
    frame: dict[str, Any] = {
        "part": [part] * len(rows),
        "fold": np.full(len(rows), run.fold),
        "repetition": np.full(len(rows), run.repetition),
        "utterance": [item.name for item in rows],
        "speaker": [item.speaker for item in rows],
        "session": [item.session for item in rows],
        "gender": [item.gender for item in rows],
        "label": [classes[item.label] for item in rows],
        "predicted": [classes[i] for i in outputs.logits.argmax(1)],
    }
    frame |= {f"logit.{name}": outputs.logits[:, i] for i, name in enumerate(classes)}
    for unit, logits in outputs.branches.items():
        frame |= {f"branch.{unit}.{name}": logits[:, i] for i, name in enumerate(classes)}
    return pd.DataFrame(frame)


def done_path(folder: RunFolder, run: Run) -> Path:
    return folder.checkpoint / f"{run.name}.json"


def read_done(folder: RunFolder, run: Run) -> dict[str, Any]:
    """What write_done wrote. Raises DataError when it is damaged."""
    path = done_path(folder, run)
    try:
        stored = json.loads(path.read_text("utf-8"))
        found: dict[str, Any] = stored | {"epochs": int(stored["epochs"])}
        return found
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}); delete it to train that run anew.") from error


def write_done(folder: RunFolder, run: Run, progress: RunProgress, model: torch.nn.Module) -> None:
    """What results.json says of a run beside its scores."""
    weights = {}
    for module in model.modules():
        if isinstance(mixes := getattr(module, "mixes", None), torch.nn.ModuleDict):
            for unit, (raw, normalised) in read_layer_weights(mixes).items():
                weights[unit] = {"raw": raw.detach().cpu().tolist(), "normalised": normalised.detach().cpu().tolist()}
    content = {
        "fold": run.fold,
        "repetition": run.repetition,
        "best_epoch": progress.best_epoch,
        "epochs": progress.epoch,
        "validation_loss": progress.best_loss if progress.best_epoch else None,  # None: no epoch had a finite one
        "validation_ua": progress.best_ua,
        "layer_weights": weights,
    }
    replace_file(done_path(folder, run), json.dumps(content).encode(), sync=True)
