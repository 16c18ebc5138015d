"""Experiments and shards of an extraction as tasks of a Ray cluster: one task per folder, whose checkpoint another node goes on from.

Only paths cross the network. Ray tries a task again when its worker or node dies; what a person can mend is named at the end.
"""

from __future__ import annotations

import json
import math
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmer.cluster.ray_cluster import (
    LOOK,
    ClusterJob,
    Resources,
    Task,
    appears,
    choose_needs,
    connect,
    count_slots,
    list_nodes,
    open_job,
    run_tasks,
    wants_card,
)
from mmer.datasets.dataset import Dataset
from mmer.datasets.reading import read_dataset
from mmer.errors import Cancelled, DataError, MmerError
from mmer.experiments.experiment import Experiment
from mmer.experiments.folder.run_progress import RunStatus
from mmer.experiments.folder.run_status import is_held, read_status
from mmer.experiments.folder.runs import RunFolder
from mmer.experiments.prepare import read_experiment_data, reads_sound
from mmer.experiments.trainer.run_experiment import run_experiment
from mmer.feature_store.cache import FeatureCache
from mmer.feature_store.extraction import TASKS_PER_WORKER, Progress, count_missing, extract_dataset, plan_extraction
from mmer.feature_store.extraction_job import ExtractionJob
from mmer.feature_store.feature_index import FeatureIndex
from mmer.feature_store.feature_items import FeatureSet
from mmer.feature_store.feature_set import make_feature_set
from mmer.files.output import write_file
from mmer.phrasing import say_count
from mmer.scores.scores import score_runs

RETRIES = 3  # of a task whose worker or node died
SHARE_STEP = 5  # percent of a cell after which its progress is printed again
CELL_BYTES = 4 * 2**30  # what a training stays under
FEATURE_BYTES = 2**29  # of it: features held in memory, since other cells of the node take the same
SHARD_BYTES = 2 * 2**30
LOST_LOCK = 120.0  # seconds: a lost node's lock lives on until the file server's lease ends, which is 90 s for NFS 4
LEAVING = 10.0  # seconds after which a stopped task's node is certain not to be going down itself


