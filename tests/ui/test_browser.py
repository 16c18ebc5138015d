"""A visitor in a real browser: a real clip, an edited word, another head; nothing leaves the machine."""

import re
from urllib.parse import urlparse

import av
import pytest
import soundfile
from by_hand import BY_HAND
from playwright.sync_api import expect

PATIENCE = 180_000  # ms; a busy machine recognises speech slowly
expect.set_options(timeout=PATIENCE)

pytestmark = pytest.mark.browser


@pytest.fixture
def requests():
    """Hosts that the page asked for anything."""
    return set()


@pytest.fixture
def open_page(browser, address, requests):
    """Opens the app in a window of a given size and colour scheme; every page is closed at the end."""
    pages = []

    def open_one(width=1280, height=900, scheme="light"):
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme, accept_downloads=True)
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: requests.add(urlparse(request.url).hostname))
        page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
        page.add_init_script(BY_HAND)
        page.goto(address)
        page.wait_for_selector("#analyse")
        pages.append(page)
        return page

    yield open_one
    for page in pages:
        page.close()


def upload(page, path):
    page.set_input_files("#clip input[type=file]", str(path))
    expect(page.locator("#clip")).to_contain_text("0:03")


def read_probabilities(page):
    return page.locator(".mm-role").all_text_contents()  # folded


def wait_for_drawing(page):
    for name in ("player", "map", "waterfall", "layers"):
        page.wait_for_selector(f"#views [data-part={name}]")


def test_a_clip_is_analysed_edited_and_heard_by_another_head(open_page, speech_file, requests):
    page = open_page()
    expect(page.locator("#empty")).to_be_visible()
    expect(page.locator(".mm-ethics")).to_have_text("For learning about such models, not for judging people.")
    upload(page, speech_file)
    page.click("#analyse")
    expect(page.locator("#stages")).to_contain_text("Recognising the words")
    expect(page.locator(".mm-verdict")).to_be_visible(timeout=PATIENCE)
    wait_for_drawing(page)
    expect(page.locator("#empty")).not_to_be_visible()
    expect(page.locator("#transcript textarea")).to_have_value(re.compile("young man"))
    assert page.locator(".mm-role caption").all_text_contents() == ["late fusion", "early fusion", "combined"]
    first = read_probabilities(page)

    page.fill("#transcript textarea", "He was not an angry young man.")
    page.locator("#transcript textarea").press("Control+Enter")
    expect(page.locator(".mv-transcript")).to_contain_text("angry", timeout=PATIENCE)
    expect(page.locator("#stages")).to_contain_text("encode speech kept")
    assert read_probabilities(page) != first

    page.click("#settings button")
    page.click("#head input")
    page.get_by_role("option", name="Late-Fs").click()
    expect(page.locator(".mm-role")).to_have_count(1, timeout=PATIENCE)
    expect(page.locator(".mm-role caption")).to_contain_text("late fusion")
    expect(page.locator("#views")).to_contain_text("has no coattention")
    assert requests <= {"127.0.0.1", "localhost", None, ""}


def test_exports_are_downloaded(open_page, speech_file):
    page = open_page()
    upload(page, speech_file)
    page.click("#analyse")
    wait_for_drawing(page)
    for kind, ending in (("json", ".json"), ("textgrid", ".TextGrid"), ("html", ".html")):
        with page.expect_download() as download:
            page.click(f"#export-{kind}")
        assert download.value.suggested_filename == f"young_man{ending}"


def test_an_example_opens_at_once_and_says_whether_it_is_right(open_page):
    page = open_page()
    page.get_by_role("button", name="A real voice").click()
    expect(page.locator(".mm-truth")).to_contain_text(re.compile("the verdict is (right|wrong)"))
    expect(page.locator("#stages")).to_contain_text("stored result")
    wait_for_drawing(page)


def test_a_clip_that_cant_be_used_gives_a_sentence_and_the_app_goes_on(open_page, speech_file, tmp_path):
    short = tmp_path / "short.wav"
    soundfile.write(short, [0.1, -0.1] * 80, 16_000)
    page = open_page()
    expect(page.locator("#analyse")).to_be_disabled()  # there is no clip yet
    page.set_input_files("#clip input[type=file]", str(short))
    page.click("#analyse")
    expect(page.locator(".mm-problem")).to_contain_text("short")
    page.locator("#clip [aria-label='Clear']").click()
    upload(page, speech_file)
    page.click("#analyse")
    expect(page.locator(".mm-verdict")).to_be_visible(timeout=PATIENCE)


def test_cancel_stops_and_keeps_the_earlier_result(open_page, analyzer, speech_file):
    page = open_page()
    page.get_by_role("button", name="A real voice").click()
    expect(page.locator(".mv-transcript")).to_contain_text("amiable")
    expect(page.locator("#cancel")).to_be_disabled()
    page.fill("#transcript textarea", "")
    with analyzer.queue.take():  # it waits for the models, so that the click can't come after its end
        page.click("#analyse")
        expect(page.locator("#stages .mm-running")).to_contain_text("Waiting for a free model")
        page.click("#cancel")
        expect(page.locator(".mm-problem")).to_contain_text("Cancelled. The earlier result is still shown.")
    expect(page.locator(".mv-transcript")).to_contain_text("amiable")
    expect(page.locator("#analyse")).to_be_enabled()
    page.locator("#clip [aria-label='Clear']").click()
    upload(page, speech_file)
    page.click("#analyse")
    expect(page.locator(".mv-transcript")).to_contain_text("young man", timeout=PATIENCE)
    expect(page.locator("#cancel")).to_be_disabled()  # nothing runs any more
    expect(page.locator("#analyse")).to_be_enabled()
    expect(page.locator(".mm-problem")).to_have_count(0)


def test_a_video_with_sound_becomes_the_clip(open_page, speech_file, tmp_path):
    video = tmp_path / "memo.mp4"
    write_mp4(video, speech_file)
    page = open_page()
    page.set_input_files("input[type=file] >> nth=1", str(video))
    expect(page.locator("#clip")).to_contain_text("0:03")


def write_mp4(path, speech_file):
    samples, rate = soundfile.read(speech_file, dtype="float32")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=rate)
        stream.layout = "mono"
        for start in range(0, len(samples), 1024):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="fltp", layout="mono")
            frame.sample_rate = rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_in_one_direction(open_page, speech_file, scheme):
    page = open_page(390, 844, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    upload(page, speech_file)
    page.click("#analyse")
    wait_for_drawing(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_ink_of_figures_follows_the_theme(open_page, speech_file):
    colours = []
    for scheme in ("light", "dark"):
        page = open_page(scheme=scheme)
        upload(page, speech_file)
        page.click("#analyse")
        wait_for_drawing(page)
        colours.append(page.evaluate("getComputedStyle(document.querySelector('#views .mv-lane-name')).color"))
    light, dark = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)
    assert light < 250 < 500 < dark


def test_markup_in_the_transcript_is_text(open_page, speech_file):
    page = open_page()
    upload(page, speech_file)
    page.fill("#transcript textarea", "he was not an <img src=x onerror=alert(1)> ill disposed young man")
    page.click("#analyse")
    expect(page.locator(".mv-transcript")).to_contain_text("<img src=x", timeout=PATIENCE)
    assert page.locator("#results img").count() == 0
