"""Words in the linked views: numbers and colours are those of word_contributions.py, whole and for each branch alone."""

import re
from pathlib import Path

import numpy as np
import pytest
from planted_words import plant_words
from test_linked_page import numbers, read_table

from mmer.explain.steps import centre
from mmer.exports.analysis_json import read_analysis
from mmer.exports.summary import list_words
from mmer.word_contributions import word_contributions

STOPS = np.array([[0x2A, 0x6E, 0xBB], [0x9D, 0xBF, 0xE1], [0xF3, 0xF1, 0xEE], [0xEF, 0xB4, 0x7C], [0xB4, 0x54, 0x0A]])  # the light theme's
EXAMPLES = sorted(Path(__file__).parents[2].glob("assets/examples/*/analysis.json"))
READ_COLOURS = "all => all.map((one) => getComputedStyle(one).backgroundColor.match(/[\\d.]+/g).map(Number))"

pytestmark = pytest.mark.browser


def mix(value, limit):
    """The colour of a value on the scale from -limit to limit, as mixColours in elements.js."""
    at = min(max(0.5 + value / limit / 2, 0), 1) * 4
    low = min(int(at), 3)
    return np.round(STOPS[low] + (at - low) * (STOPS[low + 1] - STOPS[low]))


def read_limit(page):
    return float(page.locator("[data-part=legend] span").last.evaluate("e => e.parentElement.children[2].textContent").lstrip("+"))


@pytest.mark.parametrize("part", ["whole", "T", "F", "P", "S", "W"])
def test_words_have_the_function_s_numbers_and_colours(open_report, part):
    analysis = plant_words(early=True)
    found = word_contributions(analysis)
    page = open_report(analysis)
    page.evaluate("(part) => mmerViews.set({ part, emotion: 'anger' })", part)
    wanted = centre(found.words if part == "whole" else found.parts[part])[:, 0]
    limit = read_limit(page)
    pieces = page.locator(".mv-piece").evaluate_all(READ_COLOURS)
    owners = [0, None, 1, 2, 2, 3, None]
    for colour, owner in zip(pieces, owners):
        if owner is None:
            assert len(colour) == 4 and colour[3] == 0  # punctuation has none
        else:
            np.testing.assert_allclose(colour, mix(wanted[owner], limit), atol=1)
    tiles = page.locator(".mv-tile[data-unit=W]").evaluate_all(READ_COLOURS)
    np.testing.assert_allclose(tiles, [mix(value, limit) for value in wanted[:3]], atol=1)
    whole = centre(found.words)[:, 0]
    for place in (".mv-piece", ".mv-tile[data-unit=W]"):
        titles = page.locator(place).evaluate_all("all => all.map((one) => one.title)")
        stored = {match[1]: float(match[2].replace("−", "-")) for match in re.finditer(r"“(\w+)” ([+−][\d.]+) logits", " ".join(titles))}
        assert stored == {text: pytest.approx(value) for text, value in zip(found.texts, whole) if text in stored}
        assert len(stored) == (4 if place == ".mv-piece" else 3)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_page_and_shell_say_the_same_of_the_examples_words(open_report, path):
    analysis = read_analysis(path)
    page = open_report(analysis)
    titles = page.locator(".mv-piece").evaluate_all("all => all.map((one) => one.title)")
    stored = {re.sub(r" \(\d+ over an edge\)|; .*|“|”|logits for \w+ ", "", title).replace("−", "-") for title in titles}
    said = [re.sub(r"^(for|against)", "", line.strip()).strip() for line in list_words(analysis)[1:]]
    words = [line for line in said if " = " in line]
    assert len(words) >= 3 and set(words) <= stored


