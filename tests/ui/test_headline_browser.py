"""A tone in the real app: the page says in big type that nobody speaks, and folds the numbers away, on a wide and on a narrow page."""

import numpy as np
import pytest
import soundfile
from by_hand import BY_HAND
from playwright.sync_api import expect
from test_browser import PATIENCE

from mmer.choices.emotions import EMOTIONS

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def tone(tmp_path_factory):
    path = tmp_path_factory.mktemp("sounds") / "tone.wav"
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000), 16_000)
    return path


@pytest.mark.parametrize("width", [1280, 390])
def test_a_tone_has_no_emotion_in_big_type(browser, address, tone, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.set_default_timeout(PATIENCE)
    page.add_init_script(BY_HAND)
    page.goto(address)
    page.set_input_files("#clip input[type=file]", str(tone))
    expect(page.locator("#clip")).to_contain_text("0:02")
    page.click("#analyse")
    card = page.locator(".mm-verdict")
    expect(card).to_be_visible(timeout=PATIENCE)
    big = card.locator(".mm-emotion")
    assert big.inner_text() == "No speech was heard"
    assert not any(f"{emotion} " in card.inner_text() for emotion in EMOTIONS)  # the numbers are folded away
    assert big.evaluate("e => e.scrollWidth <= e.clientWidth + 1") and page.evaluate("document.body.scrollWidth <= innerWidth")
    assert page.locator("#notices").inner_text().count("No words were heard") == 0
    card.locator("summary").click()
    expect(card.locator(".mm-role").first).to_be_visible()
    colours = card.locator(".mm-bar").evaluate_all("bars => [...new Set(bars.map((b) => getComputedStyle(b).backgroundColor))]")
    assert len(colours) == 1  # all grey: none stands out
    page.close()
