"""Figures against the numbers they were drawn from."""

import json
from dataclasses import replace

import numpy as np
import pytest
from planted_analysis import plant_analysis

from mmer.figures import draw_coattention, draw_layer_weights, draw_probabilities, draw_sum, draw_timeline, style


@pytest.fixture(scope="module")
def analysis():
    return plant_analysis()


def all_figures(analysis):
    return [
        draw_timeline(analysis),
        draw_sum(analysis),
        draw_probabilities(analysis),
        draw_layer_weights(analysis.predictions["late"]),
        draw_coattention(analysis),
    ]


def test_same_analysis_gives_same_figures(analysis):
    assert [f.to_json() for f in all_figures(analysis)] == [f.to_json() for f in all_figures(analysis)]


def test_every_visible_axis_has_a_unit_or_its_own_labels(analysis):
    for figure in all_figures(analysis):
        layout = json.loads(figure.to_json())["layout"]
        for name in (n for n in layout if n.startswith(("xaxis", "yaxis"))):
            ax = layout[name]
            assert ax.get("title", {}).get("text") or ax.get("ticktext") or ax.get("autorange") == "reversed", name


def tier_bars(figure):
    return [t for t in figure.data if t.type == "bar" and t.orientation == "h"]


def test_timeline_draws_each_tier_at_its_times(analysis):
    text, words, syllables, phones = tier_bars(draw_timeline(analysis))
    np.testing.assert_allclose(np.asarray(syllables.base, float), [s.start for s in analysis.alignment.syllables])
    np.testing.assert_allclose(np.add(np.asarray(phones.base, float), phones.x), [s.end for s in analysis.alignment.phones])
    assert list(words.text) == [w.text for w in analysis.transcript.words]
    assert len(text.text) == len(analysis.labels["T"])


def test_strongest_syllable_has_the_end_colour_of_its_sign(analysis):
    bars = tier_bars(draw_timeline(analysis, emotion="anger", centred=False))
    late = {b.unit: b.contributions[:, 0] for b in analysis.predictions["late"].branches}
    drawn = np.concatenate([late["T"], late["S"]])
    colours = [*bars[0].marker.color, *bars[2].marker.color]
    strongest = int(np.abs(drawn).argmax())
    assert colours[strongest] == style.DIVERGING[-1 if drawn[strongest] > 0 else 0][1]


def test_units_without_branch_are_drawn_without_colour(analysis):
    _, words, _, phones = tier_bars(draw_timeline(analysis))
    assert set(words.marker.color) == set(phones.marker.color) == {style.EMPTY}
    assert "no branch" in words.hovertext[0]


def test_frame_bars_keep_the_sum_of_the_frames(analysis):
    figure = draw_timeline(analysis, emotion="sadness", centred=False)
    frames = next(t for t in figure.data if t.yaxis == "y2")
    branch = next(b for b in analysis.predictions["late"].branches if b.unit == "F")
    assert np.sum(frames.y) == pytest.approx(branch.contributions[:, 2].sum())


def test_raw_waterfall_ends_at_the_models_logits(analysis):
    (bars,) = draw_sum(analysis, emotion="happiness", centred=False).data
    ends = dict(zip(["T", "F", "S", "bias", "late", "early", "combined", "temperature"], np.add(np.asarray(bars.base, float), bars.x)))
    for role in ("late", "early", "combined"):
        assert ends[role] == pytest.approx(analysis.predictions[role].logits[1])
    assert ends["bias"] == pytest.approx(ends["late"])  # the branches and biases arrive where the total stands
    assert ends["combined"] == pytest.approx((ends["late"] + ends["early"]) / 2)
    assert ends["temperature"] == pytest.approx(ends["combined"] / 1.3)


def test_centred_waterfalls_of_all_emotions_cancel_out(analysis):
    lengths = np.array([draw_sum(analysis, emotion=e).data[0].x for e in analysis.best.classes])
    np.testing.assert_allclose(lengths.sum(axis=0), 0, atol=1e-9)


def test_coattention_of_one_layer_and_head_is_that_matrix(analysis):
    maps = analysis.predictions["early"].coattention["P"]
    (there,) = draw_coattention(analysis, unit="P", layer=2, head=1).data
    (back,) = draw_coattention(analysis, unit="P", direction="speech_to_text", layer=0, head=3).data
    np.testing.assert_allclose(there.z, maps.text_to_speech[2, 1])
    np.testing.assert_allclose(back.z, maps.speech_to_text[0, 3].T)


def test_coattention_mean_keeps_rows_that_sum_to_one(analysis):
    (heat,) = draw_coattention(analysis, unit="F").data
    np.testing.assert_allclose(np.sum(heat.z, axis=1), 1)


def test_long_clips_share_cells_and_keep_the_sums(analysis):
    early = analysis.predictions["early"]
    draw = np.random.default_rng(0)
    there, back = draw.random((1, 1, 8, 1000)), draw.random((1, 1, 1000, 8))
    maps = replace(
        early.coattention["F"], text_to_speech=there / there.sum(-1, keepdims=True), speech_to_text=back / back.sum(-1, keepdims=True)
    )
    starts = np.arange(1000) * 0.02
    many = replace(analysis, predictions={"early": replace(early, coattention={"F": maps})}, starts={**analysis.starts, "F": starts})
    (heat,) = draw_coattention(many, unit="F").data
    assert np.shape(heat.z) == (8, 334)
    np.testing.assert_allclose(np.sum(heat.z, axis=1), 1)  # keys that share a cell are summed
    (heat,) = draw_coattention(many, unit="F", direction="speech_to_text").data
    np.testing.assert_allclose(np.sum(heat.z, axis=0), 1)  # queries that share a cell are averaged


def test_layer_weights_show_negative_ones_and_the_uniform_line(analysis):
    prediction = analysis.predictions["late"]
    figure = draw_layer_weights(prediction)
    for trace, weights in zip(figure.data, prediction.layer_weights.values()):
        np.testing.assert_allclose(trace.y, weights.normalised)
    assert [s.y0 for s in figure.layout.shapes] == [1 / 6, 1 / 4, 1 / 4]


def test_without_alignment_the_timeline_keeps_wave_and_frames(analysis):
    figure = draw_timeline(replace(analysis, alignment=None))
    assert not tier_bars(figure)
    assert {t.yaxis for t in figure.data} >= {"y2"}


def test_without_late_model_no_branch_is_invented(analysis):
    early = replace(analysis, predictions={"early": analysis.predictions["early"]})
    (bars,) = draw_sum(early).data
    assert len(bars.x) == 2  # early as one part, and its temperature
    assert all(set(b.marker.color) == {style.EMPTY} for b in tier_bars(draw_timeline(early)))


def test_markup_in_words_is_printed_not_rendered():
    hostile = plant_analysis(text="<b>he</b> <a\xa0href=x> &amp; an ill disposed young man")
    for figure in (draw_timeline(hostile), draw_coattention(hostile, unit="P")):
        text = figure.to_json()
        assert "\\u003cb\\u003e" not in text and "<b>he" not in text and "<a" not in text


def test_segment_text_stands_out_from_its_tile():
    def luminance(colour):
        channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    for fill in style.colour_values(np.linspace(-1, 1, 41), 1.0):
        one, other = sorted([luminance(fill), luminance(style.text_colour(fill))])
        assert (other + 0.05) / (one + 0.05) >= 4.5, fill
