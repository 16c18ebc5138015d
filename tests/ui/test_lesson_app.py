"""The Learn tab in a real browser: the whole lesson clicked through with right and wrong answers, links, keys, a clip of one's own."""

from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import expect
from test_browser import PATIENCE

pytestmark = pytest.mark.browser
EXAMPLES = Path(__file__).parents[2] / "assets" / "examples"
SECOND, FIFTH = "2-librivox-cold-hearted", "5-synthetic-angry-words-loud-voice"


@pytest.fixture(scope="module")
def lesson_address(serve_app, shipped_analyzer):
    """The app with the shipped examples and the heads that they are of."""
    return serve_app(shipped_analyzer, examples=EXAMPLES)


@pytest.fixture
def open_lesson(browser, lesson_address):
    pages, troubles = [], []

    def open_one(link="", *, width=1280, height=900, scheme="light"):
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(lesson_address + link)
        if not link:
            page.get_by_role("tab", name="Learn").click()
        page.wait_for_selector(".ml-page:not([hidden])")
        pages.append(page)
        return page

    yield open_one
    for page in pages:
        page.close()
    assert troubles == []


def shown(page):
    return page.locator(".ml-page:not([hidden])")


def choose_clip(page, title):
    page.click("#lesson-clip input")
    page.get_by_role("option", name=title).click()


def leave_and_return(page):
    page.get_by_role("tab", name="About").click()
    expect(page.locator("#lesson")).to_be_hidden()
    page.get_by_role("tab", name="Learn").click()
    expect(shown(page)).to_be_visible()
    page.wait_for_timeout(1000)  # what the tab asks for when it is opened would have come by then


@pytest.mark.parametrize(("width", "height", "scheme"), [(1280, 900, "light"), (390, 844, "dark")])
def test_the_whole_lesson_is_clicked_through_with_right_and_wrong_answers(open_lesson, width, height, scheme):
    page = open_lesson(width=width, height=height, scheme=scheme)
    for number in range(1, 9):
        step = shown(page)
        expect(step).to_have_attribute("data-step", str(number))
        expect(step.locator("h2")).to_be_visible()
        assert step.locator("math").count() >= 1
        feedback = step.locator(".ml-feedback")
        for wrong in step.locator("input[data-right=false]").all():
            wrong.check()
            expect(feedback).to_contain_text("✗ Not this one.")
            assert len(feedback.inner_text()) > len("✗ Not this one. ") + 20
        expect(page.locator(".ml-progress")).to_contain_text(f"{number - 1} of 8")
        step.locator("input[data-right=true]").check()
        expect(feedback).to_contain_text("✓")
        expect(page.locator(".ml-progress")).to_contain_text(f"{number} of 8")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if number < 8:
            step.get_by_role("button", name="Next →").click()
            assert page.evaluate("document.activeElement.id") == f"ml-title-{number + 1}"
    expect(shown(page).get_by_role("button", name="Next →")).to_be_disabled()
    assert page.locator(".ml-mark.ml-done").count() == 8


WHERE_HEADING_IS = """() => {
  const bar = document.querySelector(".ml-nav").getBoundingClientRect();
  const title = document.querySelector(".ml-page:not([hidden]) h2").getBoundingClientRect();
  return {bar: bar.bottom, top: title.top, bottom: title.bottom, window: innerHeight};
}"""


def expect_heading_in_view(page, number):
    """The step's heading stands below the bar that sticks to the window's top, and above the window's end."""
    expect(shown(page).locator(".ml-kicker")).to_contain_text(f"Step {number} of 8")
    page.wait_for_timeout(100)
    found = page.evaluate(WHERE_HEADING_IS)
    assert 0 < found["bar"] <= found["top"] < found["bottom"] <= found["window"], (number, found)


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_every_turn_of_a_page_brings_its_heading_into_view(open_lesson, width, height):
    page = open_lesson(width=width, height=height)
    for number in range(2, 9):
        shown(page).locator(".ml-turn button").last.click()  # it stands at the page's end
        expect_heading_in_view(page, number)
    for number in range(7, 0, -1):
        shown(page).locator(".ml-turn button").first.click()
        expect_heading_in_view(page, number)
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.click(".ml-mark >> nth=4")
    expect_heading_in_view(page, 5)


def test_an_address_opens_a_step_of_an_example_and_follows_the_pages(open_lesson):
    page = open_lesson(f"#learn-4-{SECOND}")
    expect(shown(page)).to_have_attribute("data-step", "4")
    expect(page.locator(".ml")).to_have_attribute("data-clip", SECOND)
    expect(page.locator("#lesson-clip input")).to_have_value("A real voice: cold-hearted")
    shown(page).get_by_role("button", name="← Previous").click()
    assert page.url.endswith(f"#learn-3-{SECOND}")


def test_an_address_of_nothing_opens_the_first_example(open_lesson):
    page = open_lesson("#learn-99-no-such-clip")
    expect(shown(page)).to_have_attribute("data-step", "8")
    expect(page.locator(".ml")).to_have_attribute("data-clip", "1-librivox-young-man")


