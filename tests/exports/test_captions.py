"""WebVTT captions, as Chromium's own parser reads them: a cue per word, and nothing in a word that is more than text."""

import base64
import dataclasses

import numpy as np
import pytest
from sample_analysis import make_analysis

from mmer.exports.captions import write_captions, write_time

READ = """async (text) => {
  const track = document.createElement("track");
  const video = document.createElement("video");
  video.append(track);
  document.body.append(video);
  track.track.mode = "hidden";
  const done = new Promise((resolve) => { track.onload = () => resolve("load"); track.onerror = () => resolve("error"); });
  track.src = `data:text/vtt;base64,${text}`;
  if (await done === "error") return null;
  return [...track.track.cues].map((cue) => {
    const shown = cue.getCueAsHTML();
    return [cue.startTime, cue.endTime, shown.textContent, shown.querySelectorAll("*").length];
  });
}"""


@pytest.fixture
def read(browser):
    page = browser.new_page()
    yield lambda text: page.evaluate(READ, base64.b64encode(text.encode()).decode())
    page.close()


def make_sure(analysis):
    """The same analysis, of which an emotion is named."""
    best = analysis.best
    sure = dataclasses.replace(best, margin=1e-9, novelty=None, measured_clips=10)
    return dataclasses.replace(analysis, predictions={**analysis.predictions, best.role: sure})


def test_a_browser_reads_a_cue_per_word(read):
    analysis = make_sure(make_analysis())
    cues = read(write_captions(analysis))
    words = analysis.alignment.words
    np.testing.assert_allclose([cue[:2] for cue in cues], [(word.start, word.end) for word in words], atol=6e-4)
    assert [cue[2].splitlines()[0] for cue in cues] == [word.label for word in words]
    assert all(cue[2].splitlines()[1].startswith(f"{analysis.best.label} ") for cue in cues)


def test_no_word_is_more_than_text(read):
    analysis = make_analysis()
    hostile = ("<b>x</b>", "a --> b", "&lt;c&gt;", "two\n\n00:00.000 --> 00:09.000", "-->")
    words = tuple(dataclasses.replace(word, label=label) for word, label in zip(analysis.alignment.words, hostile))
    clip = dataclasses.replace(analysis.clip, name="a -->\n\n00:00.000 --> 00:09.000\nb.wav")
    attacked = dataclasses.replace(analysis, clip=clip, alignment=dataclasses.replace(analysis.alignment, words=words))
    cues = read(write_captions(attacked))
    assert [cue[2].splitlines()[0] for cue in cues] == [" ".join(label.split()) for label in hostile]
    assert [cue[3] for cue in cues] == [0] * len(hostile)


def test_values_are_said_only_where_an_emotion_is_named():
    unsure = make_analysis()
    far = dataclasses.replace(unsure.best, novelty=9.0, novelty_threshold=1.0)
    text = write_captions(dataclasses.replace(unsure, predictions={**unsure.predictions, far.role: far}))
    assert "logits" not in text and text.count("-->") == len(unsure.alignment.words)


@pytest.mark.parametrize(("seconds", "written"), [(0, "00:00:00.000"), (62.3456, "00:01:02.346"), (3599.9996, "01:00:00.000")])
def test_times(seconds, written):
    assert write_time(seconds) == written
