"""The visitor's list, two analyses side by side, and imports that are damaged or hostile."""

import copy
import dataclasses
import json

import numpy as np
import pytest
from playwright.sync_api import expect
from test_browser import PATIENCE
from test_claim import choose

from mmer.errors import DataError
from mmer.explain.verdict import FEW
from mmer.exports.analysis_json import analysis_to_json, dump_json
from mmer.ui.explore.imports import read_import
from mmer.ui.explore.session import Session
from mmer.ui.keep import cards as keep_cards
from mmer.ui.keep.handlers import MOST_KEPT, KeepHandlers, NoteRequest


@pytest.fixture(scope="module")
def exported(analysis):
    return json.loads(dump_json(analysis_to_json(analysis, include_samples=True)))


@pytest.fixture
def bring(tmp_path):
    """Reads data as a visitor's file."""

    def read(data):
        path = tmp_path / "brought.json"
        path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
        return read_import(path)

    return read


def test_an_export_is_read_back_with_all_its_numbers(bring, exported, analysis):
    back = bring(exported)
    for role, prediction in analysis.predictions.items():
        np.testing.assert_allclose(back.predictions[role].logits, prediction.logits, atol=1e-6)
        for one, other in zip(prediction.branches or (), back.predictions[role].branches or ()):
            np.testing.assert_allclose(other.contributions, one.contributions, atol=1e-6)
    assert not back.clip.outline
    del exported["clip"]["samples"]
    assert bring(exported).clip.outline


