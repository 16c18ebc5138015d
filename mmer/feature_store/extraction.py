"""A data set -> its features in the cache, each utterance once, by one or more processes.

Extraction can be stopped at any moment and goes on with what is missing. What can't be had is named with its reason and never filled in.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import torch

from mmer.align import ALIGNERS, NO_ALIGNER, Aligner, Options
from mmer.choices.units import UNITS, speech_units
from mmer.datasets.clips import load_clip
from mmer.datasets.dataset import Dataset, Utterance
from mmer.devices.placement import Placement, open_placement
from mmer.encoders.device_pooling import BATCH_FRAMES, PoolingEncoder, PoolingRequest
from mmer.encoders.encoders import SpeechEncoder, TextEncoder
from mmer.encoders.pooling import PooledClip
from mmer.errors import AlignmentError, Bug, DataError, MmerError, TranscriptError, WeightsError
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.entry_names import name_alignment, name_text
from mmer.feature_store.extract import (
    ClipPreparer,
    LoadedClip,
    PreparedEntry,
    SpeechExtractor,
    choose_similar,
    draw_augmentations,
    extract_texts,
    write_pooled,
)
from mmer.feature_store.extraction_job import ExtractionJob, SpeechTask, TextTask, check_units, describe_failure
from mmer.feature_store.feature_index import FeatureIndex, FeatureRecord, identify_speech
from mmer.feature_store.feature_items import FeatureSet
from mmer.feature_store.feature_set import check_preset, make_feature_set, name_utterance
from mmer.feature_store.overlap import StageTimes, StageWork, run_stages
from mmer.feature_store.workers import WorkerCrash, count_cores, run_tasks
from mmer.files.bugs import catch_bugs
from mmer.results import Clip

SAVE_SECONDS = 5.0  # between two writings of the index
TASKS_PER_WORKER = 50  # fewer are not worth another process, which takes seconds to start
TEXTS_PER_TASK = 256  # of similar length, among which there are batches of equal length
AHEAD, BEHIND = 1800.0, 600.0  # seconds of sound that wait for a card, 64 kB each; and for the disk then, 1 to 2.5 MB each
Found = TypeVar("Found")
Progress = Callable[[str, int, int], None]  # ("texts" | "clips", done, of how many)


def extract_dataset(
    dataset: Dataset,
    cache: FeatureCache,
    *,
    preset: str = "compact",
    units: Sequence[str] | None = None,
    aligner: str | None = "sphinx",
    aligner_options: Options | None = None,
    workers: int = 1,
    device: str = "cpu",
    shard: tuple[int, int] = (0, 1),
    check: bool = False,
    again: bool = False,
    copies: int = 0,
    placement: Placement | None = None,
    times: StageTimes | None = None,
    progress: Progress = lambda what, done, total: None,
) -> FeatureSet:
    """Brings `units` (all) of every utterance of `dataset` into the cache, those already there excepted, and lists them.

    `workers` is the number of processes; 1 is this one, 0 as many as there are CPU cores and work for. `shard` (i, n) takes every n-th
    utterance from the i-th, so that n processes or machines with one folder share the work; the answer is that shard's. `check` reads
    entries that are there through and redoes altered ones; without it that is done to those whose file changed. `again` tries once more
    what could not be aligned; sound that can't be read is tried every time. `copies` augmented copies (augment.py) of every clip are
    brought in as well. `placement` is where the encoders run, in place of `device`. On a card this process encodes batches of clips,
    while `workers` processes load and align them and threads write; `times` gets who waited for whom then.

    `progress` gets what ("texts" | "clips"), how many are done and of how many; nothing is said when there is nothing to do.
    Raises DataError for wrong arguments or a full disk, AlignmentError when the aligner is not installed, DeviceError, WeightsError.
    """
    job = ExtractionJob(
        cache.folder, check_preset(preset).name, check_units(units), aligner, device, check, again, copies, aligner_options or {}
    )
    if not 0 <= shard[0] < shard[1]:
        raise DataError(f"Shard {shard[0] + 1} of {shard[1]}: count from 1 to the number of shards.")
    placement = placement or open_placement(device, strict=True)  # a card that isn't here is reported before there is any work
    chosen = dataset.utterances[shard[0] :: shard[1]]
    index = FeatureIndex.read(cache, dataset.name, job.preset)
    work: dict[str, list[Any]] = {
        "texts": list_text_tasks(chosen, index, cache, job),
        "clips": list_speech_tasks(chosen, index, cache, job),
    }
    if any(work.values()):
        cache.remove_parts()
        count = sum(map(len, work.values())) if placement.device.is_cpu else len(work["clips"])
        workers = workers or max(1, min(count_cores(), math.ceil(count / TASKS_PER_WORKER)))
        if placement.device.is_cpu:
            answers = run_tasks(partial(ExtractionWorker, job), [*work["texts"], *work["clips"]], workers=workers)
        else:
            answers = work_on_device(work, job, placement, times or StageTimes(), workers=workers)
        _run(work, answers, index, job, progress)
    return make_feature_set(dataset, index, job.preset, utterances=chosen)


def list_text_tasks(utterances: Sequence[Utterance], index: FeatureIndex, cache: FeatureCache, job: ExtractionJob) -> list[TextTask]:
    """Batches of the different texts that are not in the cache, of similar length."""
    if "T" not in job.units:
        return []
    names: dict[str, str] = {}
    for u in utterances:
        if u.text.strip() and (job.check or not _is_there(index.texts.get(name_text(u.text, job.preset.text_identity)), cache)):
            names.setdefault(u.text, name_utterance(u))
    texts = sorted(names, key=len)
    batches = [tuple(texts[i : i + TEXTS_PER_TASK]) for i in range(0, len(texts), TEXTS_PER_TASK)]
    return [TextTask(batch, tuple(names[t] for t in batch)) for batch in batches]


def list_speech_tasks(utterances: Sequence[Utterance], index: FeatureIndex, cache: FeatureCache, job: ExtractionJob) -> list[SpeechTask]:
    if not job.speech_units:
        return []
    tasks = []
    for u in utterances:
        identity = identify_speech(u)
        if identity is not None and (job.check or not _is_done(index.speech.get(identity), u, cache, job)):
            tasks.append(SpeechTask(u, identity))
    return tasks


def _is_there(record: FeatureRecord | None, cache: FeatureCache) -> bool:
    """Whether the entry's file is the one that was looked at when the record was made."""
    return record is not None and record.key is not None and cache.stamp(record.key) == record.stamp


