"""A trained run -> a calibrated head with its figures: temperature, margin, novelty, and UA wherever the held-out data tells it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mmer.experiments.trainer.outputs import Outputs
from mmer.experiments.trainer.pairing import PairedExample, draw_pairs, list_copies, show_alone, show_texts
from mmer.experiments.trainer.predict import TrainedRun
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.feature_items import FeatureItem
from mmer.heads.calibration import MIN_CLIPS, UNSURE_ACCURACY, ece, fit_margin, fit_temperature, softmax
from mmer.heads.normalisation import Normalisation
from mmer.heads.novelty import Novelty, fit_novelty, novelty_distance, novelty_vector
from mmer.scores.metrics import count_confusions, measure_reliability, measure_ua, measure_wa

NOVELTY_SHARE = 0.99  # of the clips that shall be familiar


@dataclass(frozen=True)
class TestData:
    speech: tuple[FeatureItem, ...]
    texts: Mapping[str, tuple[FeatureItem, ...]]  # corpus -> its test split

    __test__ = False  # not a test case


@dataclass(frozen=True)
class Calibration:
    temperature: float
    margin: float
    ece: float  # on validation, after the temperature
    ece_before: float  # with a temperature of 1
    clips: int | None  # of speakers never heard that both were fitted on; None: too few, so it was never measured


def calibrate(outputs: Outputs, *, clips: int) -> Calibration:
    """Temperature and margin fitted on outputs for so many validation clips, whose speakers must not stand in training too.

    Fewer than MIN_CLIPS measure nothing: the temperature is 1, the margin 0.
    """
    if clips < MIN_CLIPS:
        found = ece(softmax(outputs.logits.astype(np.float64)), outputs.labels)
        return Calibration(1.0, 0.0, found, found, None)
    temperature = fit_temperature(outputs.logits, outputs.labels, clips=clips)
    probabilities = softmax(outputs.logits / temperature)
    margin = fit_margin(probabilities, outputs.labels, accuracy=UNSURE_ACCURACY)
    before, after = ece(softmax(outputs.logits.astype(np.float64)), outputs.labels), ece(probabilities, outputs.labels)
    return Calibration(temperature, margin, after, before, clips)


def fit_familiarity(
    cache: FeatureCache, training: Sequence[FeatureItem], validation: Sequence[FeatureItem], normalisation: Normalisation
) -> tuple[Novelty, float]:
    """The reference of the training clips (all copies), and the distance from which a clip is unfamiliar.

    A new microphone must not be enough, so the distance is one that people recorded elsewhere stay below: with a reference of one
    training corpus, NOVELTY_SHARE of the clips of the others do (the least of these distances). NOVELTY_SHARE of the validation clips,
    augmented ones included, stay below it too.
    """
    novelty = fit_novelty(np.stack(list(_read_vectors(cache, training, normalisation))))
    threshold = _measure_share(novelty, _read_vectors(cache, validation, normalisation))
    across = []
    for corpus in sorted({s.corpus for s in training}):
        others = [s for s in training if s.corpus != corpus]
        if others:
            own = fit_novelty(np.stack(list(_read_vectors(cache, [s for s in training if s.corpus == corpus], normalisation))))
            across.append(_measure_share(own, _read_vectors(cache, others, normalisation)))
    return novelty, max([threshold, *([min(across)] if across else [])])


def _measure_share(novelty: Novelty, vectors: Iterable[np.ndarray]) -> float:
    return float(np.quantile([novelty_distance(novelty, vector) for vector in vectors], NOVELTY_SHARE))


def _read_vectors(cache: FeatureCache, items: Sequence[FeatureItem], normalisation: Normalisation) -> Iterator[np.ndarray]:
    for item in items:
        for key in list_copies(item):
            yield novelty_vector(normalisation.apply(cache.read_states(key, "F")))


def measure_speech(trained: TrainedRun, speech: Sequence[FeatureItem], unit: str | None = None, *, copy: int = 0) -> dict[str, Any]:
    """UA of clips alone, of the sum or of one branch: per corpus, gender (RAVDESS) and speaker."""
    examples = show_alone(speech, trained.experiment.units, copy=copy)
    outputs = trained.predict(examples)
    logits = outputs.logits if unit is None else outputs.branches[unit]
    return slice_ua(outputs.labels, logits.argmax(1), speech, classes=logits.shape[1])


def slice_ua(labels: np.ndarray, predicted: np.ndarray, speech: Sequence[FeatureItem], *, classes: int) -> dict[str, Any]:
    """{"clips", "ua", "wa", "corpora", "genders", "speakers"}: UA as shares, rounded to 4 places."""

    def group(names: Sequence[str]) -> dict[str, float]:
        keys = np.array(names)
        return {str(k): round(measure_ua(labels[keys == k], predicted[keys == k]), 4) for k in sorted(set(names)) if k}

    return {
        "clips": len(labels),
        "ua": round(measure_ua(labels, predicted), 4),
        "wa": round(measure_wa(labels, predicted), 4),
        "corpora": group([s.corpus for s in speech]),
        "genders": group([read_gender(s) for s in speech]),
        "speakers": group([s.speaker for s in speech]),
        "confusion": count_confusions(labels, predicted, classes=classes).tolist(),
    }


def read_gender(item: FeatureItem) -> str:
    """RAVDESS numbers its actors so that odd ones are male and even ones female; "" elsewhere."""
    if item.corpus != "ravdess":
        return ""
    return "male" if int(item.speaker[-2:]) % 2 else "female"


def measure_run(trained: TrainedRun, test: TestData, calibration: Calibration) -> dict[str, Any]:
    """The figures of the model card, all on speakers and texts that neither trained nor stopped the run."""
    experiment, found = trained.experiment, {}
    late = experiment.kind.role == "late"
    speech_units = [u for u in experiment.units if u != "T"]
    if late and speech_units:
        found["speech alone"] = measure_speech(trained, test.speech)
        for unit in speech_units:
            items = [s for s in test.speech if unit in s.units]
            found[f"branch {unit}"] = measure_speech(trained, items, unit)
        if copied := [s for s in test.speech if s.copies]:
            found["branch F, augmented copies"] = measure_speech(trained, copied, "F", copy=1)
    if "T" in experiment.units:
        for corpus, texts in test.texts.items():
            if late and texts:
                outputs = trained.predict(show_texts(texts))
                found[f"text alone, {corpus} test"] = {"texts": len(texts), "ua": round(outputs.ua("T"), 4)}
        own = [s for s in test.speech if s.text]
        found["speech with its own words"] = measure_examples(trained, show_alone(own, experiment.units, with_own_text=True), own)
        pairs = draw_pairs(test.speech, [t for texts in test.texts.values() for t in texts], experiment.units, seed=0)
        found["speech with a text of the same label"] = measure_examples(trained, pairs, test.speech)
        found["calibration"] = describe_calibration(calibration, trained.predict(pairs))
    return found


def measure_examples(trained: TrainedRun, examples: Sequence[PairedExample], speech: Sequence[FeatureItem]) -> dict[str, Any]:
    outputs = trained.predict(examples)
    return slice_ua(outputs.labels, outputs.logits.argmax(1), speech, classes=outputs.logits.shape[1])


def describe_calibration(calibration: Calibration, outputs: Outputs) -> dict[str, Any]:
    """Temperature, margin and the reliability table on test pairs."""
    probabilities = softmax(outputs.logits / calibration.temperature)
    ranked = np.sort(probabilities, 1)
    sure = ranked[:, -1] - ranked[:, -2] >= calibration.margin
    right = probabilities.argmax(1) == outputs.labels
    return {
        "temperature": round(calibration.temperature, 4),
        "margin": round(calibration.margin, 4),
        "clips": calibration.clips,
        "ece validation, temperature 1": round(calibration.ece_before, 4),
        "ece validation": round(calibration.ece, 4),
        "ece test": round(ece(probabilities, outputs.labels), 4),
        "sure share": round(float(sure.mean()), 4),
        "accuracy when sure": round(float(right[sure].mean()), 4) if sure.any() else None,
        "accuracy when not sure": round(float(right[~sure].mean()), 4) if not sure.all() else None,
        "reliability": [asdict(b) for b in measure_reliability(outputs.labels, probabilities)],
    }
