"""An utterance opened by the run that tested it: the same numbers as the experiment's, and never by a run that learned from it."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from heard_experiment import MOST_SECONDS

from mmer.error_table.data import read_table_with_data
from mmer.error_table.opened import SAME, explain_shut, open_tested
from mmer.errors import DataError, HeadError
from mmer.experiments.folder.runs import RunFolder
from mmer.results import SAMPLE_RATE
from mmer.stages import StageResults

CLOSE = 1e-3  # the cache holds half precision


@pytest.fixture(scope="module")
def table(heard):
    return read_table_with_data(heard, trusted=True)


def open_row(analyzer, folder, table, name, **options):
    return open_tested(analyzer, folder, table.utterances[name], name, **options)


def test_what_opens_says_what_the_predictions_of_its_run_say(analyzer, heard, table):
    predictions = heard.read_predictions()
    rows = predictions[predictions["part"] == "test"]
    assert len(rows) == 16  # 8 utterances, 2 repetitions
    earlier = StageResults()
    for row in rows.sort_values("utterance").iloc[::3].to_dict("records"):  # of both repetitions, with and without words, cut and whole
        found = open_row(analyzer, heard, table, row["utterance"], repetition=row["repetition"], earlier=earlier)
        said = found.analysis.best
        assert said.head == f"heard fold{row['fold'] + 1}-rep{row['repetition'] + 1}"
        assert said.classes == ("calm", "warm")
        assert np.allclose(said.logits, [row["logit.calm"], row["logit.warm"]], atol=CLOSE)
        assert {branch.unit for branch in said.branches} <= {"T", "F", "S"}
        for branch in said.branches:
            assert np.allclose(branch.logits, [row[f"branch.{branch.unit}.{name}"] for name in said.classes], atol=CLOSE)
            assert np.allclose(branch.bias + branch.contributions.sum(0), branch.logits, atol=1e-4)
        assert found.difference <= CLOSE
        assert [verdict.repetition for verdict in found.verdicts] == [0, 1]


def test_it_is_cut_where_the_run_s_reading_ended(analyzer, heard, table):
    longest = max(
        table.utterances, key=lambda name: soundfile.info(table.utterances[name].path).duration if not table.utterances[name].end else 0
    )
    found = open_row(analyzer, heard, table, longest)
    assert found.analysis.clip.duration > MOST_SECONDS
    assert found.analysis.ends["F"][-1] <= MOST_SECONDS + 0.03
    assert found.analysis.starts["S"][-1] < MOST_SECONDS
    assert any(f"read the first {MOST_SECONDS:g} s" in note for note in found.notes)
    prediction = next(p for p in found.verdicts if p is found.shown)
    assert found.shown.answer == max(("calm", "warm"), key=lambda c: prediction.logits[("calm", "warm").index(c)])


def test_its_words_can_be_left_out_one_by_one_with_the_run_s_own_model(analyzer, heard, table):
    from mmer.interventions.leave_one_out import leave_one_out

    name = next(name for name, u in table.utterances.items() if "ill disposed young" in u.text)
    found = open_row(analyzer, heard, table, name)
    curve = leave_one_out(found.models, found.analysis)
    assert curve is not None
    with pytest.raises(HeadError, match="not loaded"):
        leave_one_out(analyzer, found.analysis)


def copy_folder(heard, tmp_path):
    shutil.copytree(heard.path, tmp_path / "heard")
    return RunFolder(tmp_path / "heard")


def test_a_run_that_learned_from_it_never_explains_it(analyzer, heard, table, tmp_path):
    folder = copy_folder(heard, tmp_path)
    splits = folder.read("splits")
    for split in splits:
        split["train"] = [*split["train"], *split["test"]]
    folder.write("splits", splits)
    name = next(iter(table.utterances))
    with pytest.raises(DataError, match="is in the train part of fold"):
        open_row(analyzer, folder, table, name)
    with pytest.raises(DataError, match="No run of this experiment tested nobody"):
        open_tested(analyzer, heard, table.utterances[name], "nobody")
    with pytest.raises(DataError, match="Repetition 8 did not test this utterance; those that did: 1, 2"):
        open_row(analyzer, heard, table, name, repetition=7)


def test_another_recording_is_not_taken_for_the_one_that_was_tested(analyzer, heard, table, tmp_path):
    name = next(name for name, u in table.utterances.items() if "ill disposed young" in u.text)
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * SAMPLE_RATE)
    soundfile.write(tmp_path / "other.wav", noise, SAMPLE_RATE)
    found = open_tested(analyzer, heard, replace(table.utterances[name], path=tmp_path / "other.wav"), name)
    assert found.difference > SAME
    assert found.notes[0].startswith("Careful: a logit differs by")


def test_what_can_t_be_opened_is_said_with_what_helps(analyzer, heard, table, tmp_path):
    assert explain_shut(heard, "compact", has_data=True) == ""
    assert "--data-root FOLDER" in explain_shut(heard, "compact", has_data=False)
    assert "--preset compact" in explain_shut(heard, "paper", has_data=True)
    folder = copy_folder(heard, tmp_path)
    shutil.rmtree(folder.path / "heads")
    said = explain_shut(folder, "compact", has_data=True)
    assert "holds no models of its runs" in said
    assert "python -m mmer train --data voices" in said
    assert "--classes calm,warm" in said
    with pytest.raises(HeadError, match="holds no models of its runs"):
        open_row(analyzer, folder, table, next(iter(table.utterances)))
