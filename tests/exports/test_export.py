"""Export: an analysis survives JSON with every field, and a bad file says what is wrong with it."""

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from sample_analysis import make_analysis

from mmer.errors import DataError
from mmer.exports.analysis_json import analysis_from_json, analysis_to_json, dump_json, read_analysis
from mmer.exports.json_values import LIST_LIMIT
from mmer.files.output import write_file
from mmer.results import CoattentionWeights

DOCUMENT = Path(__file__).parents[2] / "docs" / "analysis-json.md"


def written(analysis, **options):
    return json.loads(dump_json(analysis_to_json(analysis, **options)))


def assert_same(one, two, where="analysis"):
    """Every field of every object is equal; arrays in shape and value."""
    if is_dataclass(one):
        assert type(one) is type(two), where
        for f in fields(one):
            assert_same(getattr(one, f.name), getattr(two, f.name), f"{where}.{f.name}")
    elif isinstance(one, Mapping):
        assert list(one) == list(two), where
        for key in one:
            assert_same(one[key], two[key], f"{where}.{key}")
    elif isinstance(one, tuple):
        assert isinstance(two, tuple) and len(one) == len(two), where
        for i, (a, b) in enumerate(zip(one, two)):
            assert_same(a, b, f"{where}[{i}]")
    elif isinstance(one, np.ndarray):
        assert one.shape == two.shape and one.dtype.kind == two.dtype.kind, where
        np.testing.assert_array_equal(one, two, err_msg=where)
    else:
        assert one == two, where


def test_every_field_survives_the_round_trip():
    analysis = make_analysis()
    assert_same(analysis, analysis_from_json(written(analysis), clip_samples=analysis.clip.samples))


def test_analysis_without_words_survives():
    analysis = make_analysis(words=False)
    back = analysis_from_json(written(analysis), clip_samples=analysis.clip.samples)
    assert_same(analysis, back)
    assert back.alignment is None and back.token_offsets.shape == (0, 2)


def test_the_words_contributions_are_written_and_add_up():
    analysis = make_analysis()
    stored = analysis_to_json(analysis)["word_contributions"]
    assert [word["text"] for word in stored["words"]] == [word.text for word in analysis.transcript.words] and stored["role"] == "late"
    total = np.array(stored["biases"]) + sum(np.array(rest["value"]) for rest in stored["rest"].values())
    for word in stored["words"]:
        np.testing.assert_allclose(word["contribution"], np.sum(list(word["parts"].values()), axis=0))
        total += word["contribution"]
    np.testing.assert_allclose(total, analysis.predictions["late"].logits, atol=1e-6)
    assert analysis_to_json(replace(analysis, predictions={"early": analysis.predictions["early"]}))["word_contributions"] is None


def test_samples_come_back_within_half_a_step_of_16_bits():
    analysis = make_analysis()
    back = analysis_from_json(written(analysis, include_samples=True))
    assert not back.clip.outline
    assert np.abs(back.clip.samples - analysis.clip.samples).max() <= 0.51 / 32767
    again = analysis_from_json(written(back, include_samples=True))
    np.testing.assert_array_equal(again.clip.samples, back.clip.samples)


def test_without_samples_the_outline_keeps_length_and_peaks():
    analysis = make_analysis()
    back = analysis_from_json(written(analysis))
    assert back.clip.outline and back.clip.duration == analysis.clip.duration
    width = len(analysis.clip.samples) // 500
    for part in range(500):
        true = analysis.clip.samples[part * width : (part + 1) * width]
        drawn = back.clip.samples[part * width : (part + 1) * width]
        assert drawn.max() >= true.max() - 1e-4 and drawn.min() <= true.min() + 1e-4
    assert "samples" not in written(back, include_samples=True)["clip"], "an outline is not sound"


def test_contributions_still_sum_to_the_logits():
    late = analysis_from_json(written(make_analysis(frames=6000))).predictions["late"]
    for branch in late.branches:
        np.testing.assert_allclose(branch.bias + branch.contributions.sum(0), branch.logits, atol=1e-5)
    np.testing.assert_allclose(sum(b.logits for b in late.branches), late.logits, atol=1e-5)


def test_large_arrays_are_base64_and_attention_is_half_precision():
    analysis = make_analysis(frames=6000)
    data = written(analysis)
    contributions = data["predictions"]["late"]["branches"][1]["contributions"]
    assert contributions["shape"] == [6000, 4] and contributions["dtype"] == "<f8"
    attention = data["predictions"]["early"]["coattention"]["F"]["text_to_speech"]
    assert attention["dtype"] == "<f2" and np.prod(attention["shape"]) > LIST_LIMIT
    before = analysis.predictions["early"].coattention["F"].text_to_speech
    after = analysis_from_json(data).predictions["early"].coattention["F"].text_to_speech
    np.testing.assert_allclose(after, before, atol=1e-3)


def test_numbers_are_plain_and_nan_is_null():
    analysis = make_analysis()
    late = analysis.predictions["late"]
    analysis = replace(
        analysis,
        predictions=dict(analysis.predictions) | {"late": replace(late, novelty=np.float32("nan"), margin=np.float64(0.25))},
        starts=dict(analysis.starts) | {"F": np.full(len(analysis.labels["F"]), np.nan)},
    )
    data = written(analysis)
    assert data["predictions"]["late"]["novelty"] is None and data["predictions"]["late"]["margin"] == 0.25
    assert set(data["starts"]["F"]) == {None}
    assert np.isnan(analysis_from_json(data).starts["F"]).all()


