"""Folds and splits: who is tested, who validates, and that a split can be had again."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from iemocap_tree import write_full_tree

from mmer.choices.emotions import EMOTIONS
from mmer.datasets.dataset import Dataset, Utterance
from mmer.datasets.folds import (
    PARTS,
    SplitPlan,
    describe_split,
    find_genders,
    leave_one_session_out,
    make_folds,
    make_speaker_folds,
    make_splits,
    read_split,
)
from mmer.datasets.iemocap import read_iemocap
from mmer.errors import DataError


def plant(speakers=24, each=20, *, sessions=False, name="planted", gender=True, uneven=True):
    """Speakers with `each` utterances, but some of one class only."""
    found = []
    for s in range(speakers):
        for n in range(each + (s % 5 if uneven else 0)):
            label = EMOTIONS[s % 4] if uneven and s % 6 == 0 else EMOTIONS[n % 4]
            extra = {"gender": "female" if s % 2 else "Male"} if gender else {}
            session = str(s // 2 + 1) if sessions else ""
            found.append(Utterance(Path(f"{s}-{n}.wav"), "", label, f"actor{s + 1:02d}", session, extra, name=f"{s}-{n}"))
    return Dataset(name, tuple(found))


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return read_iemocap(write_full_tree(tmp_path_factory.mktemp("release")), audio=False)


def test_the_papers_protocol_is_25_runs_of_one_session_left_out(release):
    splits = make_splits(release)
    assert len(splits) == 25 and [(s.repetition, s.fold) for s in splits[:6]] == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 0)]
    for split in splits:
        tested = {release.utterances[i].session for i in split.test}
        assert tested == {str(split.fold + 1)} and split.name == f"session {split.fold + 1}"
        assert len(split.validation) == round(0.1 * (5531 - len(split.test)))
        assert np.array_equal(np.sort(np.concatenate([split.part(p) for p in PARTS])), np.arange(5531))
    assert [len(s.test) for s in splits[:5]] == [1085, 1023, 1151, 1031, 1241]


def test_validation_differs_by_repetition_and_seed_and_is_the_same_again(release):
    first, again, other = (make_splits(release, SplitPlan(repetitions=2, seed=seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(a.validation, b.validation) for a, b in zip(first, again))
    assert not np.array_equal(first[0].validation, first[5].validation)
    assert not np.array_equal(first[0].validation, other[0].validation)


def test_session_validation_leaves_out_one_whole_session_of_the_four(release):
    splits = make_splits(release, SplitPlan(validation="session"))
    for split in splits:
        assert len({release.utterances[i].session for i in split.validation}) == 1
        assert len({release.utterances[i].session for i in split.train}) == 3
    assert len({release.utterances[s.validation[0]].session for s in splits if s.fold == 0}) > 1  # drawn anew in each repetition


def test_speaker_validation_shares_no_speaker(release):
    for split in make_splits(release, SplitPlan(validation="speaker", repetitions=1)):
        speakers = [{release.utterances[i].speaker for i in split.part(p)} for p in PARTS]
        assert len(speakers[1]) == 1 and not speakers[0] & speakers[1] and not speakers[0] & speakers[2]


def test_speaker_validation_takes_both_genders():
    data = plant(uneven=False)
    for split in make_splits(data, SplitPlan(validation="speaker", share=0.2, repetitions=3)):
        validating = {data.utterances[i].speaker: data.utterances[i].extra["gender"].lower() for i in split.validation}
        assert Counter(validating.values()) == {"male": 2, "female": 2}


def test_speaker_folds_have_even_genders_and_classes():
    data = plant()
    folds = make_folds(data)
    genders = find_genders(data)
    assert [f.name for f in folds] == [f"fold {n}" for n in range(1, 6)]
    assert sorted(i for f in folds for i in f.test) == list(range(len(data.utterances)))
    tested = [{data.utterances[i].speaker for i in f.test} for f in folds]
    assert sum(map(len, tested)) == 24
    for gender in ("male", "female"):
        assert sorted(sum(genders[s] == gender for s in speakers) for speakers in tested) == [2, 2, 2, 3, 3]
    assert sorted(map(len, tested)) == [4, 5, 5, 5, 5]
    by_class = np.array([[sum(data.utterances[i].label == e for i in f.test) for e in EMOTIONS] for f in folds])
    shares = by_class / by_class.sum(0)
    assert shares.min() > 0.1 and shares.max() < 0.3


def test_speaker_folds_are_more_even_than_chance():
    data = plant()
    labels = np.array([EMOTIONS.index(u.label) for u in data.utterances])

    def unevenness(parts):
        shares = np.array([np.bincount(labels[list(p)], minlength=4) for p in parts]) / np.bincount(labels)
        return ((shares - 0.2) ** 2).sum()

    rng = np.random.default_rng(0)
    chance = []
    for _ in range(50):
        fold_of = dict(zip(data.speakers, rng.permutation(np.arange(24) % 5)))
        chance.append(unevenness([[i for i, u in enumerate(data.utterances) if fold_of[u.speaker] == f] for f in range(5)]))
    assert all(unevenness([f.test for f in make_speaker_folds(data, 5, seed=seed)]) < min(chance) for seed in range(5))


def test_speaker_folds_follow_the_seed_and_not_the_order_of_rows():
    data = plant()
    mixed = Dataset("planted", tuple(data.utterances[i] for i in np.random.default_rng(3).permutation(len(data.utterances))))

    def speakers(dataset, seed):
        return [{dataset.utterances[i].speaker for i in f.test} for f in make_speaker_folds(dataset, 5, seed=seed)]

    assert speakers(data, 0) == speakers(data, 0) == speakers(mixed, 0)
    assert any(speakers(data, 0) != speakers(data, seed) for seed in range(1, 5))


def test_genders_come_from_the_column_the_caller_or_ravdess():
    assert find_genders(plant(2))["actor01"] == "male"
    assert find_genders(plant(2, gender=False), {"actor01": "female"}) == {"actor01": "female", "actor02": ""}
    assert find_genders(plant(2, gender=False, name="ravdess")) == {"actor01": "male", "actor02": "female"}


def test_sessions_are_used_where_they_are_unless_told_otherwise():
    data = plant(6, sessions=True)
    assert [f.name for f in make_folds(data)] == ["session 1", "session 2", "session 3"]
    assert len(make_folds(data, SplitPlan(by="speaker", folds=2))) == 2
    many = plant(22, each=4, sessions=True)
    assert [f.name for f in make_folds(many)][8:] == ["session 9", "session 10", "session 11"]


def test_a_stored_split_comes_back():
    data = plant(6)
    split = make_splits(data, SplitPlan(folds=3))[4]
    stored = json.loads(json.dumps(describe_split(data, split)))
    back = read_split(data, stored)
    assert (back.fold, back.repetition, back.name, back.validation_by) == (split.fold, split.repetition, split.name, "random")
    assert all(np.array_equal(back.part(p), split.part(p)) for p in PARTS)
    with pytest.raises(DataError, match=r"planted lacks \d+ utterances of the stored split, the first is 4-"):
        read_split(Dataset("planted", tuple(u for u in data.utterances if u.speaker != "actor05")), stored)


@pytest.mark.parametrize(
    ("data", "plan", "message"),
    [
        (plant(4), SplitPlan(), "planted: 4 speakers can't make 5 folds"),
        (plant(4), SplitPlan(folds=1), "1 fold: at least two"),
        (plant(4), SplitPlan(by="session"), "86 of 86 utterances have no session, the first is 0-0"),
        (plant(2, sessions=True), SplitPlan(by="session"), "all utterances are of session 1; folds by session need two"),
        (plant(4), SplitPlan(by="moon"), "Folds by 'moon'"),
        (plant(6), SplitPlan(validation="moon"), "Validation by 'moon'"),
        (plant(6), SplitPlan(share=1.5), "share of 1.5"),
        (plant(6), SplitPlan(repetitions=0), "0 repetitions"),
        (plant(6), SplitPlan(validation="session"), "validation by session needs a session for every utterance"),
        (
            plant(4, sessions=True),
            SplitPlan(validation="session"),
            "validation by session needs two beside the test set; there is only '2'",
        ),
        (plant(2, each=1, uneven=False), SplitPlan(folds=2), "nothing is left to train on beside 1 for validation"),
    ],
)
def test_what_cannot_be_split_is_refused(data, plan, message):
    with pytest.raises(DataError, match=message):
        make_splits(data, plan)


def test_a_single_session_falls_back_to_speakers():
    assert [f.name for f in make_folds(plant(2, sessions=True), SplitPlan(folds=2))] == ["fold 1", "fold 2"]
    with pytest.raises(DataError, match="have no session"):
        leave_one_session_out(plant(2))
