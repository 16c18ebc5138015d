"""The index of the cache -> the list of utterances that training may read. No sound is read."""

from __future__ import annotations

from collections.abc import Sequence

from mmer.choices.units import UNITS, speech_units
from mmer.datasets.dataset import Dataset, Utterance
from mmer.datasets.folds import find_genders
from mmer.encoders.presets import PRESETS, Preset
from mmer.errors import DataError
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.entry_names import name_text
from mmer.feature_store.feature_index import FeatureIndex, FeatureRecord, identify_speech
from mmer.feature_store.feature_items import FeatureItem, FeatureSet, list_gaps
from mmer.phrasing import say_count

NO_AUDIO = "There is no sound file."
NO_WORDS = "There are no words."
NOT_EXTRACTED = "It was not extracted."


def check_preset(name: str) -> Preset:
    if name not in PRESETS:
        raise DataError(f"Preset {name!r}: choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]


def read_feature_set(dataset: Dataset, cache: FeatureCache, *, preset: str = "compact") -> FeatureSet:
    """What `extract` brought into the cache, from its index: no sound is read.

    Raises DataError naming the command when an utterance was not extracted, or its recording or entry has changed since.
    """
    index = FeatureIndex.read(cache, dataset.name, check_preset(preset))
    missing = list_missing(dataset, index, cache, PRESETS[preset])
    if missing:
        raise DataError(
            f"{dataset.name}: the {preset} features of {len(missing)} of {say_count(len(dataset.utterances), 'utterance')} are "
            f"not in {cache.folder} or "
            f"have changed, the first is {missing[0]}. Run: python -m mmer extract DATASET --preset {preset} --features {cache.folder}"
        )
    return make_feature_set(dataset, index, PRESETS[preset])


def list_missing(dataset: Dataset, index: FeatureIndex, cache: FeatureCache, preset: Preset) -> list[str]:
    """Names of utterances without a record, or whose entry has another size. A kind of unit that no utterance has was not asked for."""
    speech = [index.speech.get(identify_speech(u) or "") for u in dataset.utterances]
    texts = [index.texts.get(name_text(u.text, preset.text_identity)) for u in dataset.utterances]
    asked_speech, asked_texts = any(speech), any(texts)

    def is_missing(record: FeatureRecord | None) -> bool:
        return record is None or (record.key is not None and (cache.stamp(record.key) or (0,))[0] != (record.stamp or (0,))[0])

    return [
        name_utterance(u)
        for u, s, t in zip(dataset.utterances, speech, texts)
        if (u.has_audio and (asked_speech or not asked_texts) and is_missing(s))
        or (u.text.strip() and (asked_texts or not asked_speech) and is_missing(t))
    ]


def make_feature_set(dataset: Dataset, index: FeatureIndex, preset: Preset, *, utterances: Sequence[Utterance] | None = None) -> FeatureSet:
    """The records of `utterances` (all) as items; what has no record was not extracted."""
    genders = find_genders(dataset)
    chosen = None if utterances is None else {id(u) for u in utterances}
    items: list[FeatureItem] = []
    dropped: list[FeatureItem] = []
    for number, u in enumerate(dataset.utterances):
        if chosen is not None and id(u) not in chosen:
            continue
        item = _make_item(u, number, index, preset, genders[u.speaker], dataset=dataset)
        (items if item.units else dropped).append(item)
    return FeatureSet(dataset, preset.name, tuple(items), list_gaps(dropped, UNITS), list_gaps(items, UNITS), tuple(dropped))


def _make_item(utterance: Utterance, number: int, index: FeatureIndex, preset: Preset, gender: str, *, dataset: Dataset) -> FeatureItem:
    speech = index.speech.get(identify_speech(utterance) or "")
    text = index.texts.get(name_text(utterance.text, preset.text_identity)) if utterance.text.strip() else None
    units = (*(text.units if text else ()), *(speech.units if speech else ()))
    why = {u: (speech.absent.get(u, NOT_EXTRACTED) if speech else NOT_EXTRACTED) for u in speech_units()}
    if not utterance.has_audio:
        why = dict.fromkeys(speech_units(), NO_AUDIO)
    why["T"] = NO_WORDS if not utterance.text.strip() else text.absent.get("T", NOT_EXTRACTED) if text else NOT_EXTRACTED
    return FeatureItem(
        name=name_utterance(utterance),
        label=dataset.classes.index(utterance.label),
        speaker=utterance.speaker,
        session=utterance.session,
        gender=gender,
        speech=speech.key if speech and speech.units else None,
        text=text.key if text and text.units else None,
        units=tuple(u for u in UNITS if u in units),
        index=number,
        seconds=speech.seconds if speech else None,
        absent=tuple((u, why[u]) for u in UNITS if u not in units),
        copies=speech.copies if speech and speech.units else (),
        corpus=dataset.name,
        sha256=speech.sha256 if speech else "",
    )


def name_utterance(utterance: Utterance) -> str:
    return utterance.name or utterance.path.name
