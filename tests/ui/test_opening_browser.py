"""The whole way in a real browser: a filter, a row, its clip explained by the run that tested it, and back to its place; by keyboard."""

import pytest
from playwright.sync_api import expect
from test_access import find_violations

from mmer.experiments.training_service import TrainingService
from mmer.ui.texts import page as page_texts

pytestmark = pytest.mark.browser
PATIENCE = 60_000  # ms
PLACE = "[location.hash, document.querySelector('.me-row[aria-selected=true]').id]"


@pytest.fixture(scope="module")
def address(serve_app, analyzer, examples_folder, heard):
    service = TrainingService(runs=heard.path.parent, roots=(heard.path.parents[1] / "data",))
    return serve_app(analyzer, examples=examples_folder, service=service)


@pytest.mark.parametrize("width", [1280, 390])
def test_from_a_row_to_its_run_s_explanation_and_back(browser, address, width):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme="dark" if width < 500 else "light")
    page.set_default_timeout(PATIENCE)
    troubles = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(f"{address}#errors?source=run%2Fheard&where=label%3Dcalm")
    expect(page.locator(".me-count")).to_contain_text("4 of 8 utterances")
    page.locator(".me-list").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.wait_for_function("location.hash.includes('row=')")
    before = page.evaluate(PLACE)
    assert "row=" in before[0] and before[1] == "me-row-2"
    page.keyboard.press("o")
    expect(page.locator(".me-opened")).to_be_focused()
    expect(page.locator("#views .mv-tile").first).to_be_visible()
    expect(page.locator(".me-opened")).to_contain_text("which tested this clip and did not learn from it")
    expect(page.locator("#verdict")).to_contain_text("of heard")
    assert find_violations(page, ".me-opened") == []
    page.locator(".me-opened button[aria-pressed=false]").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".me-opened")).to_be_focused()
    page.keyboard.press("Tab")  # to the way back
    page.keyboard.press("Enter")
    expect(page.locator(".me-list")).to_be_focused()
    assert page.evaluate(PLACE) == before
    expect(page.locator(".me-bar .me-chip")).to_have_text("label=calm ×")
    if width > 500:
        page.go_forward()  # the browser's own history goes the same way
        expect(page.locator(".me-opened")).to_be_visible()
        page.go_back()
        expect(page.locator(".me-list")).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.mmerTexts.errors.tabs") == {"explore": page_texts.EXPLORE, "errors": page_texts.ERRORS}
    page.close()
    assert troubles == []
