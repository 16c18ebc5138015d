"""The Errors tab in a real browser: the same language of filters, from a cell to its clips by keyboard, a link that brings it back."""

import json
from pathlib import Path

import pytest
from errors_cases import make_service, serve
from playwright.sync_api import expect
from test_access import find_violations

PATIENCE = 60_000  # ms
CASES = json.loads((Path(__file__).parents[1] / "error_table" / "filter_cases.json").read_text(encoding="utf-8"))
READ = """(texts) => texts.map((text) => {
  const filter = window.mmerFilters.parse(text);
  const end = (value) => (Number.isFinite(value) ? value : null);
  if (!filter) return null;
  const parts = filter.sign === ":" ? [end(filter.low), end(filter.high)] : [filter.values];
  return { filter: [filter.column, filter.sign, ...parts], again: window.mmerFilters.write(filter) };
})"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    app, url = serve(make_service(tmp_path_factory.mktemp("errors")))
    yield url
    app.close()


@pytest.fixture
def page(browser, address, spy):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE)
    troubles = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    yield page
    page.close()
    assert troubles == []


def test_from_a_cell_to_its_clips_and_back_by_a_link(page, address):
    page.goto(f"{address}#errors?source=run%2Ffirst")
    expect(page.locator(".me-count")).to_contain_text("48 of 48 utterances")
    found = page.evaluate(READ, [case["text"] for case in CASES["read"]])
    assert found == [c["filter"] and {"filter": c["filter"], "again": c["again"]} for c in CASES["read"]]
    assert page.evaluate(READ, CASES["refused"]) == [None] * len(CASES["refused"])

    written = page.evaluate("[0.99995, 1, 0.12345, 12.5, 8.996, null].map(window.mmerCounts.writeNumber)")
    assert written == ["0.99995", "1", "0.123", "12.5", "9", ""]  # no share of nearly 1 reads as certain

    expect(page.locator(".me-interval:not([hidden])").first).to_be_visible()  # the intervals have come from the server
    cell = page.locator(".me-wrong-cell", has_text="2").first
    count = int(cell.text_content())
    cell.click()
    expect(page.locator(".me-chip")).to_have_count(3)  # label, answer, and all of them
    expect(page.locator(".me-count")).to_contain_text(f"{count} of 48 utterances. They are chosen by what was answered")
    expect(page.locator(".me-row")).to_have_count(count)

    page.locator(".me-list").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".me-row[aria-selected=true]")).to_have_attribute("aria-posinset", "2")
    page.keyboard.press(" ")
    expect(page.locator(".me-bar > .me-note")).to_contain_text("Playing clips/")
    page.keyboard.press("Enter")
    expect(page.locator(".me-details")).to_be_focused()

    link = page.evaluate("location.href")
    page.goto("about:blank")
    page.goto(link)
    expect(page.locator(".me-count")).to_contain_text(f"{count} of 48 utterances")
    page.locator(".me-all").click()
    expect(page.locator(".me-count")).to_contain_text("48 of 48 utterances")
    assert "where" not in page.evaluate("location.hash")
    assert page.evaluate("window.harmed") is None


def test_a_phone_has_the_list_and_two_experiments_stand_beside_each_other(page, address):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{address}#errors?source=run%2Ffirst&with=run%2Fsecond&where=flip%3Donly+A+right")
    expect(page.locator(".me-test")).to_contain_text("McNemar")
    expect(page.locator(".me-chip")).to_have_text("flip=only A right ×")
    assert page.locator(".me-row").first.bounding_box()["width"] > 300
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.fill(".me input[type=search]", "NEVER")
    expect(page.locator(".me-chip", has_text="text~NEVER")).to_be_visible()
    assert page.evaluate("window.harmed") is None


def test_a_note_by_keyboard_stands_in_the_table_after_a_reload(page, address):
    page.goto(f"{address}#errors?source=run%2Fsecond")
    page.locator(".me-list").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("n")
    page.keyboard.type("a sigh <b>first</b>")
    page.keyboard.press("Enter")
    expect(page.locator(".me-notes")).to_contain_text("Whose note is it?")
    expect(page.get_by_label("Your name or initials")).to_be_focused()
    page.keyboard.type("AB")
    page.locator(".me-notes").get_by_role("button", name="Add note").click()
    expect(page.locator(".me-given")).to_contain_text("AB: a sigh <b>first</b>")
    expect(page.locator(".me-list")).to_be_focused()
    page.keyboard.press("t")
    page.keyboard.type("Sigh")
    page.keyboard.press("Enter")
    expect(page.locator(".me-given")).to_contain_text("#sigh")
    page.keyboard.press("d")
    expect(page.get_by_label("Label disputed")).to_be_checked()
    expect(page.locator(".me-row[aria-selected=true] .me-noted")).to_have_text("⚑ ✎ sigh")
    page.reload()
    expect(page.locator(".me-row[aria-selected=true] .me-noted")).to_have_text("⚑ ✎ sigh")  # the same row, from the file
    assert page.get_by_label("Your name or initials").input_value() == "AB"  # asked once
    page.get_by_role("button", name="Look for slices and labels").click()
    expect(page.locator(".me-found")).to_contain_text("Nothing was compared")
    assert find_violations(page, ".me") == []


def test_on_a_page_for_strangers_notes_stay_in_the_browser(browser, tmp_path):
    service = make_service(tmp_path, recorded=Path(__file__).parents[2] / "assets" / "runs", closed="Off for strangers.")
    app, url = serve(service, is_public=True)
    page = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme="dark")
    page.goto(f"{url}#errors?source=recorded%2Fravdess-linear-f")
    expect(page.locator(".me-notes")).to_contain_text("Notes stay in this browser", timeout=PATIENCE)
    page.get_by_label("Your name or initials").fill("AB")
    page.locator(".me-list").focus()
    page.keyboard.press("t")
    page.keyboard.type("sigh")
    page.keyboard.press("Enter")
    expect(page.locator(".me-given")).to_contain_text("#sigh")
    page.reload()
    expect(page.locator(".me-row .me-noted").first).to_have_text("sigh", timeout=PATIENCE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_text("Notes as a file").click()
    page.get_by_role("button", name="Forget all notes of this browser").click()
    expect(page.locator(".me-noted")).to_have_count(0)
    assert page.evaluate("localStorage.getItem('mmerNotes')") is None
    page.close()
    app.close()