def _is_done(record: FeatureRecord | None, utterance: Utterance, cache: FeatureCache, job: ExtractionJob) -> bool:
    if record is None or not _is_there(record, cache):
        return False
    if not record.sha256:  # of the first releases: the clip is read once more, its features are there
        return False
    if job.aligned and record.aligner != job.name_aligner(utterance):
        return False
    if len(record.copies) < job.copies or not all(key in cache for key in record.copies[: job.copies]):
        return False
    missing = set(job.speech_units) - set(record.units)
    return not missing or (not job.again and missing <= set(record.absent))


def _run(
    work: dict[str, list[Any]], answers: Generator[tuple[Any, Any]], index: FeatureIndex, job: ExtractionJob, progress: Progress
) -> None:
    """Takes the records of all answers. The index is written every few seconds, and at the end even if an error ends the work."""
    totals = {"texts": sum(len(task.texts) for task in work["texts"]), "clips": len(work["clips"])}
    done = dict.fromkeys(totals, 0)
    saved = time.monotonic()
    for what, total in totals.items():
        if total:
            progress(what, 0, total)
    try:
        with closing(answers):
            for task, answer in answers:
                kind, what = ("texts", "texts") if isinstance(task, TextTask) else ("speech", "clips")
                for name, record in (_describe_crash(task, answer, job) if isinstance(answer, WorkerCrash) else answer).items():
                    index.add(kind, name, record)
                done[what] += len(task.texts) if isinstance(task, TextTask) else 1
                progress(what, done[what], totals[what])
                if time.monotonic() - saved > SAVE_SECONDS:
                    index.save()
                    saved = time.monotonic()
    finally:
        index.save()


