"""Figures of an experiment's runs against the numbers they were drawn from, and drawn by a real browser."""

import json

import numpy as np
import pytest
from plotly.offline import get_plotlyjs

from mmer.choices.emotions import EMOTIONS
from mmer.figures import learning_curves, style
from mmer.figures import runs as figures


def plant_metrics(lengths, *, folds=2):
    """Run n (fold n % folds) has lengths[n] epochs; its lowest validation loss is in the middle."""
    rng = np.random.default_rng(0)
    rows = []
    for n, length in enumerate(lengths):
        for epoch in range(1, length + 1):
            loss = 0.5 + 0.1 * abs(epoch - (length + 1) // 2) + 0.001 * rng.random()
            row = {"loss": 1 / epoch, "validation_loss": loss, "validation_ua": 0.4 + 0.02 * epoch, "seconds": 1.0}
            rows.append({"fold": n % folds, "repetition": n // folds, "epoch": epoch} | row)
    return rows


def plant_summary(ua, *, speakers=4):
    def group(value, shift):
        interval = {"low": ua + shift - 0.04, "high": ua + shift + 0.03, "level": 0.95, "resamples": 2000, "of": "utterances"}
        row = {"value": value, "utterances": 50, "speakers": 1, "repetitions": 2, "ua": ua + shift, "wa": ua, "macro_f1": ua}
        return row | {"ua_over_repetitions_sd": 0.01, "interval": interval}

    rows = np.full((4, 4), (1 - ua) / 3) + (ua - (1 - ua) / 3) * np.eye(4)
    return {
        **{"runs": 4, "utterances": 100, "speakers": speakers, "ua": ua + 0.01, "wa": ua, "macro_f1": ua, "pooled_ua": ua},
        "interval": {"low": ua - 0.05, "high": ua + 0.06, "level": 0.95, "resamples": 2000, "of": "speakers"},
        "per_fold": [group(n, 0.01 * n) for n in range(2)],
        "per_session": [group(str(n + 1), 0.0) for n in range(2)],
        "per_speaker": [group(f"<b>speaker {n}</b>", 0.0) for n in range(speakers)],
        "confusion": {"classes": list(EMOTIONS), "counts": (1000 * rows).round().astype(int).tolist(), "rows": rows.tolist()},
    }


def plant_runs(units, *, runs=5, seed=0, layers=6):
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(runs):
        weights = {u: (lambda w: {"raw": w.tolist(), "normalised": (w / w.sum()).tolist()})(rng.uniform(0.5, 1.5, layers)) for u in units}
        found.append({"fold": 0, "repetition": 0, "layer_weights": weights})
    return found


def all_figures():
    a, b = plant_summary(0.7), plant_summary(0.6)
    return {
        "curves": learning_curves.draw_learning_curves(plant_metrics([6, 9, 4, 8]), runs=10),
        "begun": learning_curves.draw_learning_curves(plant_metrics([1]), runs=10),
        "empty": learning_curves.draw_learning_curves([], runs=10),
        "confusion": figures.draw_confusion(a["confusion"]),
        "difference": figures.draw_confusion_difference(a["confusion"], b["confusion"], names=("<i>a</i>", "b")),
        "folds": figures.draw_group_scores(a["per_fold"], of="fold", overall=a["ua"]),
        "sessions": figures.draw_group_scores(a["per_session"], of="session"),
        "speakers": figures.draw_group_scores(a["per_speaker"], of="speaker"),
        "layers": figures.draw_run_layer_weights({"late": plant_runs("TFS")}),
        "two": figures.draw_run_layer_weights({"late": plant_runs("TFS"), "<i>coattention</i>": plant_runs("TFP", seed=1)}),
        "forest": figures.draw_comparison({"late": a, "<i>coattention</i>": b}, paper={"late": 75.8}),
    }


def find_traces(figure, **options):
    return [t for t in figure.data if all(getattr(t, name) == value for name, value in options.items())]


def test_same_numbers_give_same_figures():
    assert {n: f.to_json() for n, f in all_figures().items()} == {n: f.to_json() for n, f in all_figures().items()}


def test_axes_have_units_or_their_own_labels():
    for name, figure in all_figures().items():
        layout = json.loads(figure.to_json())["layout"]
        for axis in (n for n in layout if n.startswith(("xaxis", "yaxis"))):
            assert layout[axis].get("title", {}).get("text") or "tickvals" in layout[axis], (name, axis)


def test_median_and_spread_are_over_the_runs_that_got_so_far():
    curves = learning_curves.gather_curves(plant_metrics([6, 9, 4, 8]))
    found = learning_curves.summarise_curves(curves, "validation_loss")
    assert found["epoch"].tolist() == list(range(1, 10))
    assert found["runs"].tolist() == [4, 4, 4, 4, 3, 3, 2, 2, 1]
    at_six = sorted(c["validation_loss"][5] for c in curves if len(c["epoch"]) >= 6)
    assert found["median"][5] == at_six[1]
    assert found["low"][5] == pytest.approx(np.percentile(at_six, 10))
    assert found["low"][8] == found["high"][8] == curves[1]["validation_loss"][8]


def test_single_runs_are_drawn_apart_and_medians_where_half_are_in():
    figure = learning_curves.draw_learning_curves(plant_metrics([6, 9, 4, 8]), runs=10)
    (single,) = [t for t in find_traces(figure, legendgroup="loss") if t.line.width == 1]
    assert [i for i, y in enumerate(single.y) if y is None] == [6, 16, 21, 30]  # a gap after each of the runs
    solid, dotted = [t for t in find_traces(figure, legendgroup="validation_ua") if t.line.width == 2.6]
    assert np.isfinite(solid.y).tolist() == [True] * 8 + [False]
    assert np.isfinite(dotted.y).tolist() == [False] * 7 + [True] * 2  # goes on from the solid one
    np.testing.assert_allclose(solid.y[:8], 40 + 2 * np.arange(1, 9))  # percent
    (bars,) = find_traces(figure, type="bar")
    assert list(bars.y) == [4, 4, 4, 4, 3, 3, 2, 2, 1]
    assert "4 of 10 runs begun" in figure.layout.xaxis.title.text


def test_dots_mark_each_runs_lowest_validation_loss():
    figure = learning_curves.draw_learning_curves(plant_metrics([6, 9, 4, 8]))
    (dots,) = find_traces(figure, name="lowest so far, of each run")
    assert list(zip(dots.x, dots.hovertext)) == [
        (3, "fold 1, repetition 1"),
        (5, "fold 2, repetition 1"),
        (2, "fold 1, repetition 2"),
        (4, "fold 2, repetition 2"),
    ]


def test_rows_in_any_order_and_without_numbers_are_drawn():
    rows = plant_metrics([6, 9])
    rows[3] = rows[3] | {"validation_loss": None, "validation_ua": None}
    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    figure = learning_curves.draw_learning_curves(shuffled, runs=2)
    assert figure.to_json() == learning_curves.draw_learning_curves(rows, runs=2).to_json()
    assert learning_curves.summarise_curves(learning_curves.gather_curves(rows), "validation_ua")["runs"].tolist() == [
        2,
        2,
        2,
        1,
        2,
        2,
        1,
        1,
        1,
    ]


def test_confusion_shows_shares_and_counts():
    summary = plant_summary(0.7)
    figure = figures.draw_confusion(summary["confusion"])
    np.testing.assert_allclose(figure.data[0].z, 100 * np.array(summary["confusion"]["rows"]))
    texts = {(note.y, note.x): note.text for note in figure.layout.annotations}
    assert texts["anger", "anger"] == "<b>70.0</b><br>700" and texts["anger", "neutral"] == "<b>10.0</b><br>100"
    assert figure.layout.yaxis.autorange == "reversed"  # the first class on top, as the first column


def test_confusion_difference_is_first_minus_second_around_zero():
    figure = figures.draw_confusion_difference(plant_summary(0.7)["confusion"], plant_summary(0.6)["confusion"], names=("<i>a</i>", "b"))
    heat = figure.data[0]
    assert np.diag(heat.z) == pytest.approx([10] * 4) and heat.z[0][1] == pytest.approx(-10 / 3)
    assert heat.zmin == -heat.zmax == pytest.approx(-10)
    texts = {(note.y, note.x): note.text for note in figure.layout.annotations}
    assert texts["sadness", "anger"] == "<b>−3.3</b>"
    assert heat.hovertext[0][0] == "70.0 % in &lt;i&gt;a&lt;/i&gt;<br>60.0 % in b"


def test_group_scores_have_their_intervals_and_count_folds_from_one():
    summary = plant_summary(0.7)
    figure = figures.draw_group_scores(summary["per_fold"], of="fold", overall=0.71)
    (dots,) = figure.data
    np.testing.assert_allclose(dots.x, [70, 71])
    np.testing.assert_allclose(dots.error_x.array, [3, 3])
    np.testing.assert_allclose(dots.error_x.arrayminus, [4, 4])
    assert list(figure.layout.yaxis.ticktext) == ["fold 1", "fold 2"]
    assert figure.layout.xaxis.title.text == "UA (%), 95 % interval,<br>utterances resampled"  # as wide as a phone
    assert figure.layout.shapes[0].x0 == pytest.approx(71)


def test_groups_without_interval_have_no_bar():
    rows = [row | {"interval": None} for row in plant_summary(0.7)["per_speaker"]]
    figure = figures.draw_group_scores(rows, of="speaker")
    assert not np.any(figure.data[0].error_x.array)
    assert figure.layout.xaxis.title.text == "UA (%)"
    assert figure.layout.yaxis.ticktext[0] == "&lt;b&gt;speaker 0&lt;/b&gt;"


def test_layer_weights_are_means_with_spread_over_runs():
    runs = plant_runs("TFS")
    figure = figures.draw_run_layer_weights({"late": runs}, layer_names={"F": list("abcdef")})
    means = [t for t in figure.data if t.mode == "markers+lines"]
    assert len(means) == 3 and [t.showlegend for t in means] == [True, False, False]
    frames = np.array([run["layer_weights"]["F"]["normalised"] for run in runs])
    np.testing.assert_allclose(means[1].y, frames.mean(0))
    np.testing.assert_allclose(means[1].error_y.array, frames.std(0, ddof=1))
    assert list(figure.layout.xaxis2.ticktext) == list("abcdef") and list(figure.layout.xaxis.ticktext) == list("123456")
    assert figure.layout.shapes[0].y0 == pytest.approx(1 / 6)


def test_two_experiments_share_the_panels_of_their_branches():
    figure = all_figures()["two"]
    means = [(t.name, t.xaxis, t.marker.color) for t in figure.data if t.mode == "markers+lines"]
    late, early = "late (5 runs)", "&lt;i&gt;coattention&lt;/i&gt; (5 runs)"
    assert [m[:2] for m in means] == [(late, "x"), (early, "x"), (late, "x2"), (early, "x2"), (early, "x3"), (late, "x4")]  # T, F, P, S
    assert {m[2] for m in means if m[0] == late} == {style.AGAINST}


def test_comparison_shows_pooled_mean_and_paper():
    figure = all_figures()["forest"]
    pooled, mean, paper = figure.data
    np.testing.assert_allclose(pooled.x, [70, 60])
    np.testing.assert_allclose(pooled.error_x.arrayminus, [5, 5])
    np.testing.assert_allclose(mean.x, [71, 61])
    assert (list(paper.x), list(paper.y)) == ([75.8], [0])
    assert figure.layout.yaxis.ticktext[1] == "&lt;i&gt;coattention&lt;/i&gt;"


@pytest.mark.browser
@pytest.mark.parametrize(("scheme", "width"), [("light", 860), ("dark", 400)])
def test_browser_draws_every_figure(browser, tmp_path, scheme, width):
    drawn = all_figures()
    background = {"light": "#ffffff", "dark": "#101418"}[scheme]
    settings = {"responsive": True, "displaylogo": False, "displayModeBar": False}
    body = "".join(f.to_html(full_html=False, include_plotlyjs=False, div_id=name, config=settings) for name, f in drawn.items())
    page_file = tmp_path / "figures.html"
    head = f"<meta charset=utf-8><script>{get_plotlyjs()}</script>"
    page_file.write_text(f"{head}<body style='background:{background}'>{body}", encoding="utf-8")
    said = []
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(page_file.as_uri())
    for name in drawn:
        page.locator(f"#{name} .main-svg").first.wait_for()
    assert page.locator("#confusion .annotation-text").all_text_contents()[0].startswith("70.0")
    assert page.locator("#two .legendtext").all_text_contents() == ["late (5 runs)", "<i>coattention</i> (5 runs)"]  # not markup
    assert page.locator("#speakers .ytick text").first.text_content() == "<b>speaker 0</b>"
    page.close()
    assert said == []
