"""One utterance of an experiment -> its clip explained by a run that tested it: the words, alignment and length that the run read.

Never by one that learned from it. What the models say here is compared with what the experiment's predictions hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mmer.align import ALIGNERS, NO_ALIGNER
from mmer.align.files import read_alignment
from mmer.choices.units import aligned_units
from mmer.datasets.clips import load_clip
from mmer.datasets.dataset import Utterance
from mmer.error_table.experiment_table import BRANCH, softmax
from mmer.errors import AlignmentError, DataError, HeadError, TranscriptError
from mmer.experiments.experiment import Experiment
from mmer.experiments.folder.runs import HEADS, RunFolder
from mmer.experiments.promote import find_split, list_clips
from mmer.experiments.settings import write_command
from mmer.files.guarded_json import show
from mmer.heads.folder import load_single
from mmer.heads.head import Head
from mmer.pipeline import Analyzer
from mmer.results import NO_WORDS, Alignment, Analysis, Clip, Segment, Transcript
from mmer.scores.predictions import LOGIT, read_classes, select_part
from mmer.transcript.transcribe import read_transcript

SAME = 0.02  # of a logit or a branch's: more than half precision of the features changes (docs/error-analysis.md)
NO_ALIGNER_ASKED = "The experiment used no aligner, and there is no alignment file."


@dataclass(frozen=True, eq=False)
class RunVerdict:
    """What one run said about one utterance that it tested, as the experiment's predictions have it."""

    fold: int  # from 0
    repetition: int  # from 0
    classes: tuple[str, ...]
    logits: np.ndarray  # (classes,)
    branches: Mapping[str, np.ndarray]  # unit -> (classes,); empty where the model has no branches

    @property
    def answer(self) -> str:
        return self.classes[int(self.logits.argmax())]

    @property
    def share(self) -> float:
        """The answer's probability, not calibrated."""
        return float(softmax(self.logits[None])[0].max())


@dataclass(frozen=True, eq=False)
class OpenedClip:
    """An utterance as a run that tested it hears it, and what the other runs said."""

    source: str  # the experiment, or the batch
    utterance: str
    label: str
    analysis: Analysis
    models: Analyzer  # that analysed it: the app's encoders with this run's head
    verdicts: tuple[RunVerdict, ...]  # of every run that tested it, by repetition; none of a batch
    shown: RunVerdict | None  # of the run whose head explains it here; None for a batch, which has no runs
    difference: float  # the largest of a logit, or a branch's, between here and what the source has; nan where it has none
    notes: tuple[str, ...] = ()


def explain_shut(folder: RunFolder, preset: str, *, has_data: bool) -> str:
    """Why no utterance of an experiment can be opened by its runs, in sentences that say what helps; "" where they can."""
    experiment = folder.read_experiment()
    if not any((folder.path / HEADS).glob("*/config.json")):
        command = write_command(replace(experiment, data=_name_data(folder, experiment), features="cache"), name=folder.name)
        return (
            f"The folder of {folder.name} holds no models of its runs, so no clip can be explained by the one that tested it. "
            f"Every training keeps them, in {HEADS}/: {command}"
        )
    if experiment.preset != preset:
        return f"{folder.name} reads the preset {experiment.preset}: start the app with --preset {experiment.preset} to open its clips."
    if not has_data:
        return "The recordings are not found: start the app with --data-root FOLDER, the folder that the data set lies in."
    return ""


def _name_data(folder: RunFolder, experiment: Experiment) -> str:
    """The data set's name instead of a path on the machine that trained."""
    return str(folder.read("data").get("name") or "DATA") if folder.has("data") else "DATA"


