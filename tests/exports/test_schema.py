"""The shipped JSON schema: what mmer writes fits it, what is broken by hand does not, and no field is forgotten."""

import copy
import functools
import json
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from sample_analysis import make_analysis

from mmer import results
from mmer.choices.fusion_models import FUSION_MODELS
from mmer.cli import main
from mmer.errors import DataError
from mmer.exports.analysis_json import analysis_from_json, analysis_to_json, dump_json
from mmer.exports.json_values import ADDED, DTYPES
from mmer.exports.schema import KINDS, read_schema
from mmer.interventions import Mute, Target, edit_to_json, intervene, intervention_to_json, leave_one_out, leave_one_out_to_json
from mmer.interventions.compare import comparison_to_json, drop_attention
from mmer.interventions.edits import KINDS as EDITS
from mmer.results import Parent

EXAMPLES = sorted(Path(__file__).parents[2].glob("assets/examples/*/analysis.json"))


@functools.cache
def build_validator(kind):
    return jsonschema.Draft202012Validator(read_schema(kind))  # whether the schema is valid itself, one test asks


def check(data, kind="analysis"):
    """Raises jsonschema.ValidationError; the text goes through JSON first, as a program would read it."""
    build_validator(kind).validate(json.loads(dump_json(data)))


def list_messages(error):
    """The error's message and those of what it is made of, where none of several forms fits."""
    return [error.message, *(message for inner in error.context for message in list_messages(inner))]