def breaks(path, value):
    def change(data):
        at = data
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "damage",
    [
        breaks(["clip", "sample_count"], 10**13),
        breaks(["clip", "sample_count"], -1),
        breaks(["predictions"], {}),
        breaks(["predictions", "late", "role"], "early"),
        breaks(["predictions", "late", "classes"], ["a", "a", "a", "a"]),
        breaks(["predictions", "late", "logits"], [None] * 4),
        breaks(["predictions", "late", "temperature"], 0),
        breaks(["predictions", "late", "branches", 0, "bias"], [1]),
        breaks(["predictions", "combined", "members"], ["nobody"]),
        breaks(["predictions", "early", "coattention", "F", "segments_per_cell"], 0),
        breaks(["words", "F"], [99] * 149),
        breaks(["starts", "S"], [-1e30] * 9),
        breaks(["alignment", "words", 0, "word"], 999),
        breaks(["alignment", "words", 0, "start"], 99.0),
        breaks(["token_offsets"], [1, 2]),
        breaks(["labels"], {"X": []}),
        breaks(["format"], "something else"),
    ],
)
def test_damage_is_a_sentence(bring, exported, damage):
    data = copy.deepcopy(exported)
    damage(data)
    with pytest.raises(DataError):
        bring(data)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{", b"[" * 200_000, b"[]", b"null", b'{"format":"mmer-analysis","version":1}'])
def test_no_json_is_a_sentence(bring, content):
    with pytest.raises(DataError):
        bring(content)


def test_hostile_words_stay_words(bring, exported):
    data = copy.deepcopy(exported)
    data["clip"]["name"] = "<script>alert(1)</script>.wav"
    data["transcript"]["text"] = "<img src=x onerror=alert(1)>" + data["transcript"]["text"]
    data["alignment"]["words"][0]["label"] = "<b>He</b>"
    analysis = bring(data)
    html = keep_cards.write_comparison(analysis, analysis, "sadness")
    assert "<script" not in html and "<img" not in html and "<b>He" not in html


def test_beside_a_clip_without_a_verdict_the_numbers_are_folded(analysis):
    silent = dataclasses.replace(
        analysis, transcript=dataclasses.replace(analysis.transcript, text="", words=()), alignment=None, speech_seconds=0.0
    )
    both = keep_cards.write_comparison(analysis, analysis, "sadness")
    assert FEW not in both
    html = keep_cards.write_comparison(analysis, silent, "sadness")
    before, fold, after = html.partition('<details class="mc-fold"')
    assert fold and before.count("<table") == 1 and "no speech was heard" in before and FEW in after
    assert keep_cards.name_kept(keep_cards.KeptAnalysis(1, silent, None), {}).split(" · ")[1] == "no speech was heard"

    session, handlers = Session(), KeepHandlers()
    for i in range(MOST_KEPT + 3):
        session.analysis = dataclasses.replace(analysis, created=str(i))
        handlers.refresh(session)
        if i == 0:
            handlers.pinner("A")(session, 1, None)
    assert [kept.number for kept in session.kept] == [1, *range(5, MOST_KEPT + 4)]
    handlers.refresh(session)
    assert len(session.kept) == MOST_KEPT
    handlers.save(session, NoteRequest(1, "  a <note> ", "#one, two"))
    assert (session.kept[0].note, session.kept[0].tags) == ("a <note>", "one two")
    handlers.remove(session, 1, None)
    assert session.pinned == {} and session.kept[0].number == 5


def test_words_are_paired_in_order():
    assert keep_cards.pair_words(["He", "was", "not", "glad"], ["he", "was", "glad", "today"]) == [
        (0, 0),
        (1, 1),
        (2, None),
        (3, 2),
        (None, 3),
    ]


# how many models spoke in the verdicts that were to be seen
SEE_VERDICTS = """
window.seen = new Set();
setInterval(() => {
  const verdict = document.querySelector("#verdict .mm-verdict");
  if (verdict?.checkVisibility()) window.seen.add(verdict.querySelectorAll(".mm-role").length);
}, 20);
"""


@pytest.mark.browser
def test_two_heads_side_by_side_then_an_import_and_a_link(browser, address, examples_folder, analysis, tmp_path):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
    page.goto(address)
    page.get_by_role("button", name="A real voice").click()
    entries = page.locator("#keep-list label")
    expect(entries).to_have_count(1, timeout=PATIENCE)
    page.fill("#keep-note textarea", "listen again")
    page.locator("#keep-note textarea").blur()
    expect(entries.first).to_contain_text("listen again", timeout=PATIENCE)
    page.click("#keep-pin-A")
    expect(entries.first).to_contain_text("[A]", timeout=PATIENCE)
    page.get_by_role("button", name="Settings").click()
    choose(page, "#head", "Late-Fs")
    expect(entries).to_have_count(2, timeout=PATIENCE)
    page.click("#keep-pin-B")
    side = page.locator("#keep-comparison")
    expect(side.locator(".mk-facts tr.mk-differs", has_text="heads")).to_have_count(1, timeout=PATIENCE)
    check_pair(page)
    expect(page.locator("#download")).to_be_hidden()  # what is only for scripts stays hidden when results are shown again
    first = analysis_numbers(side.locator(".mc-table[data-role=late][data-unit='']"))
    np.testing.assert_allclose(first[:, 0], first[:, 1], atol=2e-3)  # the same late head spoke in both
    expect(side.locator(".mc-table[data-role=early] .mc-none").first).to_be_visible()  # only A has early fusion

    path = tmp_path / "export.json"
    path.write_text(dump_json(analysis_to_json(analysis)), encoding="utf-8")
    page.set_input_files("input[type=file][accept='.json']", str(path))
    expect(entries).to_have_count(3, timeout=PATIENCE)
    expect(page.locator("#views .mv-transcript")).to_contain_text("ill-disposed")
    page.locator("#views .mv-tile[data-unit=W]").nth(1).click()
    page.click("#claim-run")  # the file holds no sound
    expect(page.locator("#claim-stages")).to_contain_text("sound", timeout=PATIENCE)
    damaged = tmp_path / "damaged.json"
    damaged.write_text("{", encoding="utf-8")
    page.set_input_files("input[type=file][accept='.json']", str(damaged))
    expect(page.locator("#stages")).to_contain_text("damaged.json is not a JSON file", timeout=PATIENCE)

    page.goto(f"{address}?example=one&emotion=sadness&select=W3&role=early")
    page.wait_for_function("() => window.mmerViews?.get()?.segment === 2", timeout=PATIENCE)
    chosen = page.evaluate("mmerViews.get()")
    assert (chosen["unit"], chosen["emotion"], chosen["role"]) == ("W", "sadness", "early")
    page.add_init_script(SEE_VERDICTS)
    page.goto(f"{address}?example=one&head=late-fs&select=T2&emotion=anger&words=F")  # analysed anew
    page.wait_for_function("() => window.mmerViews?.get()?.segment === 1", timeout=PATIENCE)
    assert page.evaluate("[...window.seen]") == [1]  # no verdict of the stored result's three models came first
    assert page.evaluate("mmerViews.payload().predictions.late.head") == "late-fs"
    assert page.evaluate("Object.keys(mmerViews.payload().predictions)") == ["late"]
    page.click("#keep-link")
    expect(page.locator("#keep-link-text")).to_contain_text("example=one&head=late-fs&emotion=anger&role=late&words=F&select=T2")
    page.goto(f"{address}?example=<b>none</b>")
    expect(page.locator(".toast-body")).to_contain_text("There is no example '<b>none</b>'", timeout=PATIENCE)
    page.close()


def check_pair(page):
    """Both clips are drawn on the same scales, and follow each other."""
    pair = page.locator("#pair")
    expect(pair.locator("[data-side] .mv-canvas")).not_to_have_count(0, timeout=PATIENCE)
    legends = pair.locator("[data-part=legend]").all_inner_texts()
    assert len(legends) == 2 and legends[0] == legends[1]
    pair.locator("[data-side=B] .mv-tile[data-unit=S]").nth(2).click()
    chosen = pair.locator("[data-side=A] .mv-tile.mv-selected")
    expect(chosen).to_have_count(1)
    assert (chosen.get_attribute("data-unit"), chosen.get_attribute("data-segment")) == ("S", "2")
    pair.locator("input[value=sadness]").first.check()
    shown = pair.locator("[data-part=readout]").all_inner_texts()
    assert len(shown) == 2 and all("logits for sadness" in text for text in shown)
    assert page.evaluate("mmerViews.get().emotion") != "sadness"  # the page's own views stay as they were


def analysis_numbers(table):
    rows = [row.locator("small").all_inner_texts() for row in table.locator("tbody tr").all()]
    return np.array([[float(text.replace("−", "-")) for text in row] for row in rows])
