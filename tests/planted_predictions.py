"""Predictions of an experiment that was never trained: random logits with a planted strength, in the columns of a run folder."""

import numpy as np
import pandas as pd

from mmer.choices.emotions import EMOTIONS


def plant_predictions(*, strength=1.0, seed=0, speakers=6, per_speaker=24, folds=3, repetitions=2, share=0.2, by_speaker=None):
    """Speaker n is in session n // 2 + 1 and is tested in fold n % folds; labels and validation parts don't depend on `seed`.

    strength: what is added to the right logit; by_speaker: (speakers,) further strength of each.
    """
    utterances = speakers * per_speaker
    speaker = np.arange(utterances) % speakers
    label = np.random.default_rng(7).choice(4, size=utterances, p=[0.2, 0.3, 0.15, 0.35])
    rng = np.random.default_rng([seed, 1])
    further = np.zeros(speakers) if by_speaker is None else np.asarray(by_speaker, float)
    parts = []
    for repetition in range(repetitions):
        for fold in range(folds):
            rest = np.flatnonzero(speaker % folds != fold)
            validation = np.sort(np.random.default_rng([repetition, fold]).permutation(rest)[: round(share * len(rest))])
            for part, index in (("test", np.flatnonzero(speaker % folds == fold)), ("validation", validation)):
                logits = rng.normal(size=(len(index), 4))
                logits[np.arange(len(index)), label[index]] += strength + further[speaker[index]]
                parts.append(make_rows(part, fold, repetition, index, speaker[index], label[index], logits.astype(np.float32)))
    return pd.concat(parts, ignore_index=True)


def make_rows(part, fold, repetition, index, speaker, label, logits):
    columns = {
        "part": part,
        "fold": fold,
        "repetition": repetition,
        "utterance": [f"utterance{i:04d}" for i in index],
        "speaker": [f"speaker{s:02d}" for s in speaker],
        "session": [str(s // 2 + 1) for s in speaker],
        "gender": ["male" if s % 2 else "female" for s in speaker],
        "label": np.array(EMOTIONS)[label],
        "predicted": np.array(EMOTIONS)[logits.argmax(1)],
    }
    return pd.DataFrame(columns | {f"logit.{emotion}": logits[:, i] for i, emotion in enumerate(EMOTIONS)})


def plant_answers(right):
    """One run that tests four utterances, one of each class, per entry of `right` per speaker: right (speakers, n) of 0 and 1."""
    right = np.asarray(right)
    speakers, n = right.shape
    speaker = np.repeat(np.arange(speakers), 4 * n)
    label = np.tile(np.arange(4), speakers * n)
    said = np.where(np.repeat(right.ravel(), 4), label, (label + 1) % 4)
    return make_rows("test", 0, 0, np.arange(len(label)), speaker, label, np.eye(4, dtype=np.float32)[said])
