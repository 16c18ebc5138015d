"""The linked views in a real browser, from a file on disk, without network: one click is heard and is seen everywhere."""

import json
from dataclasses import replace

import numpy as np
import pytest
from planted_analysis import plant_analysis, plant_spread
from playwright.sync_api import expect

from mmer.explain.steps import decision_steps
from mmer.exports.analysis_json import analysis_to_json

READ_PARTS = """all => all.map((one) => [
  one.querySelector(".mv-step-name span").textContent,
  +one.querySelector(".mv-number").textContent.replace("−", "-"),
])"""
FIND_POOR_CONTRAST = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const e of document.querySelectorAll(".mv *")) {
    const hasText = [...e.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!hasText || !e.offsetParent || e.disabled || getComputedStyle(e).visibility === "hidden") continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(`${e.className} ${e.textContent.slice(0, 20)} ${(a + 0.05) / (b + 0.05)}`);
  }
  return poor;
}"""

pytestmark = pytest.mark.browser


def selection(page):
    return page.evaluate("mmerViews.get()")


def heard(page):
    page.wait_for_function("() => window.heard.length > 0")
    return page.evaluate("window.heard.at(-1)")


def read_table(page, name):
    """Header and rows of a table behind a picture, which is unfolded for it."""
    details = page.locator(f'[data-table="{name}"]')
    if details.get_attribute("open") is None:
        details.locator("summary").click()
    texts = details.evaluate("d => [...d.querySelectorAll('tr')].map((row) => [...row.children].map((cell) => cell.textContent))")
    return texts[0], texts[1:]


def numbers(row):
    return [float(cell.replace("−", "-")) for cell in row]


def tile(page, unit, index):
    return page.locator(f'.mv-tile[data-unit="{unit}"]').nth(index)


def test_a_syllable_is_heard_exactly_and_marked_in_every_picture(open_report, analysis):
    page = open_report(analysis)
    tile(page, "S", 5).click()
    wanted = analysis.alignment.syllables[5]
    _, offset, length = heard(page)
    assert offset == pytest.approx(wanted.start, abs=1e-5) and length == pytest.approx(wanted.end - wanted.start, abs=1e-5)
    assert tile(page, "S", 5).get_attribute("aria-pressed") == "true"
    related = page.locator(".mv-tile.mv-related").evaluate_all("all => all.map((one) => one.textContent)")
    assert related == ["disposed", "D", "IH"]
    assert page.locator(".mv-piece.mv-related").inner_text() == "disposed"
    assert page.locator(".mv-row-name.mv-selected").inner_text() == "disposed"
    bar = page.locator(".mv-part.mv-selected")
    assert bar.locator(".mv-step-name").inner_text() == "D IH" and bar.get_attribute("aria-pressed") == "true"
    assert "syllable “D IH”" in page.locator(".mv-readout").inner_text()
    column, map_width = page.locator(".mv-map-span").bounding_box(), page.locator(".mv-map .mv-inner").bounding_box()
    assert (column["x"] - map_width["x"]) / map_width["width"] == pytest.approx(wanted.start / analysis.clip.duration, abs=2e-3)
    assert page.locator(".mv-band.mv-selected").count() == 1


def test_a_word_piece_shows_its_row_over_the_wave(open_report, analysis):
    page = open_report(analysis)
    wave = "(() => document.querySelector('[data-lane=wave]').toDataURL())()"
    page.wait_for_timeout(300)  # the sound is decoded and the wave drawn from it
    before = page.evaluate(wave)
    page.locator(".mv-piece").nth(6).click()
    assert selection(page)["token"] == 6 and selection(page)["unit"] == "T"
    assert page.evaluate(wave) != before
    _, offset, _ = heard(page)
    assert offset == pytest.approx(analysis.alignment.words[6].start, abs=1e-5)
    assert page.locator(".mv-part.mv-selected .mv-step-name").inner_text() == "young"


def test_a_cell_plays_its_segment_and_marks_its_word(open_report, analysis):
    page = open_report(analysis)
    page.select_option(".mv-choices select >> nth=0", "P")
    canvas = page.locator(".mv-map-canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    phone = analysis.alignment.phones[8]
    x = (phone.start + phone.end) / 2 / analysis.clip.duration * box["width"]
    y = box["height"] * 3.5 / 8
    canvas.hover(position={"x": x, "y": y})
    maps = analysis.predictions["early"].coattention["P"].text_to_speech
    assert f"weight {maps.mean(axis=(0, 1))[3, 8]:.4f}" in page.locator(".mv-tip").inner_text()
    canvas.click(position={"x": x, "y": y})
    state = selection(page)
    assert (state["unit"], state["segment"], state["token"], state["word"]) == ("P", 8, 3, 3)
    assert heard(page)[1] == pytest.approx(phone.start, abs=1e-5)
    assert page.locator(".mv-row-name.mv-selected").inner_text() == "an"


def test_keys_lead_through_segments_and_tiers(open_report, analysis):
    page = open_report(analysis)
    tile(page, "W", 0).focus()
    for key, unit, segment in (
        ("ArrowRight", "W", 0),  # from nothing to the first
        ("ArrowRight", "W", 1),
        ("ArrowRight", "W", 2),
        ("ArrowDown", "S", 2),
        ("ArrowDown", "P", 5),
        ("ArrowLeft", "P", 4),
        ("ArrowUp", "S", 1),
        ("ArrowUp", "W", 1),
        ("ArrowUp", "T", 1),
        ("ArrowRight", "T", 2),
    ):
        page.keyboard.press(key)
        state = selection(page)
        assert (state["unit"], state["segment"]) == (unit, segment), key
    assert page.evaluate("window.heard.length") == 0
    assert page.evaluate("document.activeElement.dataset.token") == "2"
    page.keyboard.press("Space")
    assert heard(page)[1] == pytest.approx(analysis.alignment.words[2].start, abs=1e-5)
    page.keyboard.press("Escape")
    assert selection(page)["unit"] is None and selection(page)["span"] is None
    assert page.locator(".mv .mv-selected").count() == 0


def test_every_control_is_reached_by_tab(open_report, analysis):
    page = open_report(analysis)
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("(() => { const e = document.activeElement; return e.className + ' ' + (e.dataset.unit ?? e.type ?? ''); })()")
        )
    for wanted in (
        "mv-play",
        "radio",
        "mv-piece",
        "mv-tile W",
        "mv-tile S",
        "mv-tile P",
        "select-one",
        "mv-row-name",
        "mv-map-canvas",
        "mv-step-branch",
    ):
        assert any(wanted in one for one in reached), wanted


def test_zoom_reaches_the_phone_and_fits_back(open_report, analysis):
    page = open_report(analysis)
    inner = page.locator(".mv-lanes[data-part=player] .mv-inner")
    first = inner.bounding_box()["width"]
    tile(page, "P", 3).click()
    page.keyboard.press("+")
    page.keyboard.press("+")
    assert inner.bounding_box()["width"] == pytest.approx(first * 1.6**2, rel=0.01)
    page.get_by_role("button", name="Show all").click()
    assert inner.bounding_box()["width"] == pytest.approx(first, rel=0.01)
    page.get_by_role("button", name="Show all").click()  # and now the selection
    box, view = tile(page, "P", 3).bounding_box(), page.locator(".mv-lanes[data-part=player] .mv-scroll").bounding_box()
    assert box["width"] > view["width"] / 3 and box["x"] >= view["x"] and box["x"] + box["width"] <= view["x"] + view["width"]
    page.locator(".mv-lanes[data-part=player] .mv-scroll").hover()
    page.keyboard.down("Control")
    page.mouse.wheel(0, 600)
    page.keyboard.up("Control")
    page.wait_for_function(f"() => document.querySelector('.mv-inner').getBoundingClientRect().width < {first * 3}")
    widths = page.locator(".mv-inner").evaluate_all("all => all.map((one) => one.getBoundingClientRect().width)")
    assert widths[0] == widths[1]  # the map follows the player


def test_a_stretch_of_sound_can_be_drawn_with_the_mouse(open_report, analysis):
    page = open_report(analysis)
    wave = page.locator("[data-lane=wave]")
    wave.scroll_into_view_if_needed()
    box = wave.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40, steps=4)
    page.mouse.up()
    _, offset, length = heard(page)
    assert offset == pytest.approx(analysis.clip.duration / 4, abs=0.02) and length == pytest.approx(analysis.clip.duration / 4, abs=0.03)
    assert selection(page)["unit"] is None


@pytest.mark.parametrize("scale", ["centred", "raw"])
def test_tables_are_the_json_s_numbers(open_report, analysis, scale):
    page = open_report(analysis)
    if scale == "raw":
        page.evaluate("mmerViews.set({scale: 'raw'})")
    data = json.loads(json.dumps(analysis_to_json(analysis)))
    for branch in data["predictions"]["late"]["branches"]:
        unit, wanted = branch["unit"], np.array(branch["contributions"])
        wanted = wanted if scale == "raw" else wanted - wanted.mean(axis=1, keepdims=True)
        header, rows = read_table(page, unit)
        assert header[-4:] == data["predictions"]["late"]["classes"]
        assert [row[0] for row in rows] == data["labels"][unit]
        np.testing.assert_allclose([numbers(row[-4:]) for row in rows], wanted, atol=1e-4)


@pytest.mark.parametrize("role", ["combined", "late", "early"])
def test_the_waterfall_adds_up_to_the_json_s_logits(open_report, analysis, role):
    page = open_report(analysis)
    data = analysis_to_json(analysis)["predictions"]
    for scale in ("centred", "raw"):
        page.evaluate("(changes) => mmerViews.set(changes)", {"role": role, "scale": scale})
        _, rows = read_table(page, "sum")
        sums = np.array([numbers(row[1:]) for row in rows])
        named = {row[0]: values for row, values in zip(rows, sums)}
        logits = np.array(data[role]["logits"]) - (np.mean(data[role]["logits"]) if scale == "centred" else 0)
        end = next(values for name, values in named.items() if name.endswith(": logit"))
        np.testing.assert_allclose(end, logits, atol=1e-4)
        parts = [
            values for name, values in named.items() if not any(word in name for word in ("half of", "logit", "temperature", "softmax"))
        ]
        np.testing.assert_allclose(np.sum(parts, axis=0), logits, atol=5e-4)  # each is rounded to 4 decimals
        np.testing.assert_allclose(sums[-1], data[role]["probabilities"], atol=1e-4)
        np.testing.assert_allclose(sums[-2], logits / data[role]["temperature"], atol=1e-4)


def test_bars_of_the_waterfall_are_the_steps_of_explain(open_report, analysis):
    page = open_report(analysis)
    page.locator('[data-branch="S"]').click()
    for emotion in analysis.best.classes:
        page.get_by_role("radio", name=emotion).check(force=True)
        shown = dict(
            page.locator(".mv-step[data-step]").evaluate_all(
                "all => all.map((s) => [s.dataset.step, s.querySelector('.mv-number').textContent])"
            )
        )
        steps = {s.unit or s.kind: s.value for s in decision_steps(analysis, emotion)}
        for name, kind in (("T", "T"), ("F", "F"), ("S", "S"), ("bias", "bias"), ("early", "member")):
            assert float(shown[name].replace("−", "-")) == pytest.approx(steps[kind], abs=5.1e-4)
        parts = page.locator(".mv-part .mv-number").evaluate_all("all => all.map((one) => +one.textContent.replace('−', '-'))")
        detail = [s.value for s in decision_steps(analysis, emotion, unit_detail="S") if s.kind == "segment"]
        np.testing.assert_allclose(parts, detail, atol=5.1e-5)


def test_many_frames_are_gathered_per_word_and_keep_their_sum(open_report, analysis):
    page = open_report(analysis)
    page.locator('[data-branch="F"]').click()
    rows = page.locator(".mv-part").evaluate_all(READ_PARTS)
    assert [name for name, _ in rows if name != "between words"] == [w.text for w in analysis.transcript.words]
    step = next(s for s in decision_steps(analysis, analysis.best.label) if s.unit == "F")
    assert sum(value for _, value in rows) == pytest.approx(step.value, abs=1e-3)


def test_what_decides_is_said(open_report, analysis):
    page = open_report(analysis)
    text = page.locator("[data-part=flips]").inner_text()
    flips = page.evaluate("mmerViews.payload().predictions.combined.flips")
    assert flips and all(flip["label"] in text for flip in flips)
    assert page.locator(".mv-flip").count() == len({flip["part"] for flip in flips if flip["part"] != "late"})


def test_choices_of_the_map_show_that_matrix(open_report, analysis):
    page = open_report(analysis)
    for direction, layer, head in (("text_to_speech", 2, 1), ("speech_to_text", 0, 3)):
        page.evaluate("(map) => mmerViews.set({map})", {"unit": "P", "direction": direction, "layer": str(layer), "head": str(head)})
        maps = analysis.predictions["early"].coattention["P"]
        wanted = maps.text_to_speech[layer, head].T if direction == "text_to_speech" else maps.speech_to_text[layer, head]
        header, rows = read_table(page, "attention")
        assert header[2:] == list(analysis.labels["T"]) and [row[0] for row in rows] == list(analysis.labels["P"])
        np.testing.assert_allclose([numbers(row[2:]) for row in rows], wanted, atol=1e-4 + 5e-4 * wanted.max())


def test_layer_weights_are_the_head_s(open_report, analysis):
    page = open_report(analysis)
    _, rows = read_table(page, "layers")
    wanted = [
        [raw, share]
        for role in ("late", "early")
        for weights in analysis.predictions[role].layer_weights.values()
        for raw, share in zip(weights.raw, weights.normalised)
    ]
    np.testing.assert_allclose([numbers(row[2:]) for row in rows], wanted, atol=1e-4)


def test_the_spread_over_runs_is_drawn_and_explained(open_report, analysis):
    shares = np.array([[0.1, 0.2, 0.3, 0.4], [0.3, 0.2, 0.1, 0.4]])
    page = open_report(plant_spread(analysis, "F", shares))
    said = page.get_by_text("the 2 runs of the head's experiment learned")
    layers = page.locator("[data-part=layers]")
    expect(said).to_be_visible()
    chart = layers.locator(".mv-layer-chart").filter(has_text="frames").first
    tall = [box["height"] for box in (mark.bounding_box() for mark in chart.locator(".mv-whisker").all())]
    np.testing.assert_allclose(np.array(tall) / tall[0], np.ptp(shares, axis=0) / np.ptp(shares, axis=0)[0], atol=0.02)
    expect(layers.locator(".mv-whisker")).to_have_count(4)
    page.get_by_role("radio", name="raw w").check(force=True)
    expect(said).to_be_hidden()  # runs are compared by their shares
    expect(layers.locator(".mv-whisker")).to_have_count(0)


def test_others_can_read_write_and_follow_the_selection(open_report, analysis):
    page = open_report(analysis)
    page.evaluate(
        "window.news = []; window.end = mmerViews.subscribe((selection, changed) => news.push([selection.emotion, changed])); null"
    )
    assert page.evaluate("mmerViews.set({emotion: 'sadness'})") == ["emotion"]
    assert page.get_by_role("radio", name="sadness").is_checked()
    page.evaluate("end(); mmerViews.set({emotion: 'anger'})")
    assert page.evaluate("news") == [["sadness", ["emotion"]]]
    page.evaluate(
        "document.addEventListener('mmer-selection', (event) => { window.selected = event.detail; }); mmerViews.pickSegment('W', 2)"
    )
    assert page.evaluate("selected.selection.word") == 2 and "span" in page.evaluate("selected.changed")
    page.evaluate("mmerViews.addPanel('Another view', 'Of the same clip.').append('text')")
    assert page.get_by_role("heading", name="Another view").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_that_are_markup_stay_words(open_report, scheme):
    page = open_report(
        plant_analysis(text="<img src=x onerror=window.broken=1> </script><b>was not an ill-disposed young man"), scheme=scheme, width=390
    )
    tile(page, "W", 1).click()
    page.locator(".mv-details summary").evaluate_all("all => all.forEach((one) => one.click())")
    assert page.locator(".mv img, .mv b").count() == 0 and page.evaluate("window.broken") is None
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert "src=x" in page.locator(".mv-readout").inner_text()


def test_a_clip_without_words_or_early_model_still_has_its_pictures(open_report, analysis):
    late = analysis.predictions["late"]
    alone = replace(late, branches=tuple(b for b in late.branches if b.unit == "F"), layer_weights={"F": late.layer_weights["F"]})
    bare = replace(
        analysis,
        transcript=replace(analysis.transcript, text="", words=()),
        alignment=None,
        labels={"F": analysis.labels["F"]},
        words={"F": analysis.words["F"]},
        starts={"F": analysis.starts["F"]},
        ends={"F": analysis.ends["F"]},
        token_offsets=np.zeros((0, 2), int),
        predictions={"late": alone},
        unavailable={"early": "It needs words."},
    )
    page = open_report(bare)
    assert page.locator("[data-lane]").count() == 4
    page.locator("[data-lane=frames]").click(position={"x": 200, "y": 20})
    assert selection(page)["unit"] == "F" and heard(page)[2] == pytest.approx(0.02, abs=1e-6)
    assert page.get_by_text("It needs words.").first.is_visible()
    assert page.locator("[data-part=legend]").count() == 0  # no word or segment has a colour


def test_colours_reach_the_contrast_that_people_need(open_report, analysis):
    """WCAG AA, 4.5:1, of text on its tile or on the page, both themes."""
    for scheme in ("light", "dark"):
        page = open_report(analysis, scheme=scheme)
        tile(page, "S", 2).click()
        assert page.evaluate(FIND_POOR_CONTRAST) == []