def test_another_clip_keeps_the_step_and_changes_the_numbers(open_lesson):
    page = open_lesson("#learn-4")
    first = shown(page).locator(".ml-sum").first.inner_text()
    choose_clip(page, "Synthetic: angry words, loud voice")
    expect(page.locator(".ml")).to_have_attribute("data-clip", FIFTH)
    expect(shown(page)).to_have_attribute("data-step", "4")
    assert shown(page).locator(".ml-sum").first.inner_text() != first


def test_the_address_names_what_is_shown_and_another_tab_changes_nothing(open_lesson):
    page = open_lesson()
    page.wait_for_url("**/#learn-1-1-librivox-young-man")
    page = open_lesson(f"#learn-4-{SECOND}")
    choose_clip(page, "Synthetic: angry words, loud voice")
    page.wait_for_url(f"**/#learn-4-{FIFTH}")
    leave_and_return(page)
    expect(page.locator(".ml")).to_have_attribute("data-clip", FIFTH)
    expect(shown(page)).to_have_attribute("data-step", "4")
    assert page.url.endswith(f"#learn-4-{FIFTH}")


def test_an_address_that_is_changed_is_followed(open_lesson):
    page = open_lesson(f"#learn-4-{SECOND}")
    page.evaluate(f"location.hash = 'learn-6-{FIFTH}'")
    expect(page.locator(".ml")).to_have_attribute("data-clip", FIFTH)
    expect(shown(page)).to_have_attribute("data-step", "6")
    expect(page.locator("#lesson-clip input")).to_have_value("Synthetic: angry words, loud voice")
    page.evaluate("location.hash = 'learn-2-no-such-clip'")
    page.wait_for_url(f"**/#learn-2-{FIFTH}")
    expect(shown(page)).to_have_attribute("data-step", "2")


def test_answers_belong_to_their_clip(open_lesson):
    page = open_lesson(f"#learn-1-{SECOND}")
    shown(page).locator("input[data-right=true]").check()
    expect(page.locator(".ml-progress")).to_have_text("1 of 8 questions answered correctly")
    choose_clip(page, "Synthetic: angry words, loud voice")
    expect(page.locator(".ml")).to_have_attribute("data-clip", FIFTH)
    expect(page.locator(".ml-progress")).to_have_text("0 of 8 questions answered correctly")
    assert page.locator(".ml-mark.ml-done").count() == 0


def test_the_same_clip_drawn_again_keeps_its_answers(open_lesson):
    page = open_lesson(f"#learn-1-{SECOND}")
    shown(page).locator("input[data-right=true]").check()
    page.locator(".ml-mark[data-go='2']").click()
    shown(page).locator("input[data-right=false]").first.check()
    page.evaluate("mmerLesson.show(document.querySelector('.ml-place'), document.querySelector('.ml-place').innerHTML)")
    expect(page.locator(".ml-progress")).to_have_text("1 of 8 questions answered correctly")
    expect(shown(page).locator("input[data-right=false]").first).to_be_checked()
    expect(shown(page).locator(".ml-feedback")).to_contain_text("✗ Not this one.")
    page.locator(".ml-mark[data-go='1']").click()
    expect(shown(page).locator("input[data-right=true]")).to_be_checked()
    expect(shown(page).locator(".ml-feedback")).to_contain_text("✓")