def _describe_crash(task: SpeechTask | TextTask, crash: WorkerCrash, job: ExtractionJob) -> dict[str, FeatureRecord]:
    """The records of a task whose worker crashed. They have no entry, so the next extraction tries them again."""
    if isinstance(task, TextTask):
        keys = (name_text(text, job.preset.text_identity) for text in task.texts)
        return {key: FeatureRecord(name, None, None, (), {"T": str(crash)}) for key, name in zip(keys, task.names)}
    return {task.identity: describe_failure(name_utterance(task.utterance), str(crash))}


class ExtractionWorker:
    """The encoders and the aligner that one process has loaded. Called with a task, it returns the records of the entries it made."""

    def __init__(self, job: ExtractionJob):
        self.job = job
        self.cache = FeatureCache(job.features)

    @cached_property
    def placement(self) -> Placement:
        return open_placement(self.job.device, strict=True)

    @cached_property
    def text(self) -> TextEncoder:
        return TextEncoder.load(self.job.preset, placement=self.placement)

    @cached_property
    def speech(self) -> SpeechExtractor:
        job = self.job
        encoder = SpeechEncoder.load(job.preset, placement=self.placement)
        return SpeechExtractor(self.cache, encoder, preset=job.preset.name, aligner=self.load_aligner(), check=True, again=job.again)

    @cached_property
    def aligner_identity(self) -> str:
        """ "" where it is not installed: whoever does without P, S and W needs no aligner."""
        try:
            return self.job.identity
        except AlignmentError:
            return ""

    def load_aligner(self) -> Aligner | None:
        """Loads the aligner; None when no unit needs one."""
        if not (self.job.aligned and self.job.aligner):
            return None
        return ALIGNERS[self.job.aligner].load(self.job.aligner_options, check_words=False)

    def __call__(self, task: Any) -> Any:
        """Does a task with one thread: the last bits of a sum depend on the number of threads, and other processes use the other cores."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return self.work(task)
        finally:
            torch.set_num_threads(threads)

    def work(self, task: Any) -> Any:
        return self.extract_texts(task) if isinstance(task, TextTask) else self.extract_speech(task)

    def extract_texts(self, task: TextTask) -> dict[str, FeatureRecord]:
        """Records by key. A text that is too long, or meets a bug, is one without an entry."""
        encoder = self.text  # what can't be loaded ends everything
        try:
            keys = catch_bugs(lambda: extract_texts(task.texts, self.cache, encoder, preset=self.job.preset.name, check=True))
        except (TranscriptError, Bug) as error:
            if len(task.texts) == 1:
                key = name_text(task.texts[0], self.job.preset.text_identity)
                return {key: FeatureRecord(task.names[0], None, None, (), {"T": str(error)})}
            singles = [TextTask((text,), (name,)) for text, name in zip(task.texts, task.names)]
            return {key: record for single in singles for key, record in self.extract_texts(single).items()}
        return {key: self.describe(name, key) for name, key in zip(task.names, keys)}

    def extract_speech(self, task: SpeechTask) -> dict[str, FeatureRecord]:
        speech = self.speech  # what can't be loaded ends everything
        return try_utterance(task, lambda: {task.identity: self.extract_clip(task.utterance, speech)})

    def extract_clip(self, utterance: Utterance, speech: SpeechExtractor) -> FeatureRecord:
        clip = load_clip(utterance)
        keys = self.choose_keys(utterance, clip, speech, speech.extract)
        return self.finish(utterance, keys, seconds=clip.duration, sha256=clip.sha256)

    def choose_keys(self, utterance: Utterance, clip: Clip, speech: ClipPreparer, extract: Callable[..., list[str]]) -> list[str]:
        """The clip's entry, then those of its copies; `extract` is asked for what isn't there."""
        job, keys = self.job, []
        if not job.aligned:  # frames may be there together with aligned units
            spoken = speech.name_entry(clip, spoken=name_alignment(utterance, self.aligner_identity))
            keys = [spoken] if speech.holds(spoken, job.speech_units) else []
        if not keys or job.copies:
            wanted: dict[str, Any] = {"units": job.speech_units, "aligned": job.aligned}
            keys = extract(utterance, clip, augmentations=draw_augmentations(clip, job.copies), **wanted)
        return keys

    def finish(self, utterance: Utterance, keys: Sequence[str], *, seconds: float, sha256: str) -> FeatureRecord:
        """The record of a clip whose entries are in the cache."""
        found = replace(self.describe(name_utterance(utterance), keys[0]), aligner=self.job.name_aligner(utterance), seconds=seconds)
        return replace(found, copies=tuple(keys[1:]), sha256=sha256)

    def describe(self, name: str, key: str) -> FeatureRecord:
        """The record of an entry that is in the cache."""
        units = self.cache.list_units(key)
        kind = ("T",) if set(units) <= {"T"} else speech_units()
        absent = {u: why for u, why in self.cache.read_absent(key).items() if u in kind and u not in units}
        return FeatureRecord(name, key, self.cache.stamp(key), units, absent)


class ClipLoader(ExtractionWorker):
    """Reads and aligns clips for a device that another process has. Called with a task, it returns the clip, or its record by identity
    where there is nothing to encode."""

    @cached_property
    def preparer(self) -> ClipPreparer:
        identity = self.job.preset.speech_identity
        return ClipPreparer(self.cache, identity, aligner=self.load_aligner(), check=True, again=self.job.again)

    def work(self, task: SpeechTask) -> LoadedClip | dict[str, FeatureRecord]:
        preparer = self.preparer  # an aligner that can't be loaded ends everything
        return try_utterance(task, lambda: self.load(task, preparer))

    def load(self, task: SpeechTask, preparer: ClipPreparer) -> LoadedClip | dict[str, FeatureRecord]:
        clip = load_clip(task.utterance)
        entries: list[PreparedEntry] = []

        def prepare(*given: Any, **wanted: Any) -> list[str]:
            keys, missing = preparer.prepare(*given, **wanted)
            entries.extend(missing)
            return keys

        keys = self.choose_keys(task.utterance, clip, preparer, prepare)
        if not entries:
            return {task.identity: self.finish(task.utterance, keys, seconds=clip.duration, sha256=clip.sha256)}
        return LoadedClip(task.utterance, task.identity, tuple(keys), tuple(entries), clip.duration, clip.sha256)


class DeviceWorker(ExtractionWorker):
    """The encoders on a device: batches of loaded clips -> entries and their records."""

    def __init__(self, job: ExtractionJob, placement: Placement):
        super().__init__(job)
        self.placement = placement

    @cached_property
    def pooling(self) -> PoolingEncoder:
        return PoolingEncoder(SpeechEncoder.load(self.job.preset, placement=self.placement))

    def encode(self, clips: Sequence[LoadedClip]) -> list[list[PooledClip] | str]:
        """Of each clip what its entries' encodings are, or why there are none: a bug over one leaves those beside it."""
        entries = [entry for clip in clips for entry in clip.entries]
        try:
            requests = [
                PoolingRequest(entry.samples, {u: t for u, t in entry.segments.items() if u in entry.kept}, frames="F" in entry.kept)
                for entry in entries
            ]
            found = iter(catch_bugs(lambda: self.pooling.encode(requests)))
        except (DataError, WeightsError):
            raise
        except MmerError as error:
            return [str(error)] if len(clips) == 1 else [made for clip in clips for made in self.encode([clip])]
        return [[next(found) for _ in clip.entries] for clip in clips]

    def write(self, clip: LoadedClip, made: list[PooledClip] | str) -> tuple[SpeechTask, dict[str, FeatureRecord]]:
        task = SpeechTask(clip.utterance, clip.identity)
        if isinstance(made, str):
            return task, {task.identity: describe_failure(name_utterance(task.utterance), made)}
        return task, try_utterance(task, lambda: self.store(clip, made))

    def store(self, clip: LoadedClip, made: Sequence[PooledClip]) -> dict[str, FeatureRecord]:
        encoder = self.pooling.encoder
        for entry, pooled in zip(clip.entries, made):
            write_pooled(self.cache, entry, pooled, preset=self.job.preset.name, encoder=encoder.identity, step=encoder.model.step)
        return {clip.identity: self.finish(clip.utterance, clip.keys, seconds=clip.seconds, sha256=clip.sha256)}