def test_each_branch_s_part_is_named_where_one_points(open_report):
    page = open_report(plant_words(early=True))
    titles = page.locator(".mv-piece").evaluate_all("all => all.map((one) => one.title)")
    parts = "text −0.200, phones +2.000 (1 over an edge), syllables −0.220, words +0.700"
    assert titles[2] == f"“no” +2.280 logits for anger = {parts}; too short to hold a frame's centre"
    assert titles[5] == "“it” +0.400 logits for anger = text +0.400; not found in the sound, so its text alone"
    assert titles[1] == "belongs to no word (punctuation): +0.010 logits for anger"
    page.locator(".mv-tile[data-unit=W]").nth(1).click()
    text = page.locator(".mv-readout").inner_text()
    assert "word “no” · 0.30 to 0.34 s · +2.280 logits for anger in late fusion (half of it, +1.140, in combined) = text −0.200" in text
    page.locator(".mv-tile[data-unit=P]").nth(1).click()
    assert "counts for “no”, over a word's edge" in page.locator(".mv-readout").inner_text()
    page.locator(".mv-tile[data-unit=P]").nth(4).click()
    assert "belongs to no word (between words)" in page.locator(".mv-readout").inner_text()


def test_the_table_of_words_adds_up_to_the_logit(open_report):
    analysis = plant_words(early=True)
    page = open_report(analysis)
    page.evaluate("mmerViews.set({ emotion: 'anger', scale: 'raw' })")
    header, rows = read_table(page, "words")
    assert header == ["logits for anger, raw", "whole", "text", "frames", "phones", "syllables", "words", "note"]
    assert [row[0] for row in rows] == ["Oh", "no", "stop", "it", "punctuation", "between words", "biases", "late fusion: logit"]
    whole = numbers([row[1] for row in rows])
    assert whole[:4] == [0.67, 2.28, 1.67, 0.4] and sum(whole[:-1]) == pytest.approx(whole[-1])
    assert whole[-1] == pytest.approx(analysis.predictions["late"].logits[0], abs=1e-4)
    assert rows[1][1:] == [
        "2.2800",
        "−0.2000",
        "",
        "2.0000",
        "−0.2200",
        "0.7000",
        "too short to hold a frame's centre; 1 phone over an edge",
    ]
    _, phones = read_table(page, "P")
    assert [row[3:5] for row in phones] == [["Oh", ""], ["no", "over an edge"], ["stop", "over an edge"], ["stop", ""], ["", ""]]


def test_without_alignment_it_says_that_the_sound_is_not_divided(open_report):
    page = open_report(plant_words(aligned=False))
    assert "the sound is not divided into words: a word has its text alone" in page.locator("[data-part=word-note]").inner_text()
    _, rows = read_table(page, "words")
    assert [row[0] for row in rows][4:6] == ["punctuation", "sound not divided"]
    assert "between words" not in page.locator(".mv").inner_text()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_switch_shows_one_branch_and_works_by_keys(open_report, width):
    page = open_report(plant_words(early=True), width=width)
    switch = page.locator("[data-part=part]")
    assert switch.locator("label").all_inner_texts() == ["all branches", "text", "frames", "phones", "syllables", "words"]
    box = switch.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width and page.evaluate("document.documentElement.scrollWidth") <= width
    note = page.locator(".mv-lane-name", has_text="words").locator("small")
    assert note.inner_text() == "all branches"
    switch.locator("input").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("mmerViews.get().part") == "T" and note.inner_text() == "text alone"
    page.evaluate("mmerViews.set({ emotion: 'sadness' })")
    assert page.evaluate("mmerViews.get().part") == "T"  # another emotion leaves it
    svg = page.evaluate("mmerViews.figure('player')")
    assert "text alone" in svg


def test_one_branch_needs_no_switch(open_report):
    page = open_report(plant_words("F"))
    assert page.locator("[data-part=part]").count() == 0


@pytest.mark.parametrize("units", ["F", "T"])
def test_one_part_is_not_said_to_decide_or_not(open_report, units):
    page = open_report(plant_words(units))
    text = page.locator("[data-part=flips]").inner_text()
    name = {"F": "frames", "T": "text"}[units]
    assert text.startswith(f"This is one part ({name}): without it nothing would be said") and "No part decides" not in text


def test_early_fusion_alone_is_one_part(open_report):
    page = open_report(plant_words(early=True))
    page.evaluate("mmerViews.set({ role: 'early' })")
    text = page.locator("[data-part=flips]").inner_text()
    assert "This is one part (coattention fusion" in text and "No part decides" not in text
