"""What heads say of people whom they never met, and how sure they may be of it.

Each acted corpus that trains is left out in turn: a run like the head's own never reads it and is asked about it. Corpora that are only
judged are heard by the head itself. So nobody's clip is predicted by a model that has read a clip of the same corpus, except that
LibriSpeech's other readers are judged by a model that has heard half of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from scipy.optimize import minimize
from torch import nn

from mmer.choices.units import UNITS
from mmer.demo_heads.recipe import EVERYDAY, NEUTRAL
from mmer.errors import DataError
from mmer.experiments.evaluate import Calibration
from mmer.experiments.experiment import Experiment
from mmer.experiments.trainer.outputs import Outputs
from mmer.experiments.trainer.paired_run import train_pairs
from mmer.experiments.trainer.pairing import PairedExample, show_alone
from mmer.experiments.trainer.predict import TrainedRun
from mmer.experiments.trainer.schedule import PairedData
from mmer.feature_store.feature_items import FeatureItem
from mmer.fusion import LateFusion, combine
from mmer.heads.calibration import ece, softmax
from mmer.scores.metrics import measure_ua

WAYS = ("voice alone", "own words")  # how a clip is shown: its frames, or all units that it has and its written words
STORED = "left_out.safetensors"
SURE_ACCURACY = 0.85  # of what is called sure, in every corpus that was left out
LEAST_SURE = 0.30  # of acted clips: a head that is never sure keeps its word for nothing
FEWEST_SURE = 10  # clips of a corpus that are called sure, below which their accuracy says nothing
RIDGE = 0.05  # on the offsets: those that corpora disagree about stay near 0
MARGINS = np.linspace(0, 0.99, 100)


@dataclass(frozen=True, eq=False)
class Heard:
    """What models that never read a corpus say of it."""

    corpus: str
    way: str  # one of WAYS
    outputs: Outputs

    @property
    def acted(self) -> bool:
        return self.corpus not in EVERYDAY


@dataclass(frozen=True, eq=False)
class Fit:
    """softmax((logits + offsets) / temperature), and the gap of the two highest from which a verdict is sure."""

    temperature: float
    offsets: np.ndarray  # (classes,), their sum is 0
    margin: float

    def read(self, outputs: Outputs) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities (examples, classes), and which are sure (examples,)."""
        probabilities = softmax((outputs.logits + self.offsets) / self.temperature)
        ranked = np.sort(probabilities, 1)
        return probabilities, ranked[:, -1] - ranked[:, -2] >= self.margin


def leave_out(data: PairedData, corpus: str) -> PairedData:
    """The data without the speech of a corpus. Raises DataError when that leaves no clips to train or validate on."""
    speech, validation = (tuple(i for i in part if i.corpus != corpus) for part in (data.speech, data.validation_speech))
    if not speech or not validation:
        raise DataError(f"Without {corpus} there are no clips to train or validate on: leaving a corpus out needs two acted ones.")
    return replace(data, speech=speech, validation_speech=validation)


class Reader(Protocol):
    """A trained model that can be asked."""

    def predict(self, examples: Sequence[PairedExample]) -> Outputs: ...


def hear_left_out(
    trained: TrainedRun,
    experiment: Experiment,
    data: PairedData,
    judged: Sequence[FeatureItem],
    folder: Path,
    *,
    whole: Mapping[str, Sequence[FeatureItem]],
    report: Callable[[dict[str, Any]], None] = lambda row: None,
) -> list[Heard]:
    """Trains a run without each acted corpus, in folders of their own, and asks; `whole` has all clips of those corpora.

    `judged` are clips of corpora (or of everyday readers) that `trained` never read. Acted ones among them take the place of the corpus
    that is left out, so that each of these runs learns from as many acted corpora as the head does.
    """
    heard = hear_judged(trained, judged)
    others = tuple(item for item in judged if item.corpus not in EVERYDAY)
    for corpus in sorted({i.corpus for i in data.speech} - set(EVERYDAY)):
        rest = leave_out(data, corpus)
        without = train_pairs(
            experiment, replace(rest, speech=(*rest.speech, *others)), trained.cache, folder / f"without-{corpus}", report=report
        )
        heard += ask(without, corpus, whole[corpus])
    return heard


def hear_judged(reader: Reader, judged: Sequence[FeatureItem], *, ways: Sequence[str] = WAYS) -> list[Heard]:
    """What a model says of corpora that it never read."""
    corpora = sorted({item.corpus for item in judged})
    return [h for corpus in corpora for h in ask(reader, corpus, [i for i in judged if i.corpus == corpus], ways=ways)]


