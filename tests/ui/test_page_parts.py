"""The page as a stranger finds it: what each tab shows, what can be pressed; nothing jumps, and the browser complains of nothing."""

import re
from pathlib import Path

import pytest
from by_hand import BY_HAND
from playwright.sync_api import expect
from test_browser import PATIENCE

from mmer.experiments.training_service import TrainingService
from mmer.exports.formats import EXPORTS
from mmer.ui import build_app
from mmer.ui.explore.examples import list_stored

ROOT = Path(__file__).parents[2]
FRAMES = {"tabs", "tabitem", "row", "column", "group", "form", "accordion", "html", "markdown", "state", "timer"}  # not to be used
EXAMPLES = [example.title for example in list_stored(ROOT / "assets" / "examples")]
SHOWN = {
    "page": [],
    "Explore": [
        "Your clip: a few seconds of English speech",
        "What is said",
        "Choose a file",
        "Transcribe",
        "Open an exported JSON file",
        "Analyse",
        "Cancel",
        "Trained models",
        "Aligner",
        "TextGrid file to use instead of the aligner",
        "Pronunciations",
    ],
    "Learn": ["Clip of the lesson", "Your clip", "What is said", "Analyse and explain", "Cancel"],
    "Batch": ["Recordings", "List of their words (optional)", "Analyse all", "Cancel", "Trained models", "Aligner"],
    "Compare": ["First", "Second"],
    "About": [],
}
CLAIM = [
    "Which part",
    "What happens",
    "Where",
    "Run",
    "Cancel",
    "Segments",
    "Where",
    "Emotion",
    "Model",
    "Leave out each in turn",
    "Cancel",
    "Analysed",
    "Note",
    "Tags, separated by spaces",
    "Open",
    "Pin as A",
    "Pin as B",
    "Remove",
    "Copy a link to what is shown",
    *(export.title for export in EXPORTS.values()),
    "Include audio in the JSON",
]
RECORD_SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts.push(entry.value);
}).observe({ type: "layout-shift", buffered: true });
"""
TOP_OF = "(id) => document.getElementById(id).getBoundingClientRect().top + scrollY"


def list_shown(app, *, opened=()):
    """Tab -> names of what is there to be used, in order; `opened`: elem_ids of columns that a result shows."""
    parts = {part["id"]: part for part in app.config["components"]}
    found = {}

    def walk(node, tab, hidden):
        part = parts.get(node["id"])
        if part is not None:
            props, kind = part["props"], part["type"]
            tab = props["label"] if kind == "tabitem" else tab
            hidden = hidden or "mm-hidden" in (props.get("elem_classes") or ())
            hidden = hidden or (props.get("visible") is False and props.get("elem_id") not in opened)
            if kind not in FRAMES and not hidden:
                name = props["label"] if props.get("label") is not None else props.get("value")
                name = name.split("\n")[0] if isinstance(name, str) else name  # a card's further lines say what came of it
                found.setdefault(tab, []).append(name)
        for child in node.get("children") or ():
            walk(child, tab, hidden)

    walk(app.config["layout"], "page", False)
    return found


@pytest.fixture(scope="module")
def app(stored_analyzer, tmp_path_factory):
    service = TrainingService(runs=tmp_path_factory.mktemp("runs"), recorded=ROOT / "assets" / "runs")
    return build_app(stored_analyzer, examples=ROOT / "assets" / "examples", service=service)


@pytest.mark.parametrize("tab", [tab for tab in SHOWN if tab != "Explore"])
def test_a_tab_shows_what_belongs_there_and_nothing_else(app, tab):
    assert list_shown(app).get(tab, []) == SHOWN[tab]


def test_explore_opens_with_a_result_and_its_panels_and_nothing_else(app):
    found = list_shown(app)["Explore"]
    assert sorted(found[:4] + found[4 + len(SHOWN["Explore"]) : len(SHOWN["Explore"]) + len(EXAMPLES)]) == sorted(EXAMPLES)
    assert [name for name in found if name not in EXAMPLES] == SHOWN["Explore"] + CLAIM


def test_without_examples_explore_asks_for_a_clip(stored_analyzer, tmp_path):
    assert list_shown(build_app(stored_analyzer, examples=tmp_path))["Explore"] == SHOWN["Explore"]


def test_every_field_of_the_page_has_a_name_of_its_own_and_stands_in_a_tab(app):
    """A component that is made while the page is laid out, to be sent as a value later, would stand at the page's foot, as "Number"."""
    found = list_shown(app, opened=["results"])
    assert set(found) >= {"Explore", "Learn", "Batch", "New", "About"} - {"About"} and "page" not in found
    for tab, names in found.items():
        assert not [name for name in names if not name or re.fullmatch(r"(Number|Textbox|Radio|Dropdown|Button|Audio|File)", str(name))], (
            tab
        )


@pytest.fixture(scope="module")
def stored_address(serve_app, stored_analyzer, tmp_path_factory):
    """The app that ships, without models: examples open, nothing is analysed."""
    service = TrainingService(runs=tmp_path_factory.mktemp("runs"), recorded=ROOT / "assets" / "runs")
    return serve_app(stored_analyzer, examples=ROOT / "assets" / "examples", service=service)


@pytest.fixture
def open_stored(browser, stored_address):
    """Opens the page in a window of a given width; what its console says is kept in `page.said`."""
    pages = []

    def open_one(width=1280, height=900, *, script=""):
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(PATIENCE)
        page.said = []
        page.on("console", lambda message: page.said.append((message.type, message.text)))
        page.on("pageerror", lambda error: page.said.append(("error", str(error))))
        page.add_init_script(BY_HAND + script)
        page.goto(stored_address)
        page.wait_for_selector("#analyse")
        pages.append(page)
        return page

    yield open_one
    for page in pages:
        page.close()


