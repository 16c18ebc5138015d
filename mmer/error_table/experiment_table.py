"""An experiment's folder -> its table: every utterance that was tested once, with what all repetitions said about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mmer.error_table.table import NUMBER, RIGHT, TEXT, WRONG, Column, UtteranceTable, read_texts, round_numbers
from mmer.experiments.folder.runs import RunFolder
from mmer.phrasing import say_count
from mmer.scores.predictions import list_logits, read_classes, select_part

BRANCH = "branch."  # before a unit and a class: the column of a branch's logit in the predictions
OWN = {  # columns of the predictions that say who speaks
    "speaker": "who speaks",
    "session": "the session that it was recorded in",
    "gender": "of the speaker",
}


def read_experiment_table(folder: RunFolder) -> UtteranceTable:
    """The table of all runs that are finished; of an experiment that is being trained, of those so far. Raises DataError."""
    planned = len(folder.read("splits")) if folder.has("splits") else 0
    return make_table(folder.read_predictions(), title=f"experiment {folder.name}", planned=planned)


def make_table(predictions: pd.DataFrame, *, title: str, planned: int = 0) -> UtteranceTable:
    """The table of an experiment's predictions; only those of a run's own test utterances count. Raises DataError."""
    rows = select_part(predictions).reset_index(drop=True)
    classes = read_classes(rows)
    names, first, place = np.unique(rows["utterance"].astype(str), return_index=True, return_inverse=True)
    columns = [Column("utterance", TEXT, "its name in the data set"), Column("label", TEXT, "what the data set says it is")]
    values: dict[str, np.ndarray] = {"utterance": names.astype(object), "label": _take(rows, "label", first)}
    own, found = describe_answers(rows, place, classes, values["label"])
    columns += own
    values |= found
    for name, meaning in OWN.items():
        cells = _take(rows, name, first)
        if any(cells):
            columns.append(Column(name, TEXT, meaning))
            values[name] = cells
    branches, logits = average_branches(rows, place)
    columns += branches
    values |= logits
    notes = (_say_runs(rows, values["runs"], planned),)
    return UtteranceTable(title, pd.DataFrame(values), tuple(columns), classes, keep_answers(rows), notes)


def keep_answers(rows: pd.DataFrame) -> pd.DataFrame:
    """What intervals and confusions are counted from."""
    kept = ["utterance", "repetition", "fold", "speaker", "session", "label", "predicted", *list_logits(rows)]
    return rows[kept].astype(dict.fromkeys(("utterance", "speaker", "session", "label", "predicted"), str)).reset_index(drop=True)


def _take(rows: pd.DataFrame, column: str, first: np.ndarray) -> np.ndarray:
    found: np.ndarray = rows[column].astype(str).to_numpy(dtype=object)[first]
    return found


def _say_runs(rows: pd.DataFrame, runs: np.ndarray, planned: int) -> str:
    finished = len(rows[["fold", "repetition"]].drop_duplicates())
    least, most = int(runs.min()), int(runs.max())
    each = say_count(most, "run") if least == most else f"{least} to {most} runs"
    so_far = f" So far {finished:,} of {planned:,} runs are finished." if finished < planned else ""
    tested = f"{say_count(len(runs), 'utterance')}, each tested by {each} that did not learn from it"
    return f"{tested}; the answer is what most of them said.{so_far}"


# what the repetitions said


def describe_answers(
    rows: pd.DataFrame, place: np.ndarray, classes: Sequence[str], labels: np.ndarray
) -> tuple[list[Column], dict[str, np.ndarray]]:
    """Columns and values of what the runs said. place (rows,): the utterance of each row; labels (utterances,)."""
    count = len(labels)
    runs = np.bincount(place, minlength=count)
    logits = rows[list_logits(rows)].to_numpy(np.float64)
    shares = softmax(logits)
    mean = np.zeros((count, len(classes)))
    np.add.at(mean, place, shares)
    mean /= runs[:, None]
    label = pd.Categorical(labels, categories=list(classes)).codes.astype(int)
    said = pd.Categorical(rows["predicted"].astype(str), categories=list(classes)).codes.astype(int)
    votes = np.zeros((count, len(classes)), int)
    np.add.at(votes, (place, said), 1)
    majority = choose_majority(votes, mean)
    loss = np.bincount(place, -log_softmax(logits)[np.arange(len(rows)), label[place]], minlength=count) / runs
    folds = np.full(count, -1)
    folds[place] = rows["fold"].to_numpy()
    every = np.arange(count)
    values: dict[str, np.ndarray] = {
        "answer": np.array(classes, dtype=object)[majority],
        "outcome": np.where(majority == label, RIGHT, WRONG).astype(object),
        "runs": runs.astype(float),
        "runs_right": votes[every, label].astype(float),
        "runs_agree": votes[every, majority] / runs,
        **describe_shares(mean, label),
        "loss": loss,
        "fold": folds + 1.0,
        **{f"p_{name}": mean[:, k] for k, name in enumerate(classes)},
    }
    return list_columns(classes), {name: v if v.dtype == object else round_numbers(v) for name, v in values.items()}


def list_columns(classes: Sequence[str]) -> list[Column]:
    """Of what describe_answers finds, in its order."""
    return [
        Column("answer", TEXT, "what most of the runs that tested it said; of equally many, what has the higher mean probability"),
        Column("outcome", TEXT, "whether the answer is the label: right or wrong"),
        Column("runs", NUMBER, "how many runs (repetitions) tested it"),
        Column("runs_right", NUMBER, "how many of them said its label"),
        Column("runs_agree", NUMBER, "share of them that said the answer, 0 to 1"),
        Column("entropy", NUMBER, "of the mean probabilities: 0 when one class has all, the highest when all have the same", "bit"),
        Column("margin", NUMBER, "mean probability of the label minus the highest of another class, -1 to 1; below 0 another is ahead"),
        Column("loss", NUMBER, "-ln of the label's probability, mean over the runs: high where a run is sure of something else"),
        Column("fold", NUMBER, "the fold that tested it, counted from 1"),
        *(Column(f"p_{name}", NUMBER, f"probability of {name}, mean over the runs, not calibrated") for name in classes),
    ]  # fmt: skip


def describe_shares(mean: np.ndarray, label: np.ndarray) -> dict[str, np.ndarray]:
    """Entropy and margin of (utterances, classes) mean probabilities; label (utterances,), -1 where there is none."""
    positive = np.where(mean > 0, mean, 1.0)
    every, known = np.arange(len(mean)), label >= 0
    others = mean.copy()
    others[every[known], label[known]] = -np.inf
    margin = np.where(known, mean[every, label] - others.max(1), np.nan)
    return {"entropy": -(mean * np.log2(positive)).sum(1) + 0.0, "margin": margin}


def choose_majority(votes: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """(utterances,) the class with most votes (utterances, classes); of equal ones that with the higher mean, then the first."""
    found: np.ndarray = np.where(votes == votes.max(1, keepdims=True), mean, -1.0).argmax(1)
    return found


def softmax(logits: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.exp(log_softmax(logits))
    return found


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(1, keepdims=True)
    found: np.ndarray = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return found


def average_branches(rows: pd.DataFrame, place: np.ndarray) -> tuple[list[Column], dict[str, np.ndarray]]:
    """branch.F.anger ... -> logit_F_anger, mean over the runs; a branch that an utterance lacks is unknown there."""
    columns, values = [], {}
    runs = np.bincount(place)
    for column in (name for name in rows.columns if name.startswith(BRANCH)):
        _, unit, name = column.split(".", 2)
        mean = np.bincount(place, rows[column].to_numpy(np.float64)) / runs
        values[f"logit_{unit}_{name}"] = round_numbers(mean)
        columns.append(Column(f"logit_{unit}_{name}", NUMBER, f"logit of {name} from the branch {unit}, mean over the runs"))
    return columns, values


# what the data set says


def add_metadata(table: UtteranceTable, cells: Mapping[str, Mapping[str, str]]) -> UtteranceTable:
    """The table with columns of the data set: column -> utterance -> cell. One that is called as another is becomes data_<name>."""
    columns, values = [], {}
    names = table.frame["utterance"].tolist()
    for name, known in cells.items():
        texts = [known.get(utterance, "") for utterance in names]
        if table.has(name) and (table.find_column(name).kind == NUMBER or table.frame[name].tolist() != texts):
            name = f"data_{name}"
        elif table.has(name):
            continue
        column, found = read_texts(name, texts, "as the data set has it")
        columns.append(column)
        values[column.name] = found
    return table.add(columns, values)
