"""Slices and labels worth a look: what was planted is found, noise is not, and p is corrected for their number."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from planted_predictions import plant_predictions

from mmer.choices.emotions import EMOTIONS
from mmer.cli import main
from mmer.error_table.experiment_table import make_table
from mmer.error_table.filters import find_rows
from mmer.error_table.findings.doubted_labels import list_doubted
from mmer.error_table.findings.slices import FEWEST_CLIPS, compare, list_slices
from mmer.error_table.joined import join_tables
from mmer.error_table.table import NUMBER, TEXT, Column
from mmer.errors import DataError
from mmer.scores.metrics import correct_holm

LOGITS = [f"logit.{name}" for name in EMOTIONS]


def plant_table(*, seed=0, harm=0.0, repetitions=3, change=lambda rows: rows):
    """A table of 16 speakers; clips in a car with a loud fan lose `harm` of the right logit."""
    rows = plant_predictions(strength=1.5, seed=seed, speakers=16, per_speaker=30, folds=4, repetitions=repetitions)
    number = rows["utterance"].str[-4:].astype(int).to_numpy()
    rng = np.random.default_rng(seed + 100)
    place, fan = rng.integers(0, 2, 480), rng.integers(0, 2, 480)
    right = rows["label"].map({name: k for k, name in enumerate(EMOTIONS)}).to_numpy()
    logits = rows[LOGITS].to_numpy(float, copy=True)
    logits[np.arange(len(rows)), right] -= harm * (place * fan)[number]
    rows[LOGITS] = logits
    rows["predicted"] = np.array(EMOTIONS)[logits.argmax(1)]
    table = make_table(change(rows), title="planted")
    own = table.frame["utterance"].str[-4:].astype(int).to_numpy()
    columns = [Column("place", TEXT, ""), Column("fan", TEXT, ""), Column("height", NUMBER, "")]
    values = {
        "place": np.array(["home", "car"], object)[place[own]],
        "fan": np.array(["quiet", "loud"], object)[fan[own]],
        "height": rng.normal(size=480).round(2)[own],
    }
    return table.add(columns, values)


def test_a_pair_that_was_planted_comes_first_and_is_a_filter():
    table = plant_table(harm=3.0)
    first, said = list_slices(table)
    assert list(map(str, first[0].filters)) in (["place=car", "fan=loud"], ["fan=loud", "place=car"])
    assert first[0].gap < -0.3 and first[0].p < 0.05
    assert "beyond chance" in first[0].sentence and "not beyond" not in first[0].sentence
    rows = find_rows(table, first[0].filters)
    assert rows.sum() == first[0].clips
    inside, outside = (table.frame[side] for side in (rows, ~rows))
    recalls = [(f["runs_right"] / f["runs"]).groupby(f["label"]).mean().mean() for f in (inside, outside)]
    assert (first[0].inside, first[0].outside) == pytest.approx(recalls)
    assert first[0].clips >= FEWEST_CLIPS
    assert said.startswith("Exploratory: ")
    assert not any(one.column in ("label", "speaker", "utterance", "loss") for found in first for one in found.filters)


def test_where_nothing_was_planted_next_to_nothing_lies_beyond_chance():
    alarms = sum(any(one.p < 0.05 for one in list_slices(plant_table(seed=seed))[0]) for seed in range(12))
    assert alarms <= 2  # at 5 % for all slices of a table together, 0.6 are to be expected


def test_whole_speakers_are_what_varies():
    """A column that is the speaker's own has the deviation of speakers' means, by hand."""
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(12), 10)
    shares = np.clip(0.6 + rng.normal(0, 0.2, 12)[speakers] + rng.normal(0, 0.1, 120), 0, 1)
    inside = speakers < 6
    clips, count, ua_in, ua_out, deviation, _ = compare(inside, shares, np.zeros(120, int), speakers)
    means = shares.reshape(12, 10).mean(1)
    squares = sum(((half - half.mean()) ** 2).sum() / 36 for half in (means[:6], means[6:]))
    by_hand = np.sqrt(squares * 12 / 11)
    assert (clips, count) == (60, 6)
    assert (ua_in, ua_out) == pytest.approx((means[:6].mean(), means[6:].mean()))
    assert deviation == pytest.approx(by_hand)
    assert compare(speakers < 4, shares, np.zeros(120, int), speakers) is None  # four speakers are too few


def test_where_nothing_can_be_compared_that_is_said_and_not_that_nothing_was_found():
    first, said = list_slices(plant_table().keep(np.arange(480) < 10))
    assert first == () and said.startswith("Nothing was compared: no slice has 20 clips and 5 speakers")


def test_holm_by_hand():
    assert correct_holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert correct_holm([]) == []


def test_labels_that_all_runs_doubt_are_listed_as_a_filter():
    planted = {f"utterance{i:04d}" for i in (3, 50, 77, 200)}

    def change(rows):
        doubted = rows["utterance"].isin(planted).to_numpy()
        rows.loc[doubted, LOGITS] = 0.0
        other = np.where(rows["label"] == "anger", "sadness", "anger")
        for name in ("anger", "sadness"):
            rows.loc[doubted & (other == name), f"logit.{name}"] = 6.0
        rows["predicted"] = np.array(EMOTIONS)[rows[LOGITS].to_numpy().argmax(1)]
        return rows

    table = plant_table(change=change)
    found, said = list_doubted(table)
    listed = set()
    for one in found:
        rows = find_rows(table, one.filters)
        assert rows.sum() == one.utterances
        assert (table.frame.loc[rows, "label"] != one.answer).all()
        listed |= set(table.frame.loc[rows, "utterance"])
    assert planted <= listed
    assert len(listed) < 60  # of 480
    assert "of all utterances they say the same" in said
    rates = [one.expected for one in found]
    assert all(0 <= rate < 40 for rate in rates)


def test_tables_that_can_t_be_asked_say_why():
    table = plant_table()
    with pytest.raises(DataError, match="leave the second one out"):
        list_slices(join_tables(table, table))
    with pytest.raises(DataError, match="two repetitions or more"):
        list_doubted(plant_table(repetitions=1))


def test_the_shell_prints_findings_as_filters(capsys):
    runs = Path(__file__).parents[2] / "assets" / "runs"
    assert main(["errors", str(runs / "ravdess-linear-f"), "--explore", "--rows", "0"]) == 0
    out = capsys.readouterr().out
    assert "  gender=female: UA 82%, elsewhere 76%" in out
    command = next(line for line in out.splitlines() if "all runs call anger" in line)
    where = shlex.split(command.partition(": ")[2])
    assert main(["errors", str(runs / "ravdess-linear-f"), *where, "--rows", "0"]) == 0
    assert f"{command.split()[0]} of 672 are left" in " ".join(capsys.readouterr().out.split())
