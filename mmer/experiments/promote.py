"""One run of an experiment -> a head in pretrained/, calibrated on all runs' test predictions, with a model card."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open

from mmer import __version__
from mmer.choices.fusion_models import COMBINATION
from mmer.choices.run_choices import CHOICES
from mmer.errors import DataError
from mmer.experiments.choosing import choose_run, keep_learnt, read_learning
from mmer.experiments.confidence import measure_confidence, read_outputs
from mmer.experiments.experiment import Experiment
from mmer.experiments.folder.runs import NAME, RunFolder
from mmer.experiments.report.learning import Run
from mmer.experiments.report.run_card import LICENCES, describe_promoted, list_met
from mmer.experiments.trainer.outputs import Outputs
from mmer.files.output import write_file
from mmer.heads.calibration import softmax
from mmer.heads.clip_list import ClipList, make_clip_list
from mmer.heads.config import HeadConfig
from mmer.heads.config_file import read_config
from mmer.heads.folder import load_single, save_combination, save_head
from mmer.heads.head import CombinedHead
from mmer.phrasing import join_words, say_count
from mmer.scores.metrics import count_confusions, measure_macro_f1, measure_ua, measure_wa
from mmer.scores.pairs import combine_predictions
from mmer.scores.predictions import select_part
from mmer.scores.scores import summarise

ACTED = ("ravdess", "nemo", "tess", "iemocap")
PUBLIC = ACTED  # corpora whose clips a head may tell it was trained on; of others only when that is asked for
MACHINE = ("data", "features", "device", "threads", "stacked")  # settings of the machine that trained, nobody else's business
CAVEAT_ACTED = "It was trained on acted emotion; everyday speech is another world."
CAVEAT_ALONE = "It was trained on {data} alone; other speakers, rooms and languages are another world."


def promote_run(
    folder: RunFolder,
    *,
    name: str,
    fold: int | None = None,
    repetition: int | None = None,
    by: str = "median",
    out: str | Path = "pretrained",
    licence: str = "",
    clip_hashes: bool = False,
) -> Path:
    """The head of one run as out/name: by default of the one at the median validation loss, see choose_run; the test part never chooses.

    `licence` of the weights; by default the data's, where it is known. `clip_hashes`: list the training clips' hashes for recordings that
    are no public corpus, too: whoever has a recording can then tell that it took part. Raises DataError when there is no such run, or
    `name` is taken.
    """
    named = fold is not None and repetition is not None
    losses = read_losses(folder)
    run = choose_run(losses if named else keep_learnt(folder, losses), fold, repetition, of=folder.name, by=by)
    head = load_single(folder.place_head(*run))
    training = describe_training([folder], run, by="hand" if named else CHOICES[by])
    clips = list_clips(folder, run) if clip_hashes or training["data name"] in PUBLIC else None
    training |= {"listed clips": None if clips is None else [len(clips.training), len(clips.validation)]}
    config = finish_config(head.config, name, folder.read_predictions(), folder.read("splits"), training, licence=licence)
    half = is_half(folder.place_head(*run), head.config)
    with new_head(out, name) as place:
        save_head(place, config, head.model, normalisation=head.normalisation, novelty=head.novelty, clips=clips, half=half)
    return Path(out) / name


def promote_folds(
    folder: RunFolder,
    *,
    name: str,
    by: str = "median",
    out: str | Path = "pretrained",
    licence: str = "",
    clip_hashes: bool = False,
) -> list[Path]:
    """A head of every fold, out/name-fold1 and so on, each of the run that choose_run takes of that fold."""
    losses = read_losses(folder)
    names = {fold: f"{name}-fold{fold + 1}" for fold in sorted({fold for fold, _ in losses})}
    for own in names.values():
        check_free(out, own)
    options: dict[str, Any] = {"by": by, "out": out, "licence": licence, "clip_hashes": clip_hashes}
    return [promote_run(folder, name=own, fold=fold, **options) for fold, own in names.items()]


def promote_combination(
    early: RunFolder,
    late: RunFolder,
    *,
    name: str,
    fold: int | None = None,
    repetition: int | None = None,
    by: str = "median",
    out: str | Path = "pretrained",
    licence: str = "",
    clip_hashes: bool = False,
) -> Path:
    """The mean of an early and a late experiment's logits (Section 2.4) as out/name, with its members out/name-early and out/name-late.

    By default of the run at the median combined validation loss. Raises DataError when the two can't be paired, or a name is taken.
    """
    predictions = combine_predictions(early.read_predictions(), late.read_predictions(), names=(early.name, late.name))
    run = choose_run(measure_losses(predictions), fold, repetition, of=f"{early.name} and {late.name}", by=by)
    folders = {"early": early, "late": late}
    names = {role: f"{name}-{role}" for role in folders}
    for own in (name, *names.values()):
        check_free(out, own)
    for role, folder in folders.items():
        if (found := load_single(folder.place_head(*run))).role != role:
            raise DataError(
                f"{folder.name} ({found.config.fusion}) is no {role} fusion: name the early experiment first, then the late one."
            )
    for role, folder in folders.items():
        promote_run(folder, name=names[role], fold=run[0], repetition=run[1], out=out, licence=licence, clip_hashes=clip_hashes)
    members = {role: load_single(Path(out) / names[role]) for role in folders}
    units = tuple(dict.fromkeys(u for m in members.values() for u in m.config.units))
    title = f"Mean of {members['early'].config.title} and {members['late'].config.title}"
    first = members["early"].config
    base = HeadConfig(name, title, COMBINATION, units, first.preset, classes=first.classes, version=__version__)
    CombinedHead(base, early=members["early"], late=members["late"])  # says if the two don't fit
    training = describe_training([early, late], run, by=CHOICES[by] if fold is None or repetition is None else "hand")
    config = finish_config(base, name, predictions, early.read("splits"), training, licence=licence)
    with new_head(out, name) as place:
        save_combination(place, config, early=members["early"], late=members["late"])
    return Path(out) / name


# The clips it was trained on


def list_clips(folder: RunFolder, run: Run) -> ClipList | None:
    """Hashes of the run's training and validation clips and of its training speakers; None where the experiment kept none."""
    if not folder.has("clips"):
        return None
    hashes, split = folder.read("clips"), find_split(folder, run)
    try:
        if not isinstance(hashes, dict):
            raise TypeError("it is no object of names and hashes")
        training, validation = ([hashes[name] for name in split[part] if name in hashes] for part in ("train", "validation"))
        rows = select_part(folder.read_predictions())
        speakers = dict(zip(rows["utterance"].astype(str), rows["speaker"].astype(str)))
        data = folder.read("data")["name"]
        names = {f"{data}/{speakers[name]}" for name in split["train"] if speakers.get(name)}
        return make_clip_list(training, validation, names) if training else None
    except (TypeError, ValueError, KeyError) as error:
        raise DataError(f"{folder.path / 'clips.json'} holds no hashes of clips ({error}); delete it to promote without them.") from error