def tell_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class RayExecutor:
    """Trains folders and extracts features on a cluster. Without an address the cluster is this machine."""

    address: str | None = None  # "host:port" of a running cluster, or "auto"; None: RAY_ADDRESS, or Ray is started here
    cpus: int = 0  # of a task; 0: chosen so that as many tasks as can be run at once, each with as many as can be
    gpus: float | None = None  # of a task; None: 1 where the experiment may use one and the cluster has any
    retries: int = RETRIES
    tell: Callable[[str], None] = tell_stderr

    def __call__(self, folders: Sequence[Path], workers: int = 0) -> Iterator[Path]:
        """Each folder when its experiment is finished, in the order in which they finish. `workers` extract what is missing, one CPU each.

        Raises DataError at the end, naming the experiments that could not be trained; any other error at once.
        """
        runs = {folder.name: folder for folder in (RunFolder(path.resolve()) for path in folders)}
        if not runs:
            return
        experiments = [folder.read_experiment() for folder in runs.values()]
        given = {folder.path.resolve(): path for folder, path in zip(runs.values(), folders)}
        with connect(self.address) as ray:
            for source in list_sources(experiments):
                self._extract_missing(ray, source, workers)
            roots = {folder.path.parent for folder in runs.values()} | {Path(e.features) for e in experiments}
            with open_job(sorted(roots)) as job:
                tasks = self._plan_training(ray, job, runs, experiments)
                failed = []
                for name, error in run_tasks(ray, job, tasks, look=TrainingMonitor(runs, self.tell)):
                    if error or not appears(runs[name].path / "results.json"):
                        failed.append(f"{name}: {error or 'its results are not to be seen here.'}")
                    else:
                        yield given[runs[name].path]
        if failed:
            raise DataError(
                f"{len(failed)} of {say_count(len(runs), 'experiment')} {'was' if len(failed) == 1 else 'were'} not trained. "
                f"{' '.join(failed)}"
            )

    def _plan_training(
        self, ray: Any, job: ClusterJob, runs: Mapping[str, RunFolder], experiments: Sequence[Experiment]
    ) -> dict[str, Task]:
        nodes = list_nodes(ray)
        tasks = {}
        for folder, experiment in zip(runs.values(), experiments):
            wished = 1.0 if wants_card(experiment.device, nodes) else 0.0
            needs = choose_needs(
                nodes,
                len(runs),
                cpus=self.cpus or experiment.threads,
                gpus=wished if self.gpus is None else self.gpus,
                memory=CELL_BYTES,
            )
            tasks[folder.name] = Task(train_folder, (job, folder.path, needs.cpus), needs, self.retries)
        return tasks

    def extract(
        self, source: SharedDataset, *, shards: int = 0, workers: int = 1, progress: Progress = lambda what, done, total: None
    ) -> FeatureSet:
        """As extract_dataset, by `shards` tasks of `workers` processes each; 0 shards: one for every CPU (GPU) of the cluster.

        Raises DataError at the end, naming the shards that failed and why.
        """
        with connect(self.address) as ray:
            return self._extract(ray, source, shards=shards, workers=workers, progress=progress)

    def _extract_missing(self, ray: Any, source: SharedDataset, workers: int) -> None:
        """Before the training, so that not every experiment extracts the same."""
        missing = source.count_missing()
        if not missing:
            return
        self.tell(f"{source.data}: {say_count(missing, 'feature')} to extract first")
        shards = min(workers or 2**30, math.ceil(missing / TASKS_PER_WORKER), sum(int(node.cpus) for node in list_nodes(ray)))
        self._extract(ray, source, shards=max(1, shards), workers=1, progress=tell_each_tenth(self.tell))

    def _extract(self, ray: Any, source: SharedDataset, *, shards: int, workers: int, progress: Progress) -> FeatureSet:
        nodes = list_nodes(ray)
        gpus = (1.0 if self.gpus is None else self.gpus) if wants_card(source.extraction.device, nodes) else 0.0
        slots = count_slots(nodes, Resources(workers, gpus, SHARD_BYTES))
        shards = shards or max(1, min(slots, math.ceil(len(source.dataset.utterances) / TASKS_PER_WORKER)))
        needs = choose_needs(nodes, shards, cpus=workers, gpus=gpus, memory=SHARD_BYTES)
        source.extraction.features.mkdir(parents=True, exist_ok=True)
        with open_job([source.extraction.features.resolve()]) as job:
            sent = replace(source, dataset=None)
            tasks = {
                f"shard {i + 1}/{shards}": Task(extract_shard, (job, sent, (i, shards), workers), needs, self.retries)
                for i in range(shards)
            }
            look = ShardMonitor(job, progress)
            failed = [f"{name}: {error}" for name, error in run_tasks(ray, job, tasks, look=look) if error]
            look()
        if failed:
            raise DataError(
                f"{len(failed)} of {say_count(shards, 'shard')} {'was' if len(failed) == 1 else 'were'} not extracted; the same "
                f"command goes on. {' '.join(failed)}"
            )
        return source.read_features()


# What is extracted


