"""Clips that a head was trained on: found by their samples, covered by the head's integrity check, said, and left out of scores."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from sample_analysis import make_analysis
from test_heads import make_config, save_small

from mmer.batch.items import BatchItem
from mmer.batch.rows import name_speaker
from mmer.batch.scores import score_rows
from mmer.commands.batch import summarise_batch
from mmer.errors import HeadError
from mmer.explain.verdict import describe_verdict, say_briefly
from mmer.exports.summary import summarise
from mmer.heads.clip_list import FILE, dump_clip_list, make_clip_list, parse_clip_list, shorten
from mmer.heads.config_file import hash_config, list_heads, read_config
from mmer.heads.folder import load_head, save_head
from mmer.heads.head import Head, build_model
from mmer.pipeline import Analyzer
from mmer.results import Parent
from mmer.ui.batch import write_rows
from mmer.ui.explore.cards import write_verdict

SHIPPED = Path(__file__).parents[2] / "pretrained"
NAMES = [hashlib.sha256(f"clip {i}".encode()).hexdigest() for i in range(300)]


def plant():
    return make_clip_list(NAMES[:200], NAMES[200:250], ["ravdess/actor01", "ravdess/actor02"])


def test_each_listed_clip_is_found_in_its_part_and_no_other_is():
    clips = parse_clip_list(dump_clip_list(plant()), "x")
    assert [clips.find(name) for name in NAMES] == ["training"] * 200 + ["validation"] * 50 + [""] * 50
    assert clips.find(NAMES[0][:16] + "0" * 48) == "training"  # 8 bytes are what is kept
    assert clips.knows_speaker("ravdess/actor01") and not clips.knows_speaker("actor01") and not clips.knows_speaker("")
    assert len(dump_clip_list(plant())) < 8 * 252 + 400
    empty = parse_clip_list(dump_clip_list(make_clip_list([], [], [])), "x")
    assert empty.find(NAMES[0]) == "" and not empty.knows_speaker("a")


def test_neither_names_nor_whole_hashes_stand_in_the_file():
    data = dump_clip_list(plant())
    assert b"actor01" not in data and bytes.fromhex(NAMES[0]) not in data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no safetensors",
        safetensors.numpy.save({"training": np.zeros(3, np.uint64)}),
        safetensors.numpy.save({name: np.zeros(3) for name in ("training", "validation", "speakers")}),
        safetensors.numpy.save({name: np.array([2, 1], np.uint64) for name in ("training", "validation", "speakers")}),
        safetensors.numpy.save({name: np.zeros((2, 2), np.uint64) for name in ("training", "validation", "speakers")}),
    ],
)
def test_what_is_no_list_is_refused(data):
    with pytest.raises(HeadError, match="here"):
        parse_clip_list(data, "here")


def save_listed(root):
    config = make_config()
    save_head(root / "late-fs", config, build_model(config), clips=plant())
    return root / "late-fs"


def test_the_list_is_saved_with_the_head_and_checked(tmp_path):
    place = save_listed(tmp_path)
    assert load_head(place).clips.find(NAMES[0]) == "training" and list(read_config(place).clips) == [FILE]
    (place / FILE).write_bytes(dump_clip_list(make_clip_list([], [], [])))
    with pytest.raises(HeadError, match="was altered"):
        load_head(place)
    (place / FILE).unlink()
    with pytest.raises(HeadError, match="is missing"):
        load_head(place)
    config = json.loads((place / "config.json").read_text("utf-8"))
    (place / "config.json").write_text(json.dumps(config | {"clips": {"../x": "0"}}), "utf-8")
    with pytest.raises(HeadError, match=FILE):
        load_head(place)


def test_a_head_saved_without_its_list_leaves_none_behind(tmp_path):
    place = save_listed(tmp_path)
    save_small(tmp_path)
    assert not (place / FILE).exists() and load_head(place).clips is None


def test_heads_of_the_first_releases_keep_their_identity():
    config = make_config()
    assert config.clips == {} and config.measured_clips is None
    assert hash_config(config) != hash_config(replace(config, measured_clips=5)) != hash_config(replace(config, clips={FILE: "0"}))
    stored = {name: value for name, value in vars(config).items() if name not in ("measured_clips", "clips", "speech_dim")}
    plain = json.dumps(stored, sort_keys=True, separators=(",", ":"), default=dict)
    assert hash_config(config) == hashlib.sha256(plain.encode()).hexdigest()


@pytest.mark.parametrize("name", [name for name, config in list_heads(SHIPPED).items() if not config.members])
def test_the_heads_that_ship_list_all_their_clips(name):
    head = load_head(SHIPPED / name)
    speech = [head.config.training["data"][corpus] for corpus in ("ravdess", "nemo")]
    counts = [sum(row[part] for row in speech) for part in (0, 1)]
    assert [len(head.clips.training), len(head.clips.validation)] == [counts[0] - 1, counts[1]]  # two of RAVDESS's are equal
    for speaker in ("ravdess/actor01", "ravdess/actor16", "nemo/EB0"):
        assert head.clips.knows_speaker(speaker)
    for speaker in (*head.config.training["validation speakers"], *head.config.training["test speakers"]):
        assert not head.clips.knows_speaker(speaker)
    assert head.config.measured_clips == len(head.clips.validation) and head.config.margin > 0


def test_a_clip_of_the_training_data_is_told_wherever_its_verdict_is(analyzer, librivox_clip, random_heads):
    heads = dict(random_heads)
    late = heads["late-fs"]
    clips = make_clip_list([librivox_clip.sha256], [], ["own/reader"])
    heads["late-fs"] = Head(
        late.config, late.model, normalisation=late.normalisation, novelty=late.novelty, clips=clips, sha256=late.sha256
    )
    options = {"recogniser": analyzer.recogniser, "speech": analyzer.speech, "text": analyzer.text, "aligners": {}}
    own = Analyzer(preset="compact", heads=heads, **options)
    analysis = own.analyze(librivox_clip, text="and mister john dashwood", head="late-fs", aligner="none")
    assert analysis.seen == {"late-fs": "training"}
    for shown in (describe_verdict(analysis), summarise(analysis), write_verdict(analysis, None)):
        assert "This clip was in its training data" in shown
    assert own.knows_speaker(analysis, "own/reader") and not own.knows_speaker(analysis, "own/another")
    other = own.analyze(replace(librivox_clip, sha256="0" * 64), text="", head="late-fs", aligner="none")
    assert other.seen == {} and "training data" not in describe_verdict(other)


def test_a_sure_verdict_about_a_training_clip_is_not_praised():
    analysis = make_analysis()
    best = replace(analysis.best, probabilities=np.array([0.9, 0.05, 0.03, 0.02]))
    sure = replace(analysis, predictions=analysis.predictions | {best.role: best})
    assert "Sure" in describe_verdict(sure)
    seen = replace(sure, seen={"late-fs": "training"})
    assert "Sure" not in describe_verdict(seen) and say_briefly(seen) == "anger 90 %, in its training data"
    changed = replace(seen, parent=Parent(NAMES[0], "a", ()))
    assert "the one it was made from, was in its training data" in describe_verdict(changed)
    assert "in its validation data" in describe_verdict(replace(sure, seen={"late-fs": "validation"}))


def test_scores_leave_out_clips_of_the_training_data_and_say_which():
    row = {"label": "anger", "verdict": "anger", "late": "anger", "state": "sure", "error": ""}
    rows = [row | {"path": f"{i}.wav", "in_training": part} for i, part in enumerate(["training", "validation", "speaker", ""])]
    rows.append(row | {"path": "wrong.wav", "late": "sadness", "in_training": ""})
    (score,) = score_rows(rows)
    assert (score.clips, round(score.wa, 3)) == (3, 0.667)
    text = summarise_batch(rows, (score,), Path("t.csv"))
    assert "left out of everything above: 2 (0.wav, 1.wav)" in text and "other clips of speakers it was trained on" in text
    assert "verdicts: anger 3\n" in text and "how sure: sure 3\n" in text, "those of the training data know the answer"
    assert "no match proves nothing" in text
    shares = {f"late_p_{e}": "0.25" for e in ("anger", "happiness", "sadness", "neutral")}
    page = write_rows([rows[0] | shares, rows[2] | shares, rows[3] | shares])
    assert page.count("in its training data") == 1 and page.count("another clip of a speaker it was trained on") == 1


def test_the_list_of_a_batch_names_speakers_with_their_corpus():
    def item(**extra):
        return BatchItem("a", Path("a"), extra=extra)

    assert name_speaker(item(speaker="ravdess/actor01")) == "ravdess/actor01"
    assert name_speaker(item(speaker="actor01", corpus="ravdess")) == "ravdess/actor01"
    assert name_speaker(item()) == ""


def test_short_hashes_are_eight_bytes():
    assert shorten("ff" * 32) == 2**64 - 1 and shorten("00" * 7 + "01" + "ff" * 24) == 1
