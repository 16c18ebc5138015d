"""Where the web app trains: which folders it reads and writes, what it may do there, and for strangers why it may not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmer.datasets.classes import parse_classes
from mmer.errors import DataError
from mmer.experiments.check_data import DataReport, check_data, identify_check
from mmer.experiments.data_roots import FoundData, allow_path, find_data, read_pairs
from mmer.experiments.experiment import Experiment
from mmer.experiments.folder.run_list import delete_run, export_run, list_runs
from mmer.experiments.folder.run_progress import RunStatus
from mmer.experiments.folder.run_status import launch_run, read_status, stop_run
from mmer.experiments.folder.runs import RunFolder, check_name, find_run
from mmer.experiments.remaining import Estimate
from mmer.experiments.report.overview import RunSummary, RunView
from mmer.experiments.report.run_view import read_view, sign_folder
from mmer.experiments.settings import build_experiment, suggest_name

OWN, RECORDED = "run", "recorded"  # what a key begins with: "run/ravdess-f", "recorded/ravdess-f"
NO_RUNS = "This app was started without a folder to keep experiments in. Start it with: python app.py --runs FOLDER"
PUBLIC = "Training is off on this page because strangers visit it. On your own machine it is on: python app.py --data-root FOLDER"


@dataclass(frozen=True)
class Engine:
    """What trains. `command` is the process of one experiment; None is the package's own."""

    prepare: Callable[[Path, str, Experiment], RunFolder]
    estimate: Callable[[Experiment], Estimate]
    command: Callable[[RunFolder], Sequence[str]] | None = None


def load_engine() -> Engine:
    from mmer.experiments.estimate import estimate_experiment  # here because it brings torch
    from mmer.experiments.prepare import prepare_experiment
    from mmer.experiments.trainer.device import find_device

    def prepare(root: Path, name: str, experiment: Experiment) -> RunFolder:
        find_device(experiment)  # a GPU that isn't here is reported before there is a folder
        return prepare_experiment(root, name, experiment)

    return Engine(prepare, estimate_experiment)