def ask(reader: Reader, corpus: str, items: Sequence[FeatureItem], *, ways: Sequence[str] = WAYS) -> list[Heard]:
    """Each clip by its voice alone, and by all that it has: aligned units and written words, where there are any."""
    shown = {WAYS[0]: show_alone(items, ("F",)), WAYS[1]: show_alone(items, tuple(UNITS), with_own_text=True)}
    return [Heard(corpus, way, reader.predict(shown[way])) for way in ways]


def fit_left_out(heard: Sequence[Heard], *, with_offsets: bool = True) -> Fit:
    """Temperature and offsets of the lowest weighted log loss, and the margin that keeps the word.

    Each acted corpus weighs the same, each class in it too; neutral clips, acted or everyday, weigh as they do in the score that recipes
    are chosen by: mean UA of the acted corpora plus mean recall of neutral in every corpus.
    """
    logits = np.concatenate([h.outputs.logits for h in heard]).astype(np.float64)
    labels = np.concatenate([h.outputs.labels for h in heard])
    weights = np.concatenate([weigh(h, heard) for h in heard])
    weights /= weights.sum()
    classes = logits.shape[1]

    def loss(values: np.ndarray) -> float:
        offsets = values[1:] - values[1:].mean() if with_offsets else np.zeros(classes)
        z = (logits + offsets) / np.exp(values[0])
        top = z.max(1)
        log_loss = top + np.log(np.exp(z - top[:, None]).sum(1)) - z[np.arange(len(z)), labels]
        return float(weights @ log_loss + RIDGE * np.sum(offsets**2))

    found = minimize(loss, np.zeros(1 + classes), method="L-BFGS-B", bounds=[(np.log(0.05), np.log(20))] + [(-5, 5)] * classes).x
    offsets = found[1:] - found[1:].mean() if with_offsets else np.zeros(classes)
    fit = Fit(float(np.exp(found[0])), offsets.astype(np.float32), 0.0)
    return replace(fit, margin=fit_margin(fit, heard))


def weigh(one: Heard, heard: Sequence[Heard]) -> np.ndarray:
    """(examples,) weights of a corpus's examples, as the score counts them."""
    labels = one.outputs.labels
    acted = sum(h.acted for h in heard)
    weights = np.zeros(len(labels))
    if one.acted:
        for label in sorted(set(labels.tolist())):
            weights[labels == label] += 1 / len(set(labels.tolist())) / acted / np.sum(labels == label)
    neutral = labels == NEUTRAL
    if neutral.any():
        weights[neutral] += 1 / len(heard) / neutral.sum()
    return weights


def fit_margin(fit: Fit, heard: Sequence[Heard]) -> float:
    """The least margin at which SURE_ACCURACY of the sure verdicts are right in every corpus, while LEAST_SURE of acted clips are sure.

    Where none does both, the one with the highest accuracy in the worst corpus, of those that call LEAST_SURE of acted clips sure.
    """
    best, found = -1.0, 0.0
    for margin in MARGINS:
        rows = [measure_sure(replace(fit, margin=float(margin)), h) for h in heard]
        acted = [row["sure"] for row, h in zip(rows, heard) if h.acted]
        if acted and np.mean(acted) < LEAST_SURE:
            break
        worst = min((row["right when sure"] for row in rows if row["right when sure"] is not None), default=1.0)
        if worst > best:
            best, found = worst, float(margin)
        if worst >= SURE_ACCURACY:
            break
    return found


def measure_sure(fit: Fit, one: Heard) -> dict[str, Any]:
    probabilities, sure = fit.read(one.outputs)
    right = probabilities.argmax(1) == one.outputs.labels
    enough = int(sure.sum()) >= FEWEST_SURE
    return {"sure": float(sure.mean()), "right when sure": float(right[sure].mean()) if enough else None}


def describe_left_out(heard: Sequence[Heard], *, with_offsets: bool = True) -> list[dict[str, Any]]:
    """A row per corpus and way, each judged by temperature, offsets and margin that were fitted on the other corpora.

    Raises DataError for fewer than two acted corpora: everyday speech alone tells no emotions apart.
    """
    acted = sorted({h.corpus for h in heard if h.acted})
    if len(acted) < 2:
        named = f"{acted[0]} alone is" if acted else "none is"
        raise DataError(f"How sure a head may be is judged on two or more acted corpora that it never read; {named} there. Add to --judge.")
    rows = []
    for corpus in dict.fromkeys(h.corpus for h in heard):
        fit = fit_left_out([h for h in heard if h.corpus != corpus], with_offsets=with_offsets)
        rows += [describe_corpus(fit, h) for h in heard if h.corpus == corpus]
    return rows