@dataclass(frozen=True)
class SharedDataset:
    """A data set to be extracted, as every node can read it."""

    data: str  # path of the manifest or folder
    extraction: ExtractionJob
    labels: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    audio: bool = True
    fingerprint: str = ""
    sounds: int = 0  # utterances whose sound file was seen here
    dataset: Any = None  # as read here; not sent

    @classmethod
    def read(
        cls,
        data: str | Path,
        extraction: ExtractionJob,
        *,
        labels: Mapping[str, str] | None = None,
        classes: tuple[str, ...] = (),
        audio: bool = True,
    ) -> SharedDataset:
        """Raises DataError as read_dataset does."""
        dataset = read_dataset(data, labels=labels or None, classes=classes, audio=audio)
        path, extraction = str(Path(data).resolve()), replace(extraction, features=Path(extraction.features).resolve())
        return cls(path, extraction, labels or {}, classes, audio, dataset.fingerprint, _count_sounds(dataset), dataset)

    def read_again(self) -> Dataset:
        """On another node. Raises DataError when it is not the same there."""
        dataset = read_dataset(self.data, labels=self.labels or None, classes=self.classes, audio=self.audio)
        if (dataset.fingerprint, _count_sounds(dataset)) != (self.fingerprint, self.sounds):
            raise DataError(
                f"{socket.gethostname()} sees another data set or other sound files in {self.data} than the machine that asked."
            )
        return dataset

    def count_missing(self) -> int:
        """Texts and clips that are not in the cache yet."""
        cache = FeatureCache(self.extraction.features)
        index = FeatureIndex.read(cache, self.dataset.name, self.extraction.preset)
        return sum(count_missing(self.dataset, index, cache, self.extraction).values())

    def read_features(self) -> FeatureSet:
        cache = FeatureCache(self.extraction.features)
        return make_feature_set(self.dataset, FeatureIndex.read(cache, self.dataset.name, self.extraction.preset), self.extraction.preset)


def _count_sounds(dataset: Dataset) -> int:
    return sum(u.has_audio for u in dataset.utterances)


def list_sources(experiments: Sequence[Experiment]) -> list[SharedDataset]:
    """What the experiments read: each data set once per preset and feature folder, with all units that any of them needs."""
    groups: dict[tuple[Any, ...], list[Experiment]] = {}
    for e in experiments:
        options, labels = (tuple(sorted(pairs.items())) for pairs in (e.aligner_options, e.labels))
        groups.setdefault((e.data, e.features, e.preset, e.aligner, options, (labels, e.classes)), []).append(e)
    sources = []
    for (data, features, preset, aligner, options, _), group in groups.items():
        units = tuple({unit for e in group for unit in e.units})
        extraction = plan_extraction(units, features=features, preset=preset, aligner=aligner, aligner_options=dict(options))
        read_experiment_data(group[0])  # says when there are no utterances
        sources.append(
            SharedDataset.read(data, extraction, labels=group[0].labels, classes=group[0].classes, audio=any(map(reads_sound, group)))
        )
    return sources


# On the nodes


def train_folder(job: ClusterJob, path: Path, cpus: int) -> str:
    """Trains one experiment; "" or what a person can mend."""
    sys.argv = list(job.command)  # environment.json tells what was typed
    folder = RunFolder(path)
    try:
        job.check_node()
        wait_until_free(folder)
        run_experiment(folder, workers=1, threads=cpus, budget=FEATURE_BYTES)
    except Cancelled as error:
        _leave(job)
        return str(error)
    except MmerError as error:
        return str(error)
    return ""


def extract_shard(job: ClusterJob, source: SharedDataset, shard: tuple[int, int], workers: int) -> str:
    """Extracts one shard; "" or what a person can mend."""
    try:
        job.check_node()
        report = ShardReport(job, shard[0])
        extraction = source.extraction
        extract_dataset(
            source.read_again(),
            FeatureCache(extraction.features),
            preset=extraction.preset_name,
            units=extraction.units,
            aligner=extraction.aligner,
            aligner_options=extraction.aligner_options,
            workers=workers,
            device=extraction.device,
            shard=shard,
            check=extraction.check,
            again=extraction.again,
            progress=report,
        )
    except Cancelled:
        return "It was stopped."
    except MmerError as error:
        return str(error)
    return ""