def test_label_and_verdict_are_written_for_readers_without_mmer():
    analysis = make_analysis()
    data = written(analysis)
    for role, prediction in analysis.predictions.items():
        assert data["predictions"][role]["label"] == prediction.label
        assert data["predictions"][role]["verdict"] == prediction.verdict
    assert data["best"] == "combined"


def broken(change):
    data = copy.deepcopy(written(make_analysis()))
    change(data)
    return data


def pop(*path):
    def change(data):
        for key in path[:-1]:
            data = data[key]
        del data[path[-1]]

    return change


def put(value, *path):
    def change(data):
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("other", "format"), "Not an analysis.*'other'"),
        (put(2, "version"), '"version" is 2; this mmer reads version 1'),
        (pop("transcript"), "'transcript' is missing"),
        (pop("clip", "name"), "'name' is missing in clip"),
        (put(7, "transcript", "text"), r"transcript\.text: expected str, found 7"),
        (put("loud", "predictions", "late", "temperature"), r'predictions\.late\.temperature: expected a number, found "loud"'),
        (put(True, "predictions", "late", "temperature"), "temperature: expected a number, found true"),
        (put(["a", "b"], "predictions", "late", "logits"), r"predictions\.late\.logits: expected a list of numbers"),
        (put([[1], [1, 2]], "predictions", "late", "logits"), r"predictions\.late\.logits: expected lists of numbers of equal length"),
        (put([1.0, 2.0], "predictions", "late", "logits"), r"predictions\.late: expected 4 logits"),
        (put({"dtype": "<f4", "shape": [9], "base64": "AAAA"}, "starts", "F"), r"starts\.F: the base64 array does not hold \[9\]"),
        (put({"dtype": "O", "shape": [9], "base64": ""}, "starts", "F"), r"starts\.F: expected a dtype of"),
        (put([0.0], "starts", "F"), r"labels\.F: expected \d+ entries in starts\.F"),
        (put([[0.0] * 4], "predictions", "late", "branches", 0, "contributions"), r"branches\.T: expected contributions of shape"),
        (put(0.0, "alignment", "words", 0, "end"), "alignment: words: .* does not follow"),
        (put("x", "clip", "sample_count"), r"clip\.sample_count: expected int"),
        (put({}, "clip", "envelope"), r"'minimum' is missing in clip\.envelope"),
    ],
)
def test_bad_data_says_what_is_wrong(change, message):
    with pytest.raises(DataError, match=message):
        analysis_from_json(broken(change))


def test_samples_of_another_clip_are_refused():
    analysis = make_analysis()
    with pytest.raises(DataError, match="samples"):
        analysis_from_json(written(analysis), clip_samples=analysis.clip.samples[:-5])


def test_bad_files_are_named(tmp_path):
    path = tmp_path / "result.json"
    with pytest.raises(DataError, match=r"Can't read .*result\.json: No such file"):
        read_analysis(path)
    path.write_text("{")
    with pytest.raises(DataError, match=r"result\.json is not a JSON file"):
        read_analysis(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"result\.json is not a JSON file"):
        read_analysis(path)
    path.write_text("[]")
    with pytest.raises(DataError, match=r"result\.json: Not an analysis"):
        read_analysis(path)


def test_files_are_written_whole_or_not_at_all(tmp_path):
    path = write_file(tmp_path / "one.txt", "ä")
    assert path.read_bytes() == "ä".encode()
    with pytest.raises(DataError, match=r"Can't write .*none.*one\.txt: No such file or directory"):
        write_file(tmp_path / "none" / "one.txt", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=r"folder"):
        write_file(tmp_path / "folder", b"x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "one.txt"]


def keys_of(data, *, inside=""):
    """Every key with a fixed name; the keys of mappings by unit, role or stage are data."""
    by_data = {"labels", "starts", "ends", "words", "predictions", "unavailable", "encoders", "timings", "layer_weights", "coattention"}
    by_data |= {"parts", "segments", "straddling", "rest"}
    if isinstance(data, list):
        return {key for item in data for key in keys_of(item)}
    if not isinstance(data, dict):
        return set()
    names = set() if inside in by_data else set(data)
    return names | {key for name, value in data.items() if name != "edits" for key in keys_of(value, inside=name)}  # docs/interventions.md


def test_every_key_is_documented():
    documented = set(re.findall(r"^\| `([a-z0-9_]+)`", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE))
    keys = keys_of(written(make_analysis(frames=6000), include_samples=True))
    assert keys - documented == set()
    assert documented - keys == set(), "documented but never written"


def test_documented_attention_axes_are_the_ones_written():
    assert [f.name for f in fields(CoattentionWeights)] == ["unit", "text_to_speech", "speech_to_text", "segments_per_cell"]
    analysis = make_analysis()
    maps = analysis.predictions["early"].coattention["F"]
    layers, heads, tokens, segments = maps.text_to_speech.shape
    assert (tokens, segments) == (len(analysis.labels["T"]), len(analysis.labels["F"]))
    assert maps.speech_to_text.shape == (layers, heads, segments, tokens)