def test_keys_turn_pages_and_answer(open_lesson):
    page = open_lesson()
    page.locator(".ml-mark[data-go='1']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(shown(page)).to_have_attribute("data-step", "3")
    page.keyboard.press("ArrowLeft")
    expect(shown(page)).to_have_attribute("data-step", "2")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.ml-page:not([hidden]) .ml-answer input')"):
            break
    page.keyboard.press("Space")
    expect(shown(page).locator(".ml-feedback")).to_contain_text("✓")  # the first answer of step 2 is right
    page.keyboard.press("ArrowDown")
    expect(shown(page).locator(".ml-feedback")).to_contain_text("✗")


def test_a_sound_is_played_from_its_start_to_its_end(open_lesson):
    page = open_lesson()
    button = shown(page).locator("[data-play]").nth(1)
    start, end = map(float, button.get_attribute("data-play").split(","))
    button.click()
    page.wait_for_function("[...document.querySelectorAll('.ml audio')].some((sound) => sound.paused && sound.currentTime > 0)")
    at = page.evaluate("Math.max(...[...document.querySelectorAll('.ml audio')].map((sound) => sound.currentTime))")
    assert start < at < end + 0.3


def test_a_clip_of_one_s_own_is_taught_and_its_words_are_left_out(open_lesson, speech_file):
    page = open_lesson("#learn-7")
    page.locator("#lesson-own button").first.click()
    page.set_input_files("#lesson-audio input[type=file]", str(speech_file))
    expect(page.locator("#lesson-audio")).to_contain_text("0:03")
    page.click("#lesson-analyse")
    expect(page.locator(".ml")).to_have_attribute("data-clip", "")
    page.wait_for_url("**/#learn-7")
    leave_and_return(page)
    expect(page.locator(".ml")).to_have_attribute("data-clip", "")
    expect(page.locator("#lesson-clip input")).to_have_value("")  # none of the examples
    expect(shown(page).locator(".ml-instead")).to_contain_text("its words have not been left out yet")
    page.locator(".ml-mark[data-go='4']").click()
    shown(page).locator("input[data-right=true]").check()
    expect(shown(page).locator(".ml-clip")).to_contain_text("Your own clip")
    expect(shown(page).locator(".ml-check")).to_contain_text("the same")
    page.locator(".ml-mark[data-go='7']").click()
    shown(page).locator("[data-press]").click()
    expect(shown(page).locator(".ml-instead")).to_have_count(0)
    expect(shown(page).locator(".ml-clip")).to_contain_text("Your own clip")
    expect(shown(page).locator(".ml-table tbody tr").first).to_be_visible()
    expect(page.locator(".ml-progress")).to_have_text("1 of 8 questions answered correctly")


def test_a_run_is_cancelled_while_it_works_and_while_it_waits(open_lesson, shipped_analyzer, speech_file):
    first, other = open_lesson("#learn-7"), open_lesson("#learn-7")
    expect(first.locator("#lesson-cancel")).to_be_hidden()  # nothing runs
    with shipped_analyzer.queue.take():  # no model gets to work
        shown(first).locator("[data-press]").click()
        expect(first.locator("#lesson-status")).to_contain_text("Waiting for a free model: 1 is before you")
        other.locator("#lesson-own button").first.click()
        other.set_input_files("#lesson-audio input[type=file]", str(speech_file))
        expect(other.locator("#lesson-audio")).to_contain_text("0:03")
        other.click("#lesson-analyse")
        expect(other.locator("#lesson-status")).to_contain_text("Waiting for a free model: 2 are before you")
        for page in (other, first):
            page.click("#lesson-cancel")
            expect(page.locator("#lesson-status .mm-problem")).to_have_text("Cancelled.")
            expect(page.locator("#lesson-cancel")).to_be_hidden()
        first.wait_for_timeout(1500)
        for page in (other, first):
            expect(page.locator("#lesson-status .mm-problem")).to_have_text("Cancelled.")
    expect(first.locator(".ml")).to_have_attribute("data-clip", "1-librivox-young-man")
    other.click("#lesson-analyse")  # and it can be asked again
    expect(other.locator(".ml")).to_have_attribute("data-clip", "")


def test_without_a_clip_nothing_can_be_analysed(open_lesson, speech_file):
    page = open_lesson()
    page.locator("#lesson-own button").first.click()
    expect(page.locator("#lesson-analyse")).to_be_disabled()
    page.set_input_files("#lesson-audio input[type=file]", str(speech_file))
    expect(page.locator("#lesson-analyse")).to_be_enabled()
    page.locator("#lesson-audio [aria-label='Clear']").click()
    expect(page.locator("#lesson-analyse")).to_be_disabled()


def test_the_page_on_limits_names_the_law_the_licences_and_what_is_kept(open_lesson):
    page = open_lesson()
    page.get_by_role("tab", name="About").click()
    about = page.locator(".mm-about")
    for part in (
        "Regulation (EU) 2024/1689",
        "Article 5(1)(f)",
        "medical or safety reasons",
        "acted",
        "CC BY-NC-SA 4.0",
        "deleted within the hour",
        "Polish",
    ):
        expect(about).to_contain_text(part)


def test_a_label_that_does_not_fit_never_reads_as_another_word(open_lesson):
    page = open_lesson("#learn-1", width=390, height=844)
    cut = page.evaluate(
        """[...document.querySelectorAll(".ml-page:not([hidden]) .ml-tile > span")].filter((label) => {
            const [text, tile] = [label.getBoundingClientRect(), label.parentElement.getBoundingClientRect()];
            const inside = text.left >= tile.left - 1 && text.right <= tile.right + 1 && text.bottom <= tile.bottom + 1;
            return !inside && text.top < tile.bottom - 1;
        }).map((label) => label.textContent)"""
    )
    assert cut == []
    shown_labels = "label => label.getBoundingClientRect().top < label.parentElement.getBoundingClientRect().bottom - 1"
    labels = page.evaluate(
        f"[...document.querySelectorAll('.ml-page:not([hidden]) .ml-tile > span')].filter({shown_labels}).map((l) => l.textContent)"
    )
    assert "ill-disposed" in labels and "young" not in labels


@pytest.mark.parametrize("clip", ["1-librivox-young-man", FIFTH])
def test_names_of_a_map_s_columns_do_not_lie_on_each_other(open_lesson, clip):
    page = open_lesson(f"#learn-5-{clip}", width=390, height=844)
    spots = page.evaluate(
        """[...document.querySelectorAll(".ml-page:not([hidden]) .ml-map")[0].querySelectorAll("em")]
            .filter((name) => getComputedStyle(name).visibility === "visible")
            .map((name) => name.getBoundingClientRect()).map((spot) => [spot.left, spot.right])"""
    )
    assert spots and all(after[0] >= before[1] - 1 for before, after in pairwise(spots))
