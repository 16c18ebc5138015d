"""The table of an experiment against a slow loop over its predictions, and what it takes from the data set."""

import math
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from planted_predictions import plant_predictions

from mmer.choices.emotions import EMOTIONS
from mmer.error_table.data import read_table_with_data
from mmer.error_table.experiment_table import make_table, read_experiment_table
from mmer.error_table.filters import find_rows, parse_filter
from mmer.error_table.summary import format_table, score_rows
from mmer.errors import DataError
from mmer.experiments.experiment import Experiment
from mmer.experiments.folder.runs import RunFolder, create_run
from mmer.experiments.prepare import prepare_experiment
from mmer.scores.scores import summarise

RECORDED = Path(__file__).parents[2] / "assets" / "runs" / "ravdess-linear-f"


@pytest.fixture(scope="module")
def predictions():
    """Three repetitions with branches that sum to the logits."""
    rows = plant_predictions(repetitions=3, strength=1.5)
    rng = np.random.default_rng(2)
    for name in EMOTIONS:
        rows[f"branch.S.{name}"] = rng.normal(size=len(rows)).astype(np.float32)
        rows[f"branch.F.{name}"] = rows[f"logit.{name}"] - rows[f"branch.S.{name}"]
    rows.loc[rows["utterance"] == "utterance0003", [f"branch.S.{name}" for name in EMOTIONS]] = np.nan
    return rows


def answer_slowly(rows):
    """What the table must say of one utterance, with nothing but the standard library."""
    logits = [[float(row[f"logit.{name}"]) for name in EMOTIONS] for _, row in rows.iterrows()]
    shares = [[math.exp(v) / sum(map(math.exp, row)) for v in row] for row in logits]
    mean = [sum(row[k] for row in shares) / len(shares) for k in range(4)]
    votes = Counter(rows["predicted"])
    answer = max(EMOTIONS, key=lambda name: (votes[name], mean[EMOTIONS.index(name)]))
    label = rows["label"].iloc[0]
    own = EMOTIONS.index(label)
    return {
        "label": label,
        "answer": answer,
        "outcome": "right" if answer == label else "wrong",
        "runs": len(rows),
        "runs_right": votes[label],
        "runs_agree": votes[answer] / len(rows),
        "entropy": -sum(p * math.log2(p) for p in mean),
        "margin": mean[own] - max(p for k, p in enumerate(mean) if k != own),
        "loss": sum(-math.log(row[own]) for row in shares) / len(rows),
        "fold": rows["fold"].iloc[0] + 1,
        **{f"p_{name}": mean[k] for k, name in enumerate(EMOTIONS)},
        **{f"logit_{unit}_{name}": float(rows[f"branch.{unit}.{name}"].mean(skipna=False)) for unit in "SF" for name in EMOTIONS},
    }


def test_each_test_utterance_is_a_row_as_a_slow_loop_finds_it(predictions):
    table = make_table(predictions, title="planted")
    tested = predictions[predictions["part"] == "test"]
    assert sorted(table.frame["utterance"]) == sorted(set(tested["utterance"]))
    own_rows, split = dict(list(tested.groupby("utterance"))), 0
    for row in table.frame.to_dict("records"):
        own = own_rows[row["utterance"]]
        split += own["predicted"].nunique() == 3
        for column, value in answer_slowly(own).items():
            if isinstance(value, str):
                assert row[column] == value, column
            else:
                assert row[column] == pytest.approx(value, rel=2e-6, abs=2e-7, nan_ok=True), column
    assert split > 0  # as many runs said each of three answers
    assert {column.name for column in table.columns} == set(table.frame.columns)


def test_the_score_of_all_rows_is_that_of_the_experiment(predictions):
    found, expected = score_rows(make_table(predictions, title="planted")), summarise(predictions)
    assert found["ua"] == pytest.approx(expected["pooled_ua"])
    assert found["interval"] == expected["interval"]
    assert found["utterances"] == expected["utterances"]


def test_rows_chosen_by_their_answers_have_no_score(predictions):
    table = make_table(predictions, title="planted")
    chosen, free = parse_filter("outcome=wrong"), parse_filter("gender=male")
    assert "no score" in format_table(table.keep(find_rows(table, [chosen])), [chosen], rows=3, whole=144)
    assert "UA 0." in format_table(table.keep(find_rows(table, [free])), [free], rows=3, whole=144)