def describe_corpus(fit: Fit, one: Heard) -> dict[str, Any]:
    probabilities, sure = fit.read(one.outputs)
    labels, said = one.outputs.labels, probabilities.argmax(1)
    right, neutral = said == labels, labels == NEUTRAL
    found = {
        "corpus": one.corpus,
        "way": one.way,
        "clips": len(labels),
        "ua": measure_ua(labels, said) if one.acted else None,
        "neutral recall": float(right[neutral].mean()) if neutral.any() else None,
        **measure_sure(fit, one),
        "sure and not neutral": None if one.acted else float((sure & ~right).mean()),
        "ece": ece(probabilities, labels),
    }
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in found.items()}


def store_heard(path: Path, heard: Sequence[Heard]) -> None:
    arrays = {}
    for h in heard:
        arrays[f"{h.corpus}/{h.way}/logits"] = np.ascontiguousarray(h.outputs.logits, np.float32)
        arrays[f"{h.corpus}/{h.way}/labels"] = np.ascontiguousarray(h.outputs.labels, np.int64)
    save_file(arrays, path)


def read_shifted(run: Path) -> list[Heard]:
    """What a head's run left, with the offsets that the head itself has in its bias. Raises DataError as read_heard does."""
    heard = read_heard(run / STORED)
    offsets = fit_left_out(heard).offsets
    return [replace(h, outputs=replace(h.outputs, logits=h.outputs.logits + offsets)) for h in heard]


def combine_heard(late: Sequence[Heard], early: Sequence[Heard]) -> list[Heard]:
    """The mean of two heads' logits (section 2.4) of what both were asked. Raises DataError where they heard different clips."""
    pairs = {(h.corpus, h.way): h for h in early}
    found = []
    for own in late:
        other = pairs.get((own.corpus, own.way))
        if other is None:
            continue
        if not np.array_equal(own.outputs.labels, other.outputs.labels):
            raise DataError(f"The two heads were asked about different clips of {own.corpus}: train both with the same manifests.")
        found.append(replace(own, outputs=Outputs(own.outputs.labels, combine(other.outputs.logits, own.outputs.logits))))
    if not found:
        raise DataError("The two heads were asked about different corpora: give --judge the same manifests.")
    return found


def add_offsets(model: nn.Module, offsets: np.ndarray) -> None:
    """Adds the offsets (classes,) to the bias of the model's last layer; of a late head, to that of the branch that hears every clip."""
    last = model.get_submodule("branches.F.branch.output" if isinstance(model, LateFusion) else "output")
    with torch.no_grad():
        cast(nn.Linear, last).bias.add_(torch.from_numpy(offsets))


def calibrate_left_out(fit: Fit, heard: Sequence[Heard]) -> Calibration:
    """The fit as a head states it; its errors are of the corpora that it was fitted on."""
    logits, labels = np.concatenate([h.outputs.logits for h in heard]), np.concatenate([h.outputs.labels for h in heard])
    before, after = ece(softmax(logits), labels), ece(softmax((logits + fit.offsets) / fit.temperature), labels)
    clips = {h.corpus: len(h.outputs.labels) for h in heard}
    return Calibration(fit.temperature, fit.margin, after, before, sum(clips.values()))


def describe_strangers(fit: Fit, heard: Sequence[Heard], *, with_offsets: bool = True) -> dict[str, Any]:
    """The figures of a head's card about corpora left out."""
    rows = describe_left_out(heard, with_offsets=with_offsets)
    offsets = [round(float(value), 4) for value in fit.offsets] if with_offsets else []
    return {"corpora left out": rows, "offsets": offsets}


def read_heard(path: Path) -> list[Heard]:
    """Raises DataError where a run left nothing."""
    if not path.is_file():
        raise DataError(f"There is no {path}: train the head with --judge first, in the run folder of its name.")
    arrays = load_file(path)
    names = dict.fromkeys(name.rpartition("/")[0] for name in sorted(arrays))
    pairs = (tuple(name.split("/")) for name in names)
    return [Heard(c, w, Outputs(arrays[f"{c}/{w}/labels"], arrays[f"{c}/{w}/logits"])) for c, w in pairs]