@pytest.fixture(scope="module")
def real(analyzer, librivox_clip):
    return analyzer.analyze(librivox_clip, text="he was not an ill disposed young man")


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_itself_is_valid_and_names_its_version(kind):
    schema = read_schema(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:mmer-{kind}:1" and schema["$ref"].removeprefix("#/$defs/") in schema["$defs"]


def test_every_reference_leads_somewhere_and_nothing_is_unused():
    text = json.dumps(read_schema())
    names = set(read_schema()["$defs"])
    used = {part.split('"')[0] for part in text.split("#/$defs/")[1:]}
    assert used <= names
    assert names - used == {f"mmer-{kind}" for kind in KINDS} - {"mmer-analysis"}


def test_the_schema_names_the_choices_that_there_are():
    assert read_schema()["$defs"]["fusion"]["enum"] == [*FUSION_MODELS, "combination"]


def test_an_unknown_kind_is_refused():
    with pytest.raises(DataError, match="no format 'x'; choose one of: analysis"):
        read_schema("x")


def test_real_analyses_fit(real, analyzer, librivox_clip):
    check(analysis_to_json(real))
    check(analysis_to_json(real, include_samples=True))
    check(analysis_to_json(drop_attention(real)))
    check(analysis_to_json(analyzer.analyze(librivox_clip, text="", aligner="none", head="late-fs")))
    check(analysis_to_json(analyzer.analyze(librivox_clip, text="young man", aligner="none")))


@pytest.mark.parametrize("options", [{}, {"words": False}, {"frames": 6000}], ids=str)
def test_planted_analyses_fit(options):
    check(analysis_to_json(make_analysis(**options)))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_stored_examples_fit_and_are_read(path):
    data = json.loads(path.read_text(encoding="utf-8"))
    check(data)
    analysis_from_json(data)


def test_there_are_examples():
    assert len(EXAMPLES) >= 4


def test_interventions_curves_and_comparisons_fit(real, analyzer):
    changed = intervene(analyzer, real, [Mute(Target("word", 2), "both", "noise"), Mute(Target("span", start=0.2, end=0.4))])
    check(intervention_to_json(changed), "intervention")
    check(analysis_to_json(changed.changed))
    check(comparison_to_json(real, changed.changed), "comparison")
    for medium in ("sound", "text"):
        curve = leave_one_out(analyzer, real, medium=medium, baselines=("silence",))
        check(leave_one_out_to_json(curve), "leave-one-out")


def test_every_kind_of_edit_fits():
    made = {
        "pitch": {"semitones": 3.0}, "tempo": {"factor": 0.5}, "loudness": {"decibels": -6.0}, "swap voice": {"sha256": "0" * 64},
        "swap words": {"text": "a"}, "correct words": {"text": "b"},
    }  # fmt: skip
    analysis = make_analysis()
    for kind, edit in EDITS.items():
        target = {} if kind in ("swap voice", "swap words", "correct words") else {"target": Target("syllable", 1)}
        parent = Parent("0" * 64, "a.wav", (edit_to_json(edit(**target, **made.get(kind, {}))),))
        check(analysis_to_json(replace(analysis, parent=parent)))


def place(data, path):
    """The container of a key, and the key."""
    *way, last = path
    for key in way:
        data = data[key]
    return data, last


BROKEN = {
    "another format": (["format"], "mmer"),
    "another version": (["version"], 2),
    "a clip that is none": (["clip"], "a.wav"),
    "a short sha": (["clip", "sha256"], "abc"),
    "a negative duration": (["clip", "duration"], -1),
    "an empty outline": (["clip", "envelope", "minimum"], []),
    "text that is none": (["transcript", "text"], None),
    "a word before the first": (["transcript", "words", 0, "start_char"], -1),
    "a probability above 1": (["transcript", "words", 0, "probability"], 1.5),
    "a segment without an end": (["alignment", "phones", 0, "end"], None),
    "a segment of no word": (["alignment", "words", 0, "word"], -2),
    "an unknown unit": (["labels", "X"], ["a"]),
    "times as text": (["starts", "F"], ["0.0"]),
    "an unknown role": (["predictions", "middle"], {}),
    "an unknown verdict": (["predictions", "late", "verdict"], "perhaps"),
    "a probability below 0": (["predictions", "late", "probabilities", 0], -0.1),
    "no temperature": (["predictions", "late", "temperature"], 0),
    "a flat contribution": (["predictions", "late", "branches", 0, "contributions"], [1.0, 2.0]),
    "a flat attention map": (["predictions", "early", "coattention", "F", "text_to_speech"], [[0.5]]),
    "an array of an unknown type": (["starts", "F"], {"dtype": ">f4", "shape": [1], "base64": "AAAAAA=="}),
    "an array of too many axes": (["starts", "F"], {"dtype": "<f4", "shape": [1, 1], "base64": "AAAAAA=="}),
    "an array that is no base64": (["starts", "F"], {"dtype": "<f4", "shape": [1], "base64": "%"}),
    "a notice of another level": (["notices", 0, "level"], "fatal"),
    "a best that is no role": (["best"], "T"),
    "a word's part that is none": (["word_contributions", "words", 0, "parts", "T"], "0.1"),
    "a rest of another name": (["word_contributions", "rest", "F", "name"], "silence"),
    "an empty reason": (["unavailable", "P"], ""),
    "a parent without edits": (["parent"], {"sha256": "0" * 64, "name": "a"}),
    "an unknown edit": (["parent"], {"sha256": "0" * 64, "name": "a", "edits": [{"kind": "melt"}]}),
    "an edit without a target": (["parent"], {"sha256": "0" * 64, "name": "a", "edits": [{"kind": "tempo", "factor": 2}]}),
}


@pytest.fixture(scope="module")
def planted():
    return json.loads(dump_json(analysis_to_json(make_analysis())))


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_broken_does_not_fit(planted, kind):
    path, value = BROKEN[kind]
    data = copy.deepcopy(planted)
    container, key = place(data, path)
    container[key] = value
    with pytest.raises(jsonschema.ValidationError) as error:
        check(data)
    shown = list(error.value.absolute_path)
    assert shown[: len(path)] == path[: len(shown)]


REQUIRED = {
    (): results.Analysis, ("clip",): results.Clip, ("transcript",): results.Transcript, ("transcript", "words", 0): results.Word,
    ("alignment",): results.Alignment, ("alignment", "phones", 0): results.Segment, ("predictions", "late"): results.Prediction,
    ("predictions", "late", "branches", 0): results.BranchPrediction, ("predictions", "late", "layer_weights", "F"): results.LayerWeights,
    ("predictions", "early", "coattention", "F"): results.CoattentionWeights, ("heads", 0): results.HeadInfo,
    ("notices", 0): results.Notice,
}  # fmt: skip


@pytest.mark.parametrize("path", REQUIRED, ids=lambda path: ".".join(map(str, path)) or "analysis")
def test_every_field_of_the_results_is_required(planted, path):
    """The schema was written by hand: a field that it forgets could be left out unnoticed."""
    names = {f.name for f in fields(REQUIRED[path])} - ADDED - {"samples", "outline"}
    names = {"mmer_version" if name == "version" else name for name in names}
    for name in names:
        data = copy.deepcopy(planted)
        container, key = place(data, [*path, name])
        del container[key]
        with pytest.raises(jsonschema.ValidationError) as error:
            check(data)
        assert f"'{name}' is a required property" in list_messages(error.value)


DEFINITIONS = {  # of the schema, by the dataclass that is written so
    results.Notice: "notice",
    results.Clip: "clip",
    results.Word: "word",
    results.Transcript: "transcript",
    results.Segment: "segment",
    results.Alignment: "alignment",
    results.LayerWeights: "layer_weights",
    results.BranchPrediction: "branch",
    results.CoattentionWeights: "coattention",
    results.Prediction: "prediction",
    results.Parent: "parent",
    results.Analysis: "mmer-analysis",
}


@pytest.mark.parametrize(("kind", "name"), DEFINITIONS.items(), ids=DEFINITIONS.values())
def test_the_schema_describes_every_field_that_is_written(kind, name):
    """Fields that old files lack can't be required, so that a file without them fits; they must be described all the same."""
    written = {"mmer_version" if f.name == "version" and kind is results.Analysis else f.name for f in fields(kind)} - {
        "samples",
        "outline",
    }
    assert written - set(read_schema()["$defs"][name]["properties"]) == set()


def test_files_of_the_first_releases_fit(planted):
    check({key: value for key, value in planted.items() if key not in ("parent", "word_contributions")})


def test_keys_that_come_later_do_no_harm(planted):
    check({**planted, "new": 1, "clip": {**planted["clip"], "new": 2}})


def test_array_types_are_those_that_are_written():
    assert read_schema()["$defs"]["packed"]["properties"]["dtype"]["enum"] == list(DTYPES)
    assert np.dtype("<f2").str in DTYPES


def test_the_schema_is_printed(capsys):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == read_schema()
    assert main(["schema", "intervention"]) == 0
    assert json.loads(capsys.readouterr().out)["$ref"] == "#/$defs/mmer-intervention"


def test_the_schema_needs_no_models():
    code = (
        "import sys, mmer.exports.schema; mmer.exports.schema.read_schema(); print({'torch', 'transformers', 'gradio'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"