def wait_until_free(folder: RunFolder, *, seconds: float = LOST_LOCK) -> None:
    """Until nobody trains in it, but not for ever: run_experiment then says who does."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and (is_held(folder) or read_status(folder).active):
        time.sleep(min(LOOK, left))


def _leave(job: ClusterJob) -> None:
    """Stopped by a signal: where the whole node goes down, this process ends before it has answered, and Ray takes the task elsewhere."""
    end = time.monotonic() + LEAVING
    while time.monotonic() < end and not job.stop.exists() and job.board.exists():
        time.sleep(0.2)


class ShardReport:
    """How far a shard is, in a file; after a death the count goes on where it was."""

    def __init__(self, job: ClusterJob, number: int):
        self.job, self.path, self.written = job, job.board / f"shard{number}.json", 0.0
        self.before = _read_report(self.path)
        self.now: dict[str, list[int]] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        if self.job.stop.exists():
            raise Cancelled("stopped")
        earlier = self.before.get(what, [0, 0])[0]
        self.now[what] = [earlier + done, earlier + total]
        if done in (0, total) or time.monotonic() - self.written > LOOK:
            write_file(self.path, json.dumps(self.before | self.now))
            self.written = time.monotonic()


def _read_report(path: Path) -> dict[str, list[int]]:
    try:
        found: dict[str, list[int]] = json.loads(path.read_text("utf-8"))
        return found
    except (OSError, ValueError):
        return {}


# Progress


class TrainingMonitor:
    """The experiments' status files as one line, printed when it changes."""

    def __init__(self, runs: Mapping[str, RunFolder], tell: Callable[[str], None]):
        self.runs, self.tell = runs, tell
        self.last, self.seen = "", dict[str, tuple[str, int]]()  # who trained each when last looked at
        self.scores: dict[tuple[str, int], float] = {}  # UA of an experiment's first finished runs

    def __call__(self) -> None:
        found = {name: self.read(folder) for name, folder in self.runs.items() if not folder.has("results")}
        for name, status in found.items():
            self.tell_of_moves(name, status)
        line = "; ".join(
            [
                f"{len(self.runs) - len(found)} of {say_count(len(self.runs), 'experiment')} trained",
                *(self.describe(name, status) for name, status in found.items() if status.state == "running"),
            ]
        )
        if line != self.last:
            self.tell(line)
            self.last = line

    def read(self, folder: RunFolder) -> RunStatus:
        try:
            return read_status(folder)
        except DataError:  # being written
            return RunStatus()

    def tell_of_moves(self, name: str, status: RunStatus) -> None:
        if status.state != "running":
            return
        now, before = (status.host, status.pid), self.seen.get(name)
        if before is not None and before != now:
            self.tell(f"{name}: process {before[1]} on {before[0]} was lost; process {now[1]} on {now[0]} goes on")
        self.seen[name] = now

    def describe(self, name: str, status: RunStatus) -> str:
        share = int(100 * status.done) // SHARE_STEP * SHARE_STEP
        done = status.runs_finished
        runs = f", {done} of {say_count(status.runs, 'run')}{self.score(name, done)}" if done else ""
        return f"{name} {share} %{runs}"

    def score(self, name: str, finished: int) -> str:
        """Mean UA of the runs that are finished; read again only when there are more."""
        key = (name, finished)
        if key not in self.scores:
            with suppress(DataError):
                rows = score_runs(self.runs[name].read_predictions())
                self.scores[key] = sum(row["ua"] for row in rows) / len(rows)
        return f", UA {self.scores[key]:.4f}" if key in self.scores else ""


class ShardMonitor:
    """What all shards report, summed."""

    def __init__(self, job: ClusterJob, progress: Progress):
        self.job, self.progress, self.last = job, progress, dict[str, tuple[int, int]]()

    def __call__(self) -> None:
        reports = [_read_report(path) for path in self.job.board.glob("shard*.json")]
        for what in ("texts", "clips"):
            done, total = (sum(report.get(what, [0, 0])[i] for report in reports) for i in (0, 1))
            if total and self.last.get(what) != (done, total):
                self.last[what] = done, total
                self.progress(what, done, total)


def tell_each_tenth(tell: Callable[[str], None]) -> Progress:
    reported: dict[str, int] = {}

    def report(what: str, done: int, total: int) -> None:
        tenth = 10 * done // total
        if reported.get(what) != tenth:
            reported[what] = tenth
            tell(f"{what}: {done} of {total} extracted")

    return report
