"""The Batch tab in a real browser: two recordings with their words, progress, the table and its files; a batch that is cancelled."""

import csv
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect
from test_browser import PATIENCE

pytestmark = pytest.mark.browser
BARS = """(cells) => cells.map((cell) => {
  const { backgroundSize, backgroundPositionX, backgroundOrigin } = getComputedStyle(cell);
  return [cell.innerText, `${backgroundSize} | ${backgroundPositionX} ${backgroundOrigin}`];
})"""
CARDS = Path("/usr/share/pocketsphinx/test/data/cards")


@pytest.fixture
def page(browser, address):
    page = browser.new_page(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: pytest.fail(f"a script failed: {error}"))
    page.goto(address)
    page.get_by_role("tab", name="Batch", exact=True).click()
    yield page
    page.close()


def send(page, *paths):
    page.set_input_files("#batch-files input[type=file]", [str(path) for path in paths])
    expect(page.locator("#batch-files")).to_contain_text(paths[-1].stem)


def test_two_recordings_with_their_words_become_a_table(page, tmp_path):
    listed = tmp_path / "words.csv"
    listed.write_text("path,text\n002.wav,four of hearts <i>\n", encoding="utf-8")
    expect(page.locator("#batch-analyse")).to_be_disabled()  # there are no recordings yet
    send(page, CARDS / "001.wav", CARDS / "002.wav")
    page.set_input_files("#batch-list input[type=file]", str(listed))
    expect(page.locator("#batch-list")).to_contain_text("words")
    page.click("#batch-analyse")
    expect(page.locator("#batch-progress")).to_contain_text(re.compile("Waiting|of 2"))
    expect(page.locator("#batch-progress")).to_contain_text("2 recordings in")
    rows = page.locator(".mb-table tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("four of hearts <i>")
    bars = page.locator(".mb-table td.mb-number").evaluate_all(BARS)
    assert len(bars) == 8
    for share, bar in bars:  # from the left, on a track as wide as the cell
        assert bar == f"{share.replace(' ', '')} 3px, 100% 3px | 0px, 0px content-box, content-box"
    expect(page.locator("#batch-cancel")).to_be_disabled()  # nothing runs
    expect(page.locator("#batch-progress")).to_contain_text("2 recordings in")
    with page.expect_download() as download:
        page.click("#batch-csv")
    with open(download.value.path(), encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert [row["path"] for row in found] == ["002.wav", "001.wav"]
    assert [row["verdict"] for row in found] == rows.locator("td:nth-child(2) b").all_inner_texts()


def test_a_cancelled_batch_shows_what_it_has(page, tmp_path):
    clips = [tmp_path / f"{i:02}.wav" for i in range(30)]
    for clip in clips:
        shutil.copy(CARDS / "001.wav", clip)
    send(page, *clips)
    page.click("#batch-analyse")
    expect(page.locator("#batch-progress progress")).to_have_attribute("value", re.compile("[1-9]"))
    expect(page.locator("#batch-analyse")).to_be_disabled()
    page.click("#batch-cancel")
    expect(page.locator("#batch-progress")).to_contain_text(re.compile(r"Cancelled after \d+ of 30 recordings"))
    done = int(re.search(r"after (\d+)", page.locator("#batch-progress").inner_text())[1])
    expect(page.locator(".mb-table tbody tr")).to_have_count(done)
    assert 0 < done < 30
    expect(page.locator("#batch-csv")).to_be_visible()
    expect(page.locator("#batch-analyse")).to_be_enabled()