def open_tested(
    analyzer: Analyzer, folder: RunFolder, utterance: Utterance, name: str, *, repetition: int | None = None, **options: Any
) -> OpenedClip:
    """The utterance called `name`, explained by the run of `repetition` (from 0) that tested it.

    Without one, by the first repetition that said what most of them said. `options` are those of Analyzer.analyze_parts: earlier, progress,
    cancelled. Raises DataError for an utterance that no such run tested, or that one learned from; HeadError where the run's head is not
    there; AudioError; whatever analyze_parts raises.
    """
    experiment = folder.read_experiment()
    if experiment.preset != analyzer.preset:
        raise DataError(explain_shut(folder, analyzer.preset, has_data=True))
    label, verdicts = list_verdicts(folder.read_predictions(), name)
    chosen = choose_verdict(verdicts, repetition)
    check_unlearned(folder, chosen, name)
    head = load_run_head(folder, chosen, name)
    clip = replace(load_clip(utterance), name=name.rpartition("/")[2] or name)
    transcript, alignment, absent = read_as_extracted(experiment, utterance, clip)
    lent = analyzer.lend({head.config.name: head}, seconds=experiment.max_seconds)
    analysis = lent.analyze_parts(clip, transcript, alignment, absent=absent, head=head.config.name, **options)
    difference = measure_difference(analysis, chosen)
    notes = describe_reading(experiment, clip, analysis, difference)
    return OpenedClip(folder.name, name, label, analysis, lent, verdicts, chosen, difference, notes)


def list_verdicts(predictions: pd.DataFrame, name: str) -> tuple[str, tuple[RunVerdict, ...]]:
    """The label of an utterance and what each run that tested it said, by repetition. Raises DataError where none did."""
    rows = select_part(predictions)
    classes = read_classes(rows)
    own = rows[rows["utterance"].astype(str) == name].sort_values(["repetition", "fold"])
    if own.empty:
        raise DataError(f"No run of this experiment tested {show(name)}.")
    units = dict.fromkeys(column.split(".", 2)[1] for column in own.columns if column.startswith(BRANCH))
    found = []
    for row in own.to_dict("records"):
        branches = {unit: np.array([row[f"{BRANCH}{unit}.{one}"] for one in classes], float) for unit in units}
        known = {unit: logits for unit, logits in branches.items() if np.isfinite(logits).all()}
        logits = np.array([row[f"{LOGIT}{one}"] for one in classes], float)
        found.append(RunVerdict(int(row["fold"]), int(row["repetition"]), classes, logits, known))
    return str(own["label"].iloc[0]), tuple(found)


def choose_verdict(verdicts: Sequence[RunVerdict], repetition: int | None) -> RunVerdict:
    """That of a repetition; without one the first whose answer is that of most. Raises DataError for a repetition that has none."""
    if repetition is None:
        votes = [verdict.answer for verdict in verdicts]
        most = max(votes.count(vote) for vote in votes)
        return next(verdict for verdict in verdicts if votes.count(verdict.answer) == most)
    found = next((verdict for verdict in verdicts if verdict.repetition == repetition), None)
    if found is None:
        known = ", ".join(str(verdict.repetition + 1) for verdict in verdicts)
        raise DataError(f"Repetition {repetition + 1} did not test this utterance; those that did: {known}.")
    return found


def check_unlearned(folder: RunFolder, verdict: RunVerdict, name: str) -> None:
    """Raises DataError where the run trained or validated on the utterance, by the experiment's own split."""
    split = find_split(folder, (verdict.fold, verdict.repetition))
    for part in ("train", "validation"):
        if name in split.get(part, ()):
            raise DataError(
                f"{show(name)} is in the {part} part of fold {verdict.fold + 1}, repetition {verdict.repetition + 1} of {folder.name}, so "
                "that run can't show how it hears a clip it never met. The folder contradicts itself: its predictions call it a test."
            )


