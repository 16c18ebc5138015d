"""The leakage report against planted overlaps and against a slow count."""

import json
from pathlib import Path

import numpy as np
import pytest
from iemocap_tree import write_full_tree, write_small_tree

from mmer.audio.load import load_audio
from mmer.datasets.dataset import Dataset, Utterance
from mmer.datasets.folds import PARTS, Split, SplitPlan, make_splits
from mmer.datasets.iemocap import read_iemocap
from mmer.datasets.leakage import (
    PAIRS,
    format_leakage,
    identify_audio,
    measure_leakages,
    normalise_words,
    summarise_leakage,
)
from mmer.datasets.texts import normalise_sentence
from mmer.errors import DataError
from mmer.ui.train.cards import write_leakage


def say(text, speaker, dialogue="", **options):
    name = f"{speaker} {text} {options}"
    return Utterance(Path("none.wav"), text, "neutral", speaker, name=name, dialogue=dialogue, has_audio=False, **options)


def split_of(train, validation, test):
    return Split(0, 0, "fold 1", "random", *(np.array(part, dtype=np.int64) for part in (train, validation, test)))


PLANTED = Dataset(
    "planted",
    (
        say("Get out!", "ann", "d1"),
        say("get OUT", "bob", "d1"),
        say("Hello.", "ann", "d2"),
        say("Get out.", "cid", "d3"),
        say("Oh", "bob", "d1"),
        say("...", "cid"),
        say("?!", "ann"),
    ),
)
SPLIT = split_of([0, 1, 2, 5], [4], [3, 6])


def numbers(report, kind, first, second):
    overlap = report.find(kind, first, second)
    return overlap.shared, overlap.first_utterances, overlap.second_utterances


def test_planted_overlaps_are_counted():
    (report,) = measure_leakages(PLANTED, [SPLIT])
    assert report.sizes == {"train": 4, "validation": 1, "test": 2}
    assert numbers(report, "speakers", "train", "test") == (2, 3, 2)  # cid; ann twice in training
    assert numbers(report, "speakers", "train", "validation") == (1, 1, 1)
    assert numbers(report, "speakers", "validation", "test") == (0, 0, 0)
    assert numbers(report, "dialogues", "train", "validation") == (1, 2, 1)
    assert numbers(report, "dialogues", "train", "test") == (0, 0, 0)
    assert numbers(report, "sentences", "train", "test") == (1, 2, 1)  # "get out" twice in training; "..." is no sentence
    assert report.share(report.find("sentences", "train", "test")) == 0.5
    assert report.unknown == {"speakers": 0, "dialogues": 2, "sentences": 2, "audio": 7}


def test_report_prints_and_is_json():
    (report,) = measure_leakages(PLANTED, [SPLIT])
    text = format_leakage({"summary": summarise_leakage([report]), "reports": [report.to_json()]})
    assert "the most and the mean of 1 split:" in text
    assert "sentences  train and test: 1, 1.0; in 50.0% of test at most" in text
    assert "dialogues  train and test: none shared" in text
    assert "audio      not compared for 7 utterances: no sound was compared" in text and "audio      train" not in text
    stored = json.loads(json.dumps(report.to_json()))
    assert stored["overlaps"][7] == {
        "kind": "sentences",
        "first": "train",
        "second": "test",
        "shared": 1,
        "first_utterances": 2,
        "second_utterances": 1,
        "examples": [[PLANTED.utterances[0].name, PLANTED.utterances[3].name]],
        "compared": True,
    }


def test_summary_over_splits():
    empty = split_of([2], [5], [3])
    rows = summarise_leakage(measure_leakages(PLANTED, (SPLIT, empty)))
    row = next(r for r in rows if (r["kind"], r["first"], r["second"]) == ("sentences", "train", "test"))
    assert (row["shared_most"], row["shared_mean"], row["share_most"], row["share_mean"]) == (1, 0.5, 0.5, 0.25)
    json.dumps(rows)