@dataclass(frozen=True)
class TrainingService:
    """The folders of one app. Everything that a visitor names is looked up in them, never taken as a path."""

    runs: Path | None = None  # where experiments are kept; None: nowhere
    features: Path = Path("cache")  # the feature cache
    roots: tuple[Path, ...] = ()  # below which data sets may lie
    recorded: Path | None = None  # experiments that came with the app, read only
    shipped: Path | None = None  # the data set that came with the app: anybody may hear its clips
    heads: Path = Path("pretrained")  # where promoted heads go
    closed: str = ""  # why nothing may be started, stopped, deleted or promoted; "" when it may
    load: Callable[[], Engine] = field(default=load_engine)

    def require_open(self) -> Path:
        """The folder of experiments. Raises DataError when this app doesn't train."""
        if self.closed:
            raise DataError(self.closed)
        if self.runs is None:
            raise DataError(NO_RUNS)
        return self.runs

    # data

    def list_data(self) -> tuple[FoundData, ...]:
        return () if self.closed else find_data(self.roots)

    def read_form(self, form: Mapping[str, Any]) -> Experiment:
        """The experiment of a form whose data lies below a root. Raises DataError with what is wrong with it."""
        self.require_open()
        data = allow_path(form.get("data") or "", self.roots)
        return build_experiment(form, data=str(data), features=str(self.features), **read_label_set(form))

    def describe_form(self, form: Mapping[str, Any]) -> Experiment:
        """The experiment of a form, whatever its data: to write the command that trains it elsewhere."""
        return build_experiment(form, data=str(form.get("data") or ""), features="cache", **read_label_set(form))

    def check(self, form: Mapping[str, Any]) -> DataReport:
        return check_data(self.read_form(form))

    def estimate(self, form: Mapping[str, Any]) -> Estimate:
        return self.load().estimate(self.read_form(form))

    def suggest(self, form: Mapping[str, Any]) -> str:
        """A name that is free."""
        experiment, root = self.read_form(form), self.require_open()
        name = suggest_name(experiment, data=Path(experiment.data).stem if Path(experiment.data).is_file() else Path(experiment.data).name)
        numbers = iter(range(2, 10_000))
        free = name
        while (root / free).exists():
            free = f"{name}-{next(numbers)}"
        return free

    # experiments

    def list(self) -> list[tuple[str, RunSummary]]:
        """(key, summary) of every experiment: own ones, the newest first, then recorded ones by name."""
        own = list_runs(self.runs) if self.runs else ()
        recorded = sorted(list_runs(self.recorded), key=lambda s: s.name) if self.recorded else []
        return [(f"{OWN}/{s.name}", s) for s in own] + [(f"{RECORDED}/{s.name}", _still(s)) for s in recorded]

    def find(self, key: str | None) -> RunFolder:
        """The folder of a key. Raises DataError for one that is none, or whose folder is gone."""
        kind, _, name = (key or "").partition("/")
        root = {OWN: self.runs, RECORDED: self.recorded}.get(kind)
        if root is None or not name:
            raise DataError("Choose an experiment first.")
        check_name(root, name)
        if not (root / name).is_dir():
            raise DataError(f"The experiment {name} no longer exists; it was deleted.")
        return find_run(root, name)

    def view(self, key: str) -> RunView:
        found = read_view(self.find(key), recorded=is_recorded(key))
        return replace(found, summary=_still(found.summary)) if found.recorded else found

    def sign(self, key: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return sign_folder(self.find(key))

    def start(self, form: Mapping[str, Any], name: str, *, checked: tuple[Any, ...] | None) -> str:
        """Makes the experiment and its process; returns its key. `checked` is the report's key, so that nothing starts unseen."""
        experiment, root = self.read_form(form), self.require_open()
        if checked != identify_check(experiment):
            raise DataError("Check the data set first: the report is of other data, folds or labels than those chosen now.")
        engine = self.load()
        folder = engine.prepare(root, name.strip() or self.suggest(form), experiment)
        self._launch(folder, engine)
        return f"{OWN}/{folder.name}"

    def resume(self, key: str) -> None:
        self._launch(self._find_own(key), self.load())

    def _launch(self, folder: RunFolder, engine: Engine) -> None:
        launch_run(folder, command=engine.command(folder) if engine.command else None)

    def stop(self, key: str) -> RunStatus:
        return stop_run(self._find_own(key))

    def delete(self, key: str) -> None:
        folder = self._find_own(key)
        delete_run(folder.path.parent, folder.name)

    def export(self, key: str, out: Path) -> Path:
        return export_run(self.find(key), out)

    def promote(self, key: str, *, name: str, licence: str, by: str = "median") -> Path:
        from mmer.experiments.promote import promote_run

        folder = self._find_own(key)
        if read_status(folder).state != "finished":
            raise DataError(f"{folder.name} is not finished; only a finished experiment's runs become heads.")
        return promote_run(folder, name=name.strip() or folder.name, by=by, out=self.heads, licence=licence.strip())

    def _find_own(self, key: str) -> RunFolder:
        self.require_open()
        if is_recorded(key):
            raise DataError("This experiment was recorded elsewhere and came with the app: it can only be looked at.")
        return self.find(key)


def read_label_set(form: Mapping[str, Any]) -> dict[str, Any]:
    """What a form says of labels and classes."""
    return {"labels": read_pairs(form.get("labels") or ""), "classes": parse_classes(form.get("classes") or "")}


def is_recorded(key: str | None) -> bool:
    return (key or "").startswith(f"{RECORDED}/")


def _still(summary: RunSummary) -> RunSummary:
    """A recorded experiment runs nowhere here, whatever its status says."""
    return replace(summary, status=replace(summary.status, state="recorded", seconds_left=None)) if not summary.problem else summary