def find_split(folder: RunFolder, run: Run) -> Mapping[str, Any]:
    split: Mapping[str, Any] | None = next((s for s in folder.read("splits") if (s["fold"], s["repetition"]) == run), None)
    if split is None:
        raise DataError(f"{folder.path / 'splits.json'} has no fold {run[0] + 1}, repetition {run[1] + 1}.")
    return split


# Choosing


def read_losses(folder: RunFolder) -> dict[Run, float]:
    """Validation loss of every finished run. Raises DataError before the end."""
    try:
        losses = {(r["fold"], r["repetition"]): r["validation_loss"] for r in folder.read("results")["runs"]}
        found = {run: float(loss) for run, loss in losses.items() if loss is not None}
    except (KeyError, TypeError) as error:
        raise DataError(f"{folder.path / 'results.json'} is damaged: it has no runs with a validation_loss.") from error
    if losses and not found:
        raise DataError(f"No run of {folder.name} had a finite validation loss, so none of them learned anything; lower its learning rate.")
    return found


def measure_losses(predictions: pd.DataFrame) -> dict[Run, float]:
    """Mean cross entropy of every run's validation part."""
    runs = select_part(predictions, "validation").groupby(["fold", "repetition"])
    return {(int(fold), int(repetition)): measure_cross_entropy(read_outputs(rows)) for (fold, repetition), rows in runs}


def measure_cross_entropy(outputs: Outputs) -> float:
    return float(-np.log(softmax(outputs.logits)[np.arange(len(outputs.labels)), outputs.labels]).mean())


def is_half(place: Path, config: HeadConfig) -> bool:
    """Whether a head's weights lie on disk in half precision; they are kept as they are."""
    try:
        with safe_open(place / next(iter(config.weights)), "numpy") as file:
            return all(file.get_slice(n).get_dtype() == "F16" for n in file.keys() if n.startswith("model."))  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise DataError(f"The weights in {place} can't be read ({error}).") from error


# What the head says of itself


def finish_config(
    config: HeadConfig,
    name: str,
    predictions: pd.DataFrame,
    splits: Sequence[Mapping[str, Any]],
    training: Mapping[str, Any],
    *,
    licence: str,
) -> HeadConfig:
    """The config with the run's figures and origin, and how sure it may be, which all runs of the experiment tell."""
    own = predictions[(predictions["fold"] == training["fold"]) & (predictions["repetition"] == training["repetition"])]
    test = read_outputs(select_part(own))
    confidence = measure_confidence(predictions, splits)
    data, unmet = training["data name"], name_unmet(training, config.classes)
    return replace(
        config,
        name=name,
        title=f"{config.title}, fold {training['fold'] + 1} of {' and '.join(training['experiments'])}",
        temperature=confidence.temperature,
        margin=confidence.margin,
        measured_clips=confidence.clips,
        trained_on=f"{say_count(training['training utterances'], 'utterance')} of {data}, without the speakers "
        f"{', '.join(training['test speakers'])}.",
        licence=licence or LICENCES.get(data, ""),
        caveat=" ".join(filter(None, (CAVEAT_ACTED if data in ACTED else CAVEAT_ALONE.format(data=data), unmet))),
        training=training,
        metrics={
            "run": measure_test(test, select_part(own, "test")),
            "experiment": summarise_experiment(predictions),
            "calibration": confidence.figures,
        },
    )