def open_example(page):
    if not page.locator("#empty").is_visible():  # where no clip was cleared, what the page opens with comes first
        page.wait_for_selector("#views .mv-tile")
    page.get_by_role("button", name=EXAMPLES[0]).click()
    expect(page.locator("#clip [aria-label='Clear']")).to_be_visible()
    page.wait_for_selector("#views .mv-tile")


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_nothing_jumps_while_the_page_comes(open_stored, width, height):
    found = []
    for _ in range(3):  # on a busy machine the parts of the page can come in another order, and one load in many moves more
        page = open_stored(width, height, script=RECORD_SHIFTS)
        page.wait_for_timeout(3000)
        found.append(sum(page.evaluate("window.shifts")))
        if found[-1] < 0.05:  # half of what browsers call good
            return
    pytest.fail(f"The page moved by {found} in three loads.")


@pytest.mark.browser
def test_analyse_stays_where_it_is_whichever_way_a_clip_is_taken(open_stored):
    """On a phone, where nothing is dropped, the recorder comes with the clip."""
    page = open_stored()
    page.wait_for_selector("#views .mv-tile")
    before = page.evaluate(TOP_OF, "analyse")
    page.locator("#clip .source-selection button").last.click()  # the microphone
    expect(page.locator("#clip .record-button")).to_be_visible()
    assert page.evaluate(TOP_OF, "analyse") == pytest.approx(before, abs=8)
    open_example(page)
    expect(page.locator("#clip [aria-label='Clear']")).to_be_visible()
    assert page.evaluate(TOP_OF, "analyse") == pytest.approx(before, abs=8)


@pytest.mark.browser
def test_the_console_says_nothing_in_any_tab(open_stored):
    page = open_stored()
    open_example(page)
    for name in ("Learn", "Batch", "Train", "About", "Explore"):
        page.get_by_role("tab", name=name, exact=True).click()
        page.wait_for_timeout(1000)
    page.locator("#clip [aria-label='Clear']").click()
    expect(page.locator("#empty")).to_be_visible()
    page.wait_for_timeout(500)
    assert [said for said in page.said if said[0] in ("error", "warning")] == []


@pytest.mark.browser
def test_what_needs_a_clip_or_work_can_t_be_pressed_without(open_stored, speech_file):
    page = open_stored()
    for name in ("analyse", "transcribe", "cancel"):
        expect(page.locator(f"#{name}")).to_be_disabled()
    page.set_input_files("#clip input[type=file]", str(speech_file))
    for name in ("analyse", "transcribe"):
        expect(page.locator(f"#{name}")).to_be_enabled()
    page.locator("#clip [aria-label='Clear']").click()
    expect(page.locator("#analyse")).to_be_disabled()
    page.get_by_role("tab", name="Batch").click()
    for name in ("batch-analyse", "batch-cancel"):
        expect(page.locator(f"#{name}")).to_be_disabled()
    page.set_input_files("#batch-files input[type=file]", str(speech_file))
    expect(page.locator("#batch-analyse")).to_be_enabled()


@pytest.mark.browser
def test_a_verdict_goes_with_its_clip(open_stored):
    page = open_stored()
    open_example(page)
    page.locator("#clip [aria-label='Clear']").click()
    expect(page.locator("#results")).to_be_hidden()
    expect(page.locator("#empty")).to_contain_text("still in your session’s list")
    expect(page.locator("#verdict")).to_be_hidden()
    open_example(page)
    expect(page.locator("#verdict")).to_be_visible()
    expect(page.locator("#empty")).to_be_hidden()
    expect(page.locator("#keep-list label")).to_have_count(1)


@pytest.mark.browser
def test_a_link_opens_its_example_or_says_that_there_is_none(open_stored, stored_address):
    page = open_stored()
    page.goto(f"{stored_address}?example=1-librivox-young-man&select=W3")
    page.wait_for_function("() => window.mmerViews?.get()?.segment === 2")
    page.goto(f"{stored_address}?example=none")
    expect(page.locator(".toast-body")).to_contain_text("There is no example 'none'")


NO_CLIPBOARD = 'Object.defineProperty(navigator, "clipboard", { value: undefined });'
DENIED = NO_CLIPBOARD + "document.execCommand = () => false;"


@pytest.mark.browser
@pytest.mark.parametrize(("script", "said"), [(NO_CLIPBOARD, "Copied."), (DENIED, "The browser let nothing be copied: press Ctrl+C.")])
def test_copied_is_said_where_something_was_copied(open_stored, script, said):
    """On a page over plain http a browser has no clipboard for scripts."""
    page = open_stored(script=script)
    open_example(page)
    page.click("#keep-link")
    expect(page.locator("#keep-link-status")).to_have_text(said)
    link = page.locator("#keep-link-text").inner_text()
    assert "example=1-librivox-young-man" in link
    if said == "Copied.":
        page.locator("#keep-note textarea, #keep-note input").first.focus()
        page.keyboard.press("Control+V")
        expect(page.locator("#keep-note textarea, #keep-note input").first).to_have_value(re.compile("example=1-librivox-young-man"))
    else:
        assert page.evaluate("getSelection().toString()") == link
    page.get_by_role("tab", name="Train").click()
    page.get_by_role("button", name="The same from the command line").click()
    button = page.locator("#shell-command [data-copy]")
    button.click()
    expect(button).to_have_text("Copied" if said == "Copied." else "Not copied: press Ctrl+C")
