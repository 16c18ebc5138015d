"""The payload says what the analysis says."""

import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from planted_analysis import plant_analysis, plant_spread

from mmer.results import CoattentionWeights
from mmer.views import build_payload, dump_payload, read_script, render_views
from mmer.views.payload import describe_scale, thin_maps

HOSTILE = '</script><img src=x onerror="window.broken=1">&\u2028'


@pytest.fixture(scope="module")
def analysis():
    return plant_analysis()


@pytest.fixture(scope="module")
def payload(analysis):
    return json.loads(dump_payload(build_payload(analysis)))


def unpack(packed):
    return np.frombuffer(base64.b64decode(packed["base64"]), dtype="<" + packed["type"]).reshape(packed["shape"])


def test_layer_weights_that_learned_faster_say_so_and_others_nothing(analysis):
    late = analysis.predictions["late"]
    for rate, said in ((20.0, "20 times as fast"), (0.5, "at 0.5 times the rate"), (1.0, ""), (None, "")):
        weights = {unit: replace(w, rate=rate) for unit, w in late.layer_weights.items()}
        known = replace(analysis, predictions={**analysis.predictions, "late": replace(late, layer_weights=weights)})
        note = build_payload(known)["predictions"]["late"]["layers"]["F"]["note"]
        assert (said in note) if said else note == ""


def test_a_caveat_that_several_heads_share_is_said_once(analysis):
    first, second = (replace(analysis.heads[0], name=name, title=name.title(), caveat="Acted.") for name in ("late", "early"))
    for heads, said in (
        ((first, second), ["Acted."]),
        ((first, replace(second, caveat="Read.")), ["Late: Acted.", "Early: Read."]),
        ((first, second, replace(second, name="third", caveat="")), ["Late and Early: Acted."]),
        ((replace(first, caveat=""), replace(second, caveat="")), []),
    ):
        assert build_payload(replace(analysis, heads=heads))["captions"]["caveats"] == said


def test_early_fusion_is_explained_below_sums_that_have_it_beside_other_parts(analysis):
    for roles in (("early", "late", "combined"), ("late",), ("early",)):
        some = replace(analysis, predictions={role: analysis.predictions[role] for role in roles})
        assert ("Early fusion" in describe_scale(some)) == (len(roles) == 3)


def test_contributions_biases_and_logits_are_the_model_s(analysis, payload):
    for role, prediction in analysis.predictions.items():
        stored = payload["predictions"][role]
        np.testing.assert_allclose(stored["logits"], prediction.logits)
        np.testing.assert_allclose(stored["probabilities"], prediction.probabilities)
        for one, branch in zip(stored["branches"] or (), prediction.branches or ()):
            np.testing.assert_allclose(unpack(one["contributions"]), branch.contributions, atol=1e-6)
            np.testing.assert_allclose(one["bias"], branch.bias)


def test_maps_are_the_model_s_in_half_precision(analysis, payload):
    for unit, maps in analysis.predictions["early"].coattention.items():
        stored = payload["predictions"]["early"]["coattention"][unit]
        np.testing.assert_allclose(unpack(stored["text_to_speech"]), maps.text_to_speech, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(unpack(stored["speech_to_text"]), maps.speech_to_text, rtol=1e-3, atol=1e-6)
        assert stored["segments_per_cell"] == 1


def test_long_maps_are_thinned_and_keep_their_sums():
    draw = np.random.default_rng(0)
    there, back = draw.random((2, 2, 5, 1001)), draw.random((2, 2, 1001, 5))
    maps = CoattentionWeights("F", there / there.sum(-1, keepdims=True), back / back.sum(-1, keepdims=True), segments_per_cell=2)
    text_to_speech, speech_to_text, size = thin_maps(maps, most=10_000)
    assert text_to_speech.shape == (2, 2, 5, 201) and size == 10
    np.testing.assert_allclose(text_to_speech.sum(axis=-1), 1)  # keys that share a cell are summed
    np.testing.assert_allclose(speech_to_text.sum(axis=-1), 1)  # queries that share a cell are averaged
    np.testing.assert_allclose(speech_to_text[0, 0, -1], maps.speech_to_text[0, 0, -1])


def test_sound_is_the_clip(analysis, payload):
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(payload["clip"]["sound"])), dtype="float32")
    assert rate == 16000
    np.testing.assert_allclose(samples, analysis.clip.samples, atol=1.01 / 32768)


def test_an_outline_has_no_sound_pitch_or_spectrogram(analysis):
    payload = build_payload(replace(analysis, clip=replace(analysis.clip, outline=True)))
    assert payload["clip"]["sound"] is None and payload["acoustics"]["pitch"] is None and payload["acoustics"]["spectrogram"] is None
    assert payload["acoustics"]["wave"]["low"]["shape"]


def test_tiers_without_a_branch_are_there_with_times(analysis):
    labels = {unit: names for unit, names in analysis.labels.items() if unit != "W"}
    words = build_payload(replace(analysis, labels=labels))["units"]["W"]
    assert words["labels"] == [s.label for s in analysis.alignment.words]
    np.testing.assert_allclose(words["starts"], [s.start for s in analysis.alignment.words], atol=1e-6)


def test_flips_are_those_of_the_sum(analysis, payload):
    late = analysis.predictions["late"]
    for branch in late.branches:
        without = late.classes[int(np.argmax(late.logits - branch.logits))]
        stored = {flip["part"]: flip["label"] for flip in payload["predictions"]["late"]["flips"]}
        assert stored.get(branch.unit, late.label) == without


def test_spread_over_runs_is_lowest_mean_and_highest(analysis):
    known = plant_spread(analysis, "F", np.array([[0.1, 0.2, 0.3, 0.4], [0.3, 0.2, 0.1, 0.4]]))
    layers = build_payload(known)["predictions"]["late"]["layers"]
    assert layers["F"]["spread"]["runs"] == 2 and layers["T"]["spread"] is None
    np.testing.assert_allclose(layers["F"]["spread"]["low"], [0.1, 0.2, 0.1, 0.4])
    np.testing.assert_allclose(layers["F"]["spread"]["mean"], [0.2, 0.2, 0.2, 0.4])


def test_words_of_a_visitor_open_no_tag(analysis):
    hostile = replace(analysis, transcript=replace(analysis.transcript, text=HOSTILE), clip=replace(analysis.clip, name=HOSTILE))
    page = render_views(build_payload(hostile))
    assert HOSTILE not in page and "<img" not in page and page.count("</script>") == 3
    text = dump_payload(build_payload(hostile))
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text)["text"] == HOSTILE


def test_the_script_asks_nobody_for_anything():
    script = read_script().replace('xmlns="http://www.w3.org/2000/svg"', "")  # a name, not an address
    for word in ("fetch(", "XMLHttpRequest", "import(", "http://", "https://", "innerHTML", "eval("):
        assert word not in script, word


def test_thirty_seconds_stay_below_a_few_megabytes(analysis):
    draw = np.random.default_rng(0)
    maps = CoattentionWeights("F", draw.random((3, 4, 90, 1500), dtype=np.float32), draw.random((3, 4, 1500, 90), dtype=np.float32))
    early = replace(analysis.predictions["early"], coattention={"F": maps})
    clip = replace(analysis.clip, samples=np.resize(analysis.clip.samples, 30 * 16000))
    long = replace(analysis, clip=clip, predictions={**analysis.predictions, "early": early})
    assert len(dump_payload(build_payload(long))) < 8 * 2**20