def test_same_files_and_overlapping_pieces_are_the_same_sound(tmp_path):
    for name, data in (("a", b"one"), ("copy", b"one"), ("b", b"two")):
        (tmp_path / f"{name}.wav").write_bytes(data)

    def piece(name, start=None, end=None, has_audio=True):
        return Utterance(tmp_path / f"{name}.wav", "", "neutral", "ann", start=start, end=end, has_audio=has_audio)

    dataset = Dataset(
        "d",
        (
            piece("a", 0, 2),
            piece("copy", 1.5, 3),
            piece("a", 3, 4),  # begins where the one above ends
            piece("b"),
            piece("b", 5, 6),  # a part of the whole file
            piece("gone", has_audio=False),
        ),
    )
    found = identify_audio(dataset)
    assert found[0] == found[1] != found[2] and found[3] == found[4] not in found[:3] and found[5] is None
    (report,) = measure_leakages(dataset, [split_of([0, 3, 5], [2], [1, 4])], audio=found)
    assert numbers(report, "audio", "train", "test") == (2, 2, 2)
    assert numbers(report, "audio", "train", "validation") == (0, 0, 0)
    assert report.unknown["audio"] == 1
    with pytest.raises(DataError, match="2 identities of sound for 6 utterances"):
        measure_leakages(dataset, [SPLIT], audio=found[:2])
    (tmp_path / "b.wav").unlink()
    with pytest.raises(DataError, match=r"b\.wav: can't be read \(No such file"):
        identify_audio(dataset)


def test_sound_can_be_compared_decoded(tmp_path):
    import soundfile

    dataset = read_iemocap(write_small_tree(tmp_path, sound="espeak"))
    wav = dataset.utterances[0].path
    samples, rate = soundfile.read(wav, dtype="int16")
    soundfile.write(tmp_path / "same.flac", samples, rate)
    same = Dataset("d", (dataset.utterances[0], Utterance(tmp_path / "same.flac", "", "neutral", "x")))
    assert len(set(identify_audio(same))) == 2
    assert len(set(identify_audio(same, identify=lambda path: load_audio(path).sha256))) == 1


def test_release_split_by_sessions_agrees_with_a_slow_count(tmp_path):
    dataset = read_iemocap(write_full_tree(tmp_path), audio=False)
    split = make_splits(dataset, SplitPlan(repetitions=1))[2]
    (report,) = measure_leakages(dataset, [split])
    assert numbers(report, "speakers", "train", "test") == numbers(report, "dialogues", "train", "test") == (0, 0, 0)
    assert report.find("speakers", "train", "validation").shared == 8  # the paper's random 10 % knows every training speaker
    texts = {part: [normalise_words(dataset.utterances[i].text) for i in split.part(part)] for part in PARTS}
    for first, second in PAIRS:
        shared = set(texts[first]) & set(texts[second])
        wanted = (len(shared), sum(t in shared for t in texts[first]), sum(t in shared for t in texts[second]))
        assert numbers(report, "sentences", first, second) == wanted and wanted[0] > 0


def test_sentences_are_compared_as_in_text_corpora_and_in_any_script():
    for text in ("Don’t, stop!", "It's  10 o'clock -- now", "...", "A_b"):
        assert normalise_words(text) == normalise_sentence(text)
    assert normalise_words("Lubię CZYTAĆ.") == normalise_words("lubie czytac") != normalise_words("lubi czyta")
    assert normalise_words("Да, нет!") == "да нет"


def test_an_empty_part_shares_nothing_and_nothing_is_made_of_it():
    split = split_of([0, 1, 2, 5], [], [3, 6])  # no validation; the test part's only dialogue is d3
    summary = summarise_leakage(measure_leakages(PLANTED, [split]))
    compared = {(row["kind"], row["first"], row["second"]): row["compared"] for row in summary}
    assert compared[("speakers", "train", "test")] == 1 and compared[("speakers", "validation", "test")] == 0
    assert compared[("audio", "train", "test")] == 0  # no sound was compared at all
    text = format_leakage({"summary": summary, "reports": [r.to_json() for r in measure_leakages(PLANTED, [split])]})
    assert "dialogues  train and test: none shared\n" in text
    assert "speakers   validation and test: nothing to compare, since it is known for no utterance of one of them" in text


def test_the_page_ticks_only_what_was_compared():
    row = {"kind": "speakers", "first": "train", "second": "test", "shared_most": 0, "shared_mean": 0.0, "share_most": 0.0}
    for compared, says in ((10, "✓ none"), (0, "nothing to compare")):
        assert says in write_leakage([{**row, "compared": compared}], runs=10)
    assert "✓ none" in write_leakage([row], runs=10)  # a report of before this was counted
