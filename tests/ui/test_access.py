"""Everyone can use the page: axe-core finds nothing wrong with it in either theme, and a keyboard alone goes all the way."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from test_browser import PATIENCE

from mmer.experiments.training_service import TrainingService
from mmer.exports.report import report_html
from mmer.heads.config_file import list_heads
from mmer.heads.folder import load_head
from mmer.pipeline import Analyzer

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
CARDS = Path("/usr/share/pocketsphinx/test/data/cards")
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
# what stays as it is: (rule, selector) -> why
EXCUSED = {
    ("nested-interactive", "#batch-files button[aria-haspopup]"): "Gradio's: gr.File draws its button for more files inside another",
    ("nested-interactive", ".toast-header"): "Gradio's: a toast is a button around its own close button",
    ("target-size", ".mv-piece"): "words of a sentence, which the rule leaves out",
    ("target-size", ".mv-tile"): "a phone is as wide as it lasts; the views zoom, and arrow keys move from one to the next",
}
# all that folds, but for menus, which lie over what is next to them, and two tables of thousands of numbers, made as the others are
OPEN_ALL = """(root) => {
  const shown = (selector) => [...document.querySelectorAll(`${root} ${selector}`)].filter((one) => one.checkVisibility());
  for (const one of shown("details:not([data-table=F], [data-table=attention], .mv-save)")) one.open = true;
  for (const one of shown("button.label-wrap:not(.open)")) one.click();
}"""
RING = """() => {
  const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
  return outlineStyle === "none" ? 0 : parseFloat(outlineWidth);
}"""
KEEP_INEXCUSABLE = """([rule, targets, excused]) => targets.filter((target) => {
  const element = document.querySelector(target);
  return !excused.some(([of, selector]) => of === rule && element?.matches(selector));
})"""


@pytest.fixture(scope="module")
def address(serve_app, analyzer, tmp_path_factory):
    """The app as it ships: its own heads, examples and recorded experiments."""
    heads = {name: load_head(ROOT / "pretrained" / name) for name in list_heads(ROOT / "pretrained")}
    parts = {name: getattr(analyzer, name) for name in ("preset", "recogniser", "speech", "text")}
    shipped = Analyzer(**parts, aligners=analyzer._aligners, heads=heads)
    service = TrainingService(runs=tmp_path_factory.mktemp("runs"), recorded=ROOT / "assets" / "runs")
    return serve_app(shipped, examples=ROOT / "assets" / "examples", service=service)


@pytest.fixture
def open_page(browser, address):
    pages, troubles = [], []

    def open_one(width=1280, height=900, *, to=address):
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(to)
        page.add_style_tag(content="* { transition: none !important; animation: none !important; }")
        pages.append(page)
        return page

    yield open_one
    for page in pages:
        page.close()
    assert troubles == []


# axe-core


def find_violations(page, root="body", rules=None):
    """(rule, element) of everything that axe-core objects to and nothing excuses."""
    only = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": STANDARDS}
    options = {"runOnly": only, "rules": {"target-size": {"enabled": True}}, "resultTypes": ["violations"]}
    found = []
    for violation in Axe().run(page, root, options).response["violations"]:
        rule, targets = violation["id"], [node["target"][0] for node in violation["nodes"]]
        found += [(rule, target) for target in page.evaluate(KEEP_INEXCUSABLE, [rule, targets, [list(pair) for pair in EXCUSED]])]
    return found


def expect_no_violations(page, root="body"):
    """As the page is; then its colours in the dark, and its sizes on a phone."""
    page.evaluate(OPEN_ALL, root)
    page.evaluate("window.scrollTo({ top: 0, behavior: 'instant' })")  # else what sticks lies over the rest
    page.wait_for_timeout(200)  # for what unfolds
    assert find_violations(page, root) == []
    page.evaluate("document.body.classList.add('dark')")
    page.wait_for_timeout(100)
    assert find_violations(page, root, ["color-contrast"]) == []
    page.evaluate("document.body.classList.remove('dark')")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(100)
    assert find_violations(page, root, ["target-size", "scrollable-region-focusable"]) == []
    page.set_viewport_size({"width": 1280, "height": 900})


def open_tab(page, name):
    page.get_by_role("tab", name=name, exact=True).click()


def test_explore_with_all_its_panels(open_page):
    page = open_page()
    page.wait_for_selector("#analyse")
    page.wait_for_selector("#views .mv-tile")  # the page opens with a result
    expect(page.locator("#keep-list label")).to_have_count(1)
    expect_no_violations(page)
    page.locator(".mv-tile[data-unit=W]").nth(2).click()
    page.click("#claim-run")
    expect(page.locator("#claim-result .mc-table").first).to_be_visible()
    page.click("#curve-run")
    expect(page.locator(".mc-curve")).to_be_visible()
    page.click("#keep-pin-A")
    expect(page.locator("#keep-list label").first).to_contain_text("[A]")
    expect_no_violations(page)
    page.get_by_role("button", name="A real voice: cold-hearted").click()
    expect(page.locator("#keep-list label")).to_have_count(2)
    page.click("#keep-pin-B")
    expect(page.locator("#keep-list label").nth(1)).to_contain_text("[B]")
    expect_no_violations(page, "#keep")
    page.wait_for_selector("#pair .mv-canvas")
    expect_no_violations(page, "#side-by-side")


def test_every_step_of_the_lesson(open_page):
    page = open_page()
    open_tab(page, "Learn")
    page.wait_for_selector(".ml-page:not([hidden])")
    for number in range(1, 9):
        page.evaluate("(number) => mmerLesson.turnTo(number)", number)
        page.locator(".ml-page:not([hidden]) .ml-question input").nth(number % 2).check()
    page.evaluate("for (const one of document.querySelectorAll('.ml-page')) one.hidden = false")  # all at once
    expect_no_violations(page)


def test_a_batch_and_what_the_app_is_about(open_page):
    page = open_page()
    open_tab(page, "Batch")
    page.set_input_files("#batch-files input[type=file]", [CARDS / "001.wav", CARDS / "002.wav"])
    expect(page.locator("#batch-files")).to_contain_text("002")
    page.click("#batch-analyse")
    expect(page.locator("#batch-csv")).to_be_visible()
    expect_no_violations(page)
    open_tab(page, "About")
    expect_no_violations(page)


def test_recorded_experiments_and_two_compared(open_page):
    page = open_page()
    open_tab(page, "Train")
    expect_no_violations(page)
    open_tab(page, "Experiments")
    page.locator("[data-run]").first.click()
    page.wait_for_selector("#curves .main-svg")
    expect_no_violations(page)
    open_tab(page, "Compare")
    expect(page.locator("#compare-confusion-difference .main-svg").first).to_be_visible()
    expect_no_violations(page)
    open_tab(page, "Explore")
    page.evaluate("location.hash = '#errors?source=recorded%2Fravdess-linear-f&where=label%3Dsadness&where=gender%3Dmale'")
    open_tab(page, "Errors")
    expect(page.locator(".me-row").first).to_be_visible()
    expect(page.locator(".me-interval:not([hidden])").first).to_be_visible()
    expect_no_violations(page)


def test_the_report(open_page, analysis, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(report_html(analysis), encoding="utf-8")
    page = open_page(to=path.as_uri())
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.locator(".mv-tile[data-unit=S]").nth(2).click()
        page.evaluate(OPEN_ALL, "body")
        assert find_violations(page) == []


# keyboard


def tab_to(page, selector, *, most=60, key="Tab"):
    """Presses Tab until the focus is there, which must be seen by a ring."""
    for _ in range(most):
        page.keyboard.press(key)
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            assert page.evaluate(RING) >= 2, selector
            return
    pytest.fail(f"{key} does not lead to {selector}; it is at {page.evaluate('document.activeElement.outerHTML.slice(0, 200)')}")


def expect_focus(page, selector):
    page.wait_for_function("(selector) => document.activeElement.matches(selector)", arg=selector)


def choose_entry(page, number, key):
    tab_to(page, f"#keep-list label:nth-child({number}) input", key=key)
    with page.expect_response(lambda response: "/gradio_api/run/" in response.url):
        page.keyboard.press("Space")
    page.wait_for_timeout(500)  # its own note and tags come


def test_a_claim_is_tested_and_two_results_are_pinned_by_keyboard(open_page):
    page = open_page()
    press = page.keyboard.press
    page.wait_for_selector("#views .mv-tile")
    tab_to(page, ".mm-skip", most=2)
    press("Enter")
    expect_focus(page, ".mm-results")
    tab_to(page, "button[id^=example-1]", most=30, key="Shift+Tab")  # the examples stand above the inputs
    page.evaluate("document.querySelector('#views .mv').dataset.before = 'yes'")
    press("Enter")
    page.wait_for_selector("#views .mv:not([data-before]) .mv-tile")
    expect_focus(page, "button[id^=example-1]")

    tab_to(page, "[data-part=emotion] input")
    before = page.evaluate("mmerViews.get().emotion")
    press("ArrowRight")
    assert page.evaluate("mmerViews.get().emotion") != before
    tab_to(page, ".mv-tile[data-unit=S]", most=20)
    press("ArrowRight")
    press("Enter")  # plays it
    assert page.evaluate("mmerViews.get().unit") == "S"
    press("ArrowUp")
    assert page.evaluate("mmerViews.get().unit") == "W"

    tab_to(page, "#claim-run")
    press("Space")
    expect(page.locator("#claim-result .mc-table").first).to_be_visible()
    expect_focus(page, "#claim-run")  # it was off while it ran
    tab_to(page, "#curve-run")
    press("Enter")
    expect(page.locator(".mc-curve")).to_be_visible()
    expect_focus(page, "#curve-run")
    tab_to(page, ".mc-curve th button", most=5)
    press("Enter")
    expect(page.locator(".mc-curve tr.mc-selected")).to_have_count(1)
    tab_to(page, "#claim-open", key="Shift+Tab")
    press("Enter")
    expect(page.locator("#keep-list label")).to_have_count(2)
    expect(page.locator("#claim-open")).to_be_hidden()
    page.wait_for_function("document.activeElement !== document.body")  # the button is gone, the place is kept

    choose_entry(page, 1, "Tab")
    tab_to(page, "#keep-note textarea", most=3)
    page.keyboard.type("by keyboard")
    tab_to(page, "#keep-pin-A", most=5)
    expect(page.locator("#keep-list label").first).to_contain_text("by keyboard")
    press("Enter")
    expect(page.locator("#keep-list label").first).to_contain_text("[A]")
    choose_entry(page, 2, "Shift+Tab")
    tab_to(page, "#keep-pin-B", most=8)
    press("Enter")
    expect(page.locator("#keep-list label").nth(1)).to_contain_text("[B]")
    expect_focus(page, "#keep-pin-B")


def test_the_tabs_are_walked_by_keyboard(open_page):
    page = open_page()
    press = page.keyboard.press
    page.wait_for_selector("#analyse")
    tab_to(page, "[role=tab][data-tab-id=learn]", most=8)
    press("Enter")
    page.wait_for_selector(".ml-page:not([hidden])")
    tab_to(page, ".ml-mark", most=12)
    press("ArrowRight")
    tab_to(page, ".ml-page:not([hidden]) .ml-answer input")
    press("Space")
    expect(page.locator(".ml-page:not([hidden]) .ml-feedback")).not_to_be_empty()

    tab_to(page, "[role=tab][data-tab-id=batch]", key="Shift+Tab")
    press("Enter")
    page.set_input_files("#batch-files input[type=file]", 20 * [CARDS / "001.wav"])
    expect(page.locator("#batch-files")).to_contain_text("001")
    expect(page.locator("#batch-analyse")).to_be_enabled()  # until then Tab goes past it
    tab_to(page, "#batch-analyse", most=80)
    press("Enter")
    expect(page.locator("#batch-analyse")).to_be_disabled()
    tab_to(page, "#batch-cancel", most=2)
    press("Enter")
    expect(page.locator("#batch-progress")).to_contain_text("Cancelled after")
    expect_focus(page, "#batch-cancel")

    tab_to(page, "[role=tab][data-tab-id=train]", key="Shift+Tab", most=80)
    press("Enter")
    tab_to(page, "[role=tab][data-tab-id=runs]", most=5)
    press("Enter")
    page.wait_for_selector("[data-run]")
    tab_to(page, "[data-run]:not([aria-current=true])", most=6)
    name = page.evaluate("document.activeElement.querySelector('b').textContent")
    press("Enter")
    expect(page.locator("#run-head h2")).to_contain_text(name)
    page.wait_for_function("(name) => document.activeElement.dataset.run?.endsWith(name)", arg=name)