def try_utterance(task: SpeechTask, do: Callable[[], Found]) -> Found | dict[str, FeatureRecord]:
    """What `do` returns; for an utterance that can't be used, or meets a bug, its record with the reason, so that the others go on."""
    try:
        return catch_bugs(do)
    except (DataError, WeightsError):  # the disk is full, or a model is not there: so it would be for all
        raise
    except MmerError as error:
        return {task.identity: describe_failure(name_utterance(task.utterance), str(error))}


def work_on_device(
    work: dict[str, list[Any]], job: ExtractionJob, placement: Placement, times: StageTimes, *, workers: int
) -> Generator[tuple[Any, Any]]:
    """As run_tasks with an ExtractionWorker: texts first, then clips, which `workers` processes load while the device encodes others."""
    worker = DeviceWorker(job, placement)
    for task in work["texts"]:
        yield task, worker(task)
    if not work["clips"]:
        return
    worker.pooling  # noqa: B018  # what can't be loaded ends everything
    needs_aligner = job.aligned and job.aligner and any(task.utterance.alignment is None for task in work["clips"])
    times.source = "aligner" if needs_aligner else "reading of clips"
    batch = BATCH_FRAMES * job.preset.step
    stages = StageWork(
        encode=worker.encode,
        write=worker.write,
        choose=partial(choose_similar, most=batch),
        weigh=lambda clip: len(clip.entries) * clip.length,
        batch=batch,
        ahead=AHEAD,
        behind=BEHIND,
    )
    with closing(run_tasks(partial(ClipLoader, job), work["clips"], workers=workers)) as answers:
        loaded = ((answer, True) if isinstance(answer, LoadedClip) else ((task, answer), False) for task, answer in answers)
        with closing(run_stages(loaded, stages, times)) as done:
            yield from done


def plan_extraction(
    units: Sequence[str], *, features: str | Path, preset: str, aligner: str = "sphinx", aligner_options: Options | None = None
) -> ExtractionJob:
    """The extraction that training on `units` needs: a model that reads sound needs the frames too, since they normalise all speech."""
    wanted = {*units, *(("F",) if set(units) - {"T"} else ())}
    chosen = tuple(u for u in UNITS if u in wanted)
    return ExtractionJob(
        Path(features), check_preset(preset).name, chosen, None if aligner == NO_ALIGNER else aligner, aligner_options=aligner_options or {}
    )


def count_missing(dataset: Dataset, index: FeatureIndex, cache: FeatureCache, job: ExtractionJob) -> dict[str, int]:
    """How many "texts" and "clips" an extraction would bring into the cache."""
    texts = list_text_tasks(dataset.utterances, index, cache, job)
    return {"texts": sum(len(task.texts) for task in texts), "clips": len(list_speech_tasks(dataset.utterances, index, cache, job))}