def load_run_head(folder: RunFolder, verdict: RunVerdict, name: str) -> Head:
    """The model of one run, under a name and with sentences that say which. Raises HeadError where the folder does not hold it."""
    place = folder.place_head(verdict.fold, verdict.repetition)
    if not place.is_dir():
        raise HeadError(explain_shut(folder, folder.read_experiment().preset, has_data=True) or f"{folder.name} keeps no {place.name}.")
    head = load_single(place)
    split = find_split(folder, (verdict.fold, verdict.repetition))
    data = str(folder.read("data").get("name", "")) if folder.has("data") else ""
    run = f"fold {verdict.fold + 1}, repetition {verdict.repetition + 1} of {folder.name}"
    trained_on = f"{len(split['train']):,} utterances of {data or 'its data set'} ({run}); {name} was not among them."
    head.config = replace(head.config, name=f"{folder.name} {place.name}", title=f"{head.config.title} ({run})", trained_on=trained_on)
    head.clips = list_clips(folder, (verdict.fold, verdict.repetition))  # the same sound may be there under another name
    return head


def read_as_extracted(experiment: Experiment, utterance: Utterance, clip: Clip) -> tuple[Transcript, Alignment | None, dict[str, str]]:
    """Words, alignment and why units are missing, as the extraction for the experiment had them (feature_store/extract.py)."""
    try:
        transcript = read_transcript(utterance.text)
    except TranscriptError as error:
        return read_transcript(""), None, dict.fromkeys(("T", *aligned_units()), str(error))
    if not transcript.words and utterance.alignment is None:
        return transcript, None, dict.fromkeys(("T", *aligned_units()), NO_WORDS)
    try:
        if utterance.alignment is not None:
            return transcript, _read_file(utterance, transcript, clip.duration), {}
        if experiment.aligner == NO_ALIGNER:
            return transcript, None, dict.fromkeys(aligned_units(), NO_ALIGNER_ASKED)
        aligner = ALIGNERS[experiment.aligner].load(experiment.aligner_options, check_words=False)
        return transcript, aligner.align(clip, transcript), {}
    except AlignmentError as error:
        return transcript, None, dict.fromkeys(aligned_units(), str(error))


def _read_file(utterance: Utterance, transcript: Transcript, duration: float) -> Alignment:
    """The alignment file, with the transcript's words where they are the same; else its segments belong to no word."""
    assert utterance.alignment is not None
    try:
        return read_alignment(utterance.alignment, transcript, duration=duration)
    except AlignmentError:
        found = read_alignment(utterance.alignment, duration=duration)

    def free(tier: Sequence[Segment]) -> tuple[Segment, ...]:
        return tuple(replace(segment, word=-1) for segment in tier)

    return replace(found, words=free(found.words), syllables=free(found.syllables), phones=free(found.phones))


def measure_difference(analysis: Analysis, verdict: RunVerdict) -> float:
    """The largest difference of a logit, or of a branch's, between an analysis and what the run said."""
    prediction = analysis.best
    here = {branch.unit: branch.logits for branch in prediction.branches or ()}
    pairs = [(prediction.logits, verdict.logits)]
    pairs += [(here[unit], logits) for unit, logits in verdict.branches.items() if unit in here]  # of one that is missing the sum tells
    return max(float(np.abs(one - other).max()) for one, other in pairs)


def describe_reading(experiment: Experiment, clip: Clip, analysis: Analysis, difference: float) -> tuple[str, ...]:
    """What to know before reading the explanation: how near it is to the experiment's numbers, and what was cut off."""
    if difference <= SAME:
        notes = [f"Its logits are those of the experiment to within {difference:.1g}: training reads states in half precision."]
    else:
        notes = [
            f"Careful: a logit differs by {difference:.3g} from what the experiment noted, more than half precision explains ({SAME:g}). "
            "The recording, the encoders or the aligner are not as they were then."
        ]
    if clip.duration > experiment.max_seconds:
        notes.append(f"The run read the first {experiment.max_seconds:g} s of its {clip.duration:.1f} s, so that is what is explained.")
    if analysis.alignment is None and analysis.transcript.words:
        notes.append("Its words were not placed in the sound.")
    return tuple(notes)
