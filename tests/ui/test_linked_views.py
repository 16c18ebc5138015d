"""The linked views in the running app: a selection asks no server, a new result takes the old one's place, the page equals the export."""

import json
from pathlib import Path

import numpy as np
import pandas
import pytest
from playwright.sync_api import expect
from test_browser import PATIENCE

pytestmark = pytest.mark.browser


def test_a_click_is_heard_and_seen_without_the_server(page, analysis):
    asked = []
    page.wait_for_timeout(2000)  # what follows a new result, such as the list of results, has been asked for by now
    page.on("request", lambda request: asked.append(request.url))
    page.locator(".mv-tile[data-unit=S]").nth(4).click()
    page.wait_for_function("() => window.heard.length > 0")
    wanted = analysis.alignment.syllables[4]
    _, offset, length = page.evaluate("window.heard.at(-1)")
    assert (offset, length) == (pytest.approx(wanted.start, abs=1e-5), pytest.approx(wanted.end - wanted.start, abs=1e-5))
    assert page.locator(".mv-part.mv-selected .mv-step-name").inner_text() == wanted.label
    assert page.locator(".mv-row-name.mv-selected").count() == 1
    page.locator("[data-part=emotion]").get_by_role("radio", name="sadness").check(force=True)
    assert "logits for sadness" in page.locator(".mv-readout").inner_text()
    assert [url for url in asked if "queue/join" in url or "/run/" in url or "/file=" in url] == []


def test_the_page_s_numbers_are_those_of_the_exported_json(page):
    with page.expect_download() as download:
        page.click("#export-json")
    data = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    for branch in data["predictions"]["late"]["branches"]:
        rows = page.evaluate(
            "([unit]) => mmerViews.find().data.classes.map((name) => [...mmerViews.find().data.values(unit, name, 'raw')])",
            [branch["unit"]],
        )
        np.testing.assert_allclose(np.transpose(rows), branch["contributions"], atol=1e-4)
    page.evaluate("mmerViews.set({scale: 'raw', role: 'combined'})")
    table = page.locator("[data-table=sum]")
    table.locator("summary").click()
    cells = table.evaluate("t => [...t.querySelectorAll('tbody tr')].map((row) => [...row.children].map((cell) => cell.textContent))")
    shown = {row[0]: [float(cell.replace("−", "-")) for cell in row[1:]] for row in cells}
    np.testing.assert_allclose(shown["combined: logit"], data["predictions"]["combined"]["logits"], atol=1e-4)
    np.testing.assert_allclose(shown["softmax: probability"], data["predictions"]["combined"]["probabilities"], atol=1e-4)
    page.evaluate("mmerViews.set({scale: 'centred'})")


def test_the_csv_s_rows_add_up_to_the_exported_json(page):
    saved = {}
    for kind in ("json", "csv"):
        with page.expect_download() as download:
            page.click(f"#export-{kind}")
        assert download.value.suggested_filename == f"young_man.{kind}"
        saved[kind] = download.value.path()
    data = json.loads(Path(saved["json"]).read_text(encoding="utf-8"))
    table = pandas.read_csv(saved["csv"], keep_default_na=False)
    raw = table[[f"raw_{name}" for name in data["predictions"]["late"]["classes"]]].apply(pandas.to_numeric)
    np.testing.assert_allclose(raw.sum(), data["predictions"]["late"]["logits"], atol=1e-4)
    assert table.groupby("unit").size().to_dict() == {unit: len(data["labels"][unit]) + (unit in "TFS") for unit in data["labels"]} | {
        "W": len(data["alignment"]["words"])
    }


def test_pictures_and_sound_are_saved_without_the_server(page):
    page.wait_for_timeout(500)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator(".mv-tile[data-unit=S]").nth(4).click()
    with page.expect_download() as download:
        page.locator("[data-part=save-selection]").click()
    assert download.value.suggested_filename.startswith("young_man_") and download.value.suggested_filename.endswith("s.wav")
    page.locator("[data-part=save-waterfall] summary").click()
    with page.expect_download() as download:
        page.locator('[data-save="waterfall pdf"]').click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF-1.7")
    assert [url for url in asked if not url.startswith("blob:") and "heartbeat" not in url] == []


def test_the_tools_stay_in_sight(page):
    page.evaluate("document.querySelector('.mv-waterfall').scrollIntoView({block: 'end', behavior: 'instant'})")
    box = page.locator(".mv-bar-of-tools").bounding_box()
    assert 0 <= box["y"] < 5
    page.evaluate("window.scrollTo({top: 0, behavior: 'instant'})")


def test_the_sound_can_be_stopped_and_its_word_is_marked(page):
    page.locator("[data-part=play]").click()
    expect(page.locator(".mv-tile.mv-now")).to_have_count(1)
    expect(page.locator("[data-part=play]")).to_have_text("■ Stop")
    page.locator("[data-part=play]").click()
    expect(page.locator("[data-part=play]")).to_have_text("▶ Play")
    expect(page.locator(".mv-tile.mv-now")).to_have_count(0)


def test_the_exported_report_opens_from_disk_and_its_clicks_work(page, spy, tmp_path, analysis):
    with page.expect_download() as download:
        page.click("#export-html")
    path = tmp_path / "report.html"
    download.value.save_as(path)
    context = page.context.browser.new_context(offline=True)
    context.add_init_script(spy)
    report = context.new_page()
    report.goto(path.as_uri())
    report.locator(".mv-tile[data-unit=S]").nth(4).click()
    report.wait_for_function("() => window.heard.length > 0")
    assert report.evaluate("window.heard.at(-1)[1]") == pytest.approx(analysis.alignment.syllables[4].start, abs=1e-5)
    assert report.locator(".mv-part.mv-selected").count() == report.locator(".mv-row-name.mv-selected").count() == 1
    context.close()


def test_a_new_result_takes_the_place_of_the_old(page):
    page.fill("#transcript textarea", "He was not an angry young man.")
    page.locator("#transcript textarea").press("Control+Enter")
    expect(page.locator(".mv-transcript")).to_contain_text("angry", timeout=PATIENCE)
    assert page.locator(".mv").count() == 1
    assert page.evaluate("mmerViews.get().unit") is None
    assert page.evaluate("mmerViews.payload().text") == "He was not an angry young man."
