"""The page opens with a finished result; the visitor's own voice is two clicks from its verdict."""

import base64
from pathlib import Path

import pytest
from by_hand import BY_HAND
from playwright.sync_api import expect
from test_browser import PATIENCE

pytestmark = pytest.mark.browser
EXAMPLES = Path(__file__).parents[2] / "assets" / "examples"
SENTENCE = "/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0880.wav"
HINT = "() => document.querySelector('.mv-hint')?.checkVisibility() ? document.querySelector('.mv-hint').textContent : ''"
FAKE = ("--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
REFUSALS = {
    "NotAllowedError": "keeps the microphone from this page",
    "NotFoundError": "No microphone was found",
    "NotReadableError": "another program has it",
    "": "over https",
}


@pytest.fixture(scope="module")
def opened(browser, serve_app, stored_analyzer):
    """The shipped page on a large and on a small window, as it opens."""
    address = serve_app(stored_analyzer, examples=EXAMPLES)
    pages = {}
    for width, height in ((1280, 800), (390, 844)):
        page = browser.new_page(viewport={"width": width, "height": height})
        page.add_init_script(BY_HAND)
        page.goto(address)
        page.wait_for_selector("#views .mv-tile", timeout=PATIENCE)
        pages[width] = page
    yield pages
    for page in pages.values():
        page.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_first_screen_is_a_finished_result_with_cards_and_a_large_button(opened, width):
    page = opened[width]
    height = page.viewport_size["height"]
    parts = ("#verdict .mm-emotion", "#verdict .mm-because", "#voice", ".mm-card >> nth=0")
    for part in (*parts, "[data-part=play]") if width == 1280 else parts:
        box = page.locator(part).bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= height, part
    expect(page.locator(".mm-card")).to_have_count(4)
    expect(page.locator(".mm-card[aria-current=true]")).to_have_count(1)
    assert "✓" in page.locator(".mm-card[aria-current=true]").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_words_are_lit_as_they_sound_with_what_they_add(opened):
    page = opened[1280]
    page.click("[data-part=play]")
    page.wait_for_function("() => document.querySelectorAll('.mv-piece.mv-now').length > 0")
    said = page.wait_for_function("() => document.querySelector('.mv-now-word').textContent").json_value()
    assert said[-6] == " " and said[-5] in "+−" and said[-3] == "."
    page.click("[data-part=play]")
    expect(page.locator(".mv-now-word")).to_have_text("")


def test_a_term_explains_itself_on_hover_focus_and_tap(opened):
    page = opened[1280]
    term = page.locator(".mm-because .mv-term")
    term.hover()
    assert "mixed by attention" in page.evaluate(HINT)
    assert term.get_attribute("aria-describedby") == "mv-hint"
    page.keyboard.press("Escape")
    assert page.evaluate(HINT) == ""
    page.locator("[data-part=scale] .mv-term").focus()
    assert "before it becomes a probability" in page.evaluate(HINT)
    page.mouse.click(5, 5)
    opened[390].locator(".mm-because .mv-term").click()
    assert "mixed by attention" in opened[390].evaluate(HINT)
    opened[390].keyboard.press("Escape")


@pytest.mark.parametrize("name", REFUSALS)
def test_without_a_microphone_a_sentence_says_what_to_do(opened, name):
    page = opened[1280]
    refuse = f"() => Promise.reject(new DOMException('', '{name}'))" if name else "undefined"
    page.evaluate(f"() => Object.defineProperty(navigator, 'mediaDevices', {{ configurable: true, value: {{ getUserMedia: {refuse} }} }})")
    page.click("#voice")
    expect(page.locator("#voice-problem")).to_contain_text(REFUSALS[name])
    expect(page.locator("#voice-problem")).to_contain_text("choose a file")
    expect(page.locator("#verdict .mm-emotion")).to_be_visible()


DROP = """async (sound) => {
  const bytes = Uint8Array.from(atob(sound), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], "dropped.wav", { type: "audio/wav" }));
  document.getElementById("verdict").dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
}"""


def test_a_file_may_be_dropped_anywhere(opened, speech_file):
    page = opened[1280]
    page.evaluate(DROP, base64.b64encode(speech_file.read_bytes()).decode())
    expect(page.locator("#clip [aria-label=Clear]")).to_be_visible()
    expect(page.locator("#clip")).to_contain_text("0:03")
    expect(page.locator("#stages")).to_contain_text("has not been analysed yet")


def test_a_recording_reaches_its_verdict_in_two_clicks(address, recorder):
    page = recorder.new_page(viewport={"width": 1280, "height": 800})
    troubles = []
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.goto(address)
    page.wait_for_selector("#voice")
    page.wait_for_timeout(500)
    page.click("#voice")
    expect(page.locator("#voice")).to_have_text("Stop", timeout=PATIENCE)
    page.wait_for_timeout(3200)
    page.click("#voice")
    expect(page.locator("#verdict .mm-emotion")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#voice")).to_have_text("Your voice")
    expect(page.locator("#transcript textarea")).not_to_have_value("")
    assert troubles == []


@pytest.fixture
def recorder(browser):
    """A browser whose microphone hears a real sentence."""
    args = [*FAKE, f"--use-file-for-fake-audio-capture={SENTENCE}"]
    other = browser.browser_type.launch(executable_path="/usr/bin/chromium", args=args)
    yield other
    other.close()


def test_the_switch_keeps_a_file_waiting_and_is_remembered(browser, address, speech_file):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(address)
    page.wait_for_selector("#auto")
    page.uncheck("#auto")
    page.set_input_files("#clip input[type=file]", str(speech_file))
    expect(page.locator("#analyse")).to_be_enabled()
    page.wait_for_timeout(700)
    expect(page.locator("#stages .mm-running")).to_have_count(0)
    page.reload()
    page.wait_for_selector("#auto")
    expect(page.locator("#auto")).not_to_be_checked()
    page.check("#auto")
    page.set_input_files("#clip input[type=file]", str(speech_file))
    expect(page.locator("#verdict .mm-emotion")).to_be_visible(timeout=PATIENCE)
    page.close()
