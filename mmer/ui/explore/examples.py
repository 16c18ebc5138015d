"""Example clips that open instantly: a folder per example with clip, stored analysis and what it is.

`python -m mmer.ui assets/examples pretrained` computes the stored analyses again, which a new head makes necessary.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from mmer.audio.load import load_audio
from mmer.errors import DataError, HeadError
from mmer.exports.analysis_json import analysis_to_json, dump_json, read_analysis
from mmer.files.output import write_file
from mmer.interventions.same_models import check_analysis
from mmer.pipeline import Analyzer
from mmer.results import Analysis
from mmer.stopping import hold_lock, read_stop
from mmer.ui.explore.example_clip import ExampleClip, Opener
from mmer.ui.texts import explore as texts

STORED = "analysis.json"


def list_examples(folder: Path) -> list[ExampleClip]:
    """The examples below a folder in the order of their names; none when there is no folder. Raises: DataError for a broken one."""
    return [read_example(path.parent) for path in sorted(Path(folder).glob("*/about.json"))]


def list_stored(folder: Path) -> list[ExampleClip]:
    """The examples that open instantly: those with a stored analysis."""
    return [example for example in list_examples(folder) if (example.folder / STORED).is_file()]


def read_example(folder: Path) -> ExampleClip:
    path = folder / "about.json"
    try:
        return ExampleClip(folder=folder, **json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, TypeError) as error:
        raise DataError(texts.say_no_example(str(path), str(error))) from error


def open_example(example: ExampleClip) -> Analysis:
    """The stored analysis, with the clip's real samples and the example's name. Raises: DataError, AudioError."""
    analysis = read_analysis(example.folder / STORED, clip_samples=load_audio(example.clip, name=example.clip.name).samples)
    return replace(analysis, clip=replace(analysis.clip, name=f"{example.folder.name}{example.clip.suffix}"))


def open_shared(example: ExampleClip) -> Analysis:
    """The same, read once for all visitors: nobody changes an analysis, and a copy for each would fill the memory."""
    return _open_once(example, (example.folder / STORED).stat().st_mtime_ns)


@lru_cache(maxsize=16)
def _open_once(example: ExampleClip, changed: int) -> Analysis:
    return open_example(example)


def open_with(analyzer: Analyzer) -> Opener:
    """What opens examples on a page: the stored analysis; where that is of other models than the page's, one by the page's, made once.

    Whoever waits for the models, or for another visitor's same wish, can be cancelled (mmer/stopping.py); the opener then raises Cancelled.
    """
    made: dict[Path, Analysis] = {}
    making: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)  # one each: who waits for a turn keeps nobody from the others

    def open_one(example: ExampleClip) -> Analysis:
        stored = open_shared(example)
        if is_made_by(analyzer, stored):
            return stored
        if example.folder not in made:
            with hold_lock(making[example.folder]):
                if example.folder not in made:
                    with analyzer.queue.take(cancelled=read_stop()):
                        made[example.folder] = analyze_example(example, analyzer)
        return made[example.folder]

    return open_one


def is_made_by(analyzer: Analyzer, analysis: Analysis) -> bool:
    """Whether an analysis is of the models that are loaded."""
    try:
        check_analysis(analyzer, analysis)
    except HeadError:
        return False
    return True


def analyze_example(example: ExampleClip, analyzer: Analyzer) -> Analysis:
    """The example's clip with its known words, under the example's name, as the analyzer's models hear it."""
    clip = load_audio(example.clip, name=f"{example.folder.name}{example.clip.suffix}")
    return analyzer.analyze(clip, text=example.text, head=choose_head(analyzer), cancelled=read_stop())


def choose_head(analyzer: Analyzer) -> str:
    """The combination if it is there, else the first head."""
    return "combined" if "combined" in analyzer.heads else next(iter(analyzer.heads))


def store_example(example: ExampleClip, analyzer: Analyzer) -> Analysis:
    """Analyses the example's clip with its known words and stores the result beside it."""
    analysis = analyzer.analyze(load_audio(example.clip, name=example.clip.name), text=example.text, head=choose_head(analyzer))
    write_file(example.folder / STORED, dump_json(analysis_to_json(analysis)))
    return analysis