def name_unmet(training: Mapping[str, Any], classes: Sequence[str]) -> str:
    """One sentence about the classes that the data lacked; "" where it has all."""
    met = list_met(training, classes)
    unmet = [name for name in classes if name not in met]
    return f"Its data held nothing of {join_words(unmet)}, which it therefore can't recognise." if unmet else ""


def measure_test(outputs: Outputs, rows: pd.DataFrame) -> dict[str, Any]:
    """The figures of one run's test part: whole, by speaker and by gender."""
    predicted = outputs.logits.argmax(1)

    def group(column: str) -> dict[str, float]:
        keys = rows[column].astype(str).to_numpy()
        return {k: round(measure_ua(outputs.labels[keys == k], predicted[keys == k]), 4) for k in sorted(set(keys)) if k}

    return {
        "clips": len(rows),
        "ua": round(measure_ua(outputs.labels, predicted), 4),
        "wa": round(measure_wa(outputs.labels, predicted), 4),
        "macro_f1": round(measure_macro_f1(outputs.labels, predicted), 4),
        "speakers": group("speaker"),
        "genders": group("gender"),
        "confusion": count_confusions(outputs.labels, predicted, classes=outputs.logits.shape[1]).tolist(),
    }


def summarise_experiment(predictions: pd.DataFrame) -> dict[str, Any]:
    """What all runs of the experiment reach: a head is one of them."""
    found = summarise(predictions)
    names = ("runs", "utterances", "ua", "wa", "macro_f1", "ua_over_folds_sd", "ua_over_repetitions_sd", "pooled_ua", "interval")
    return {name: round(value, 4) if isinstance(value := found[name], float) else value for name in names}


def describe_training(folders: list[RunFolder], run: Run, *, by: str) -> dict[str, Any]:
    """The `training` record of a promoted head; JSON. `by`: what chose the run."""
    first = folders[0]
    data, split = first.read("data"), find_split(first, run)
    rows = first.read_predictions()
    tested = rows[(rows["part"] == "test") & (rows["fold"] == run[0]) & (rows["repetition"] == run[1])]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "experiments": {folder.name: describe_settings(folder.read_experiment()) for folder in folders},
        "fold": run[0],
        "repetition": run[1],
        "chosen by": by,
        "learning": [f"{folder.name}: {learning.sentence}" for folder in folders if (learning := read_learning(folder)).short],
        "data name": data["name"],
        "data": {"fingerprint": data["fingerprint"], "counts": data["counts"], "speakers": data["speakers"], "sessions": data["sessions"]},
        "training utterances": len(split["train"]),
        "validation utterances": len(split["validation"]),
        "validation by": split["validation_by"],
        "test speakers": sorted(set(tested["speaker"])),
        "leakage": first.read("leakage")["summary"] if first.has("leakage") else [],
        "layer weights": gather_layer_weights(first) if len(folders) == 1 else {},
    }


def gather_layer_weights(folder: RunFolder) -> dict[str, list[list[float]]]:
    """Unit -> normalised layer weights of every run of the experiment, to show the spread behind those of one."""
    runs = [run.get("layer_weights", {}) for run in folder.read("results")["runs"]]
    units = dict.fromkeys(unit for run in runs for unit in run)
    return {unit: [[round(w, 5) for w in run[unit]["normalised"]] for run in runs if unit in run] for unit in units}


def describe_settings(experiment: Experiment) -> dict[str, Any]:
    settings = experiment.to_json() | {"learning_rate": experiment.rate}
    return {name: value for name, value in settings.items() if name not in MACHINE and value is not None}


# On disk


def check_free(out: str | Path, name: str) -> None:
    if not NAME.fullmatch(name):
        raise DataError(
            f"{name[:100]!r} can't be a head's name: use at most 80 letters (a to z), digits and - _ . beginning with a letter."
        )
    if (Path(out) / name).exists():
        raise DataError(f"There is already a head {name} in {out}: choose another name, or delete that one.")


@contextmanager
def new_head(out: str | Path, name: str) -> Iterator[Path]:
    """A folder to write a head into; it gets a card, and becomes out/name when all of it is there."""
    check_free(out, name)
    place = Path(out) / f".{name}.{os.getpid()}.part"
    try:
        place.mkdir(parents=True)
        yield place
        write_file(place / "README.md", describe_promoted(read_config(place)))
        os.rename(place, Path(out) / name)
    except OSError as error:
        raise DataError(f"Can't write the head {name} to {out}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(place, ignore_errors=True)