def test_an_experiment_that_is_being_trained_has_the_runs_so_far(tmp_path, predictions):
    experiment = Experiment(data="data", features="cache", folds=3, repetitions=3)
    folder = create_run(tmp_path, "live", experiment, data={"name": "planted"}, splits=[{}] * 9)
    with pytest.raises(DataError, match="no predictions yet"):
        read_experiment_table(folder)
    runs = predictions.groupby(["fold", "repetition"])
    for fold, repetition in ((0, 0), (0, 1), (1, 0)):
        folder.write_part(fold, repetition, runs.get_group((fold, repetition)))
    table = read_experiment_table(folder)
    tested = predictions[(predictions["part"] == "test") & predictions["fold"].isin([0, 1])]
    assert set(table.frame["utterance"]) == set(tested["utterance"])
    assert set(zip(table.frame["fold"], table.frame["runs"])) == {(1, 2), (2, 1)}
    assert "So far 3 of 9 runs are finished" in table.notes[0]
    assert "1 to 2 runs" in table.notes[0]


@pytest.fixture
def data(tmp_path):
    """A data set with columns of its own, one of them called as one of the table's, and the experiment over it."""
    folder = tmp_path / "root" / "small"
    folder.mkdir(parents=True)
    rows = [f"{i}.wav,word {i},{EMOTIONS[i // 4 % 4]},s{i % 4},{i % 3},{i / 10},{'often' if i % 2 else ''}" for i in range(24)]
    (folder / "manifest.csv").write_text("path,text,label,speaker,entropy,valence,note\n" + "\n".join(rows) + "\n")
    return folder


def experiment_over(data, root):
    experiment = Experiment(data=str(data), features=str(root / "cache"), fusion="linear", units=("T",), folds=2, repetitions=1, share=0.5)
    folder = prepare_experiment(root / "runs", "small", experiment)
    names, labels = [f"{i}.wav" for i in range(24)], [EMOTIONS[i // 4 % 4] for i in range(24)]
    frame = {"part": "test", "fold": 0, "repetition": 0, "utterance": names, "speaker": [f"s{i % 4}" for i in range(24)], "session": ""}
    frame |= {"gender": "", "label": labels, "predicted": labels} | {
        f"logit.{n}": [float(n == label) for label in labels] for n in EMOTIONS
    }
    folder.write_predictions(pd.DataFrame(frame))
    return folder


def test_the_data_set_s_own_columns_stand_beside_the_answers(tmp_path, data):
    table = read_table_with_data(experiment_over(data, tmp_path), trusted=True)
    row = table.frame.set_index("utterance").loc["7.wav"]
    assert (row["text"], row["valence"], row["note"], row["data_entropy"]) == ("word 7", 0.7, "often", 1.0)
    assert table.frame["speaker"].tolist().count("s3") == 6
    assert "data_speaker" not in table.frame
    assert "dialogue" not in table.frame  # nobody filled it
    assert "24 of its 24 recordings are missing" in table.notes[-1]
    assert table.utterances["7.wav"].path == data / "7.wav"


def test_a_data_set_that_moved_is_found_below_a_root_and_another_is_not_taken(tmp_path, data):
    folder = experiment_over(data, tmp_path)
    moved = tmp_path / "elsewhere" / "deep" / "other name"
    moved.parent.mkdir(parents=True)
    shutil.move(data, moved)
    assert "--data-root" in read_table_with_data(folder, trusted=True).notes[-1]
    assert "text" in read_table_with_data(folder, roots=[tmp_path / "elsewhere"]).frame
    manifest = moved / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("word 7", "word 8"))
    changed = read_table_with_data(folder, roots=[tmp_path / "elsewhere"])
    assert "text" not in changed.frame
    assert "is not as it was then" in changed.notes[-1]


def test_a_page_reads_a_data_set_below_its_roots_alone(tmp_path, data):
    folder = experiment_over(data, tmp_path)
    (tmp_path / "empty").mkdir()
    assert "text" not in read_table_with_data(folder, roots=[tmp_path / "empty"]).frame
    assert "text" not in read_table_with_data(folder).frame
    assert "text" in read_table_with_data(folder, roots=[tmp_path / "root"]).frame


def test_the_recorded_experiment_has_every_clip_once():
    table = read_table_with_data(RunFolder(RECORDED))
    assert len(table.frame) == 672 == table.frame["utterance"].nunique()
    assert (table.frame["runs"] == 5).all()
    assert "is not read" in table.notes[-1]
