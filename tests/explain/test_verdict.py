"""What is said of a clip in one place: nothing of an emotion for tones, noise, hums and chords, and each reason once."""

import re
from dataclasses import replace

import numpy as np
import pytest
from sample_analysis import make_analysis

from mmer.audio.load import clip_from_samples
from mmer.explain.verdict import HEADLINES, NO_SPEECH, UNFAMILIAR, brief, describe_verdict, list_limits, read_headline
from mmer.exports.analysis_json import analysis_from_json, analysis_to_json
from mmer.exports.report import report_html
from mmer.exports.summary import LEFT_OUT, summarise
from mmer.results import NO_WORDS, NOBODY_SPEAKS, NOTHING_HEARD, SAMPLE_RATE, Notice
from mmer.ui.explore.cards import write_notices, write_verdict

SECONDS = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE


def sine(*hertz):
    return sum(0.2 / (k + 1) * np.sin(2 * np.pi * f * SECONDS) for k, f in enumerate(hertz))


SOUNDS = {
    "a tone of 440 Hz": sine(440),
    "noise": 0.1 * np.random.default_rng(0).standard_normal(len(SECONDS)),
    "near silence": 1e-3 * np.random.default_rng(1).standard_normal(len(SECONDS)),
    "mains hum": sine(50, 100, 150, 200, 250),
    "a chord": sine(261.6, 329.6, 392.0) * np.exp(-SECONDS),
    "a minor chord": sine(440, 523.3, 659.3) * np.exp(-2 * (SECONDS % 1)),
}


@pytest.mark.parametrize("name", SOUNDS)
def test_what_nobody_says_is_no_emotion(analyzer, name):
    analysis = analyzer.analyze(clip_from_samples(SOUNDS[name].astype(np.float32), SAMPLE_RATE, name=name))
    said = read_headline(analysis)
    assert said.state in (NO_SPEECH, UNFAMILIAR) and said.share is None and said.text == HEADLINES[said.state]
    emotions = analysis.best.classes
    for shown in (describe_verdict(analysis), write_verdict(analysis, None).partition("<details")[0], report_title(analysis)):
        assert not any(emotion in shown for emotion in emotions), shown
    sentence = summarise(analysis)
    assert LEFT_OUT in sentence and "adds up (" not in sentence and "Words that count" not in sentence and "logit" not in sentence
    for page in (sentence, write_verdict(analysis, None) + write_notices(analysis), read_page(report_html(analysis))):
        assert page.count(said.text) == 1
        assert sum(map(page.count, (NO_WORDS, NOTHING_HEARD, NOBODY_SPEAKS))) <= (said.state == UNFAMILIAR)


def read_page(report):
    """What stands in the page itself; its scripts carry the data."""
    return re.sub(r"<script.*?</script>", "", report.partition("<body>")[2], flags=re.DOTALL)


def report_title(analysis):
    return report_html(analysis).partition("<title>")[2].partition("</title>")[0]


def test_a_voice_without_known_words_is_speech(analyzer, librivox_clip):
    analysis = analyzer.analyze(librivox_clip, text="")
    assert analysis.speech_seconds > 0.8 * librivox_clip.duration and analysis.state != NO_SPEECH
    assert analyzer.analyze(librivox_clip).speech_seconds is None  # there are words, so nobody looked


def test_a_file_of_an_earlier_version_has_neither_field():
    data = analysis_to_json(make_analysis())
    assert data["state"] == make_analysis().state
    del data["speech_seconds"]
    for prediction in data["predictions"].values():
        del prediction["measured_clips"]
    found = analysis_from_json(data)
    assert found.speech_seconds is None and {p.verdict for p in found.predictions.values()} == {"never measured"}


def test_one_reason_is_said_once():
    analysis = make_analysis()
    silent = replace(
        analysis,
        notices=(Notice("transcript", NOTHING_HEARD),),
        unavailable={"T": NO_WORDS, "P": NO_WORDS, "early": f"Coattention needs text. {NO_WORDS}"}
        | {"combined": f"The combination needs both its models. Coattention needs text. {NO_WORDS}"},
    )
    assert [n.text for n in list_limits(silent)] == [
        NOTHING_HEARD,
        "Not available: text and phones.",
        "Not available: early fusion: Coattention needs text.",
        "Not available: combined: The combination needs both its models.",
    ]
    wordless = replace(silent, transcript=replace(analysis.transcript, text="", words=()), speech_seconds=0.0)
    assert list_limits(wordless)[0].text == "Not available: text and phones."
    longer = Notice("fusion", "The head needs phones. No path. Another speaks.")
    both = replace(analysis, notices=(Notice("alignment", "No path."), longer), unavailable={"P": "No path."})
    assert [n.text for n in list_limits(both)] == ["No path.", "The head needs phones. Another speaks.", "Not available: phones."]
    failed = replace(analysis, notices=(Notice("alignment", "No path."),), unavailable={"P": "No path.", "S": "No path."})
    assert [n.text for n in list_limits(failed)] == ["No path.", "Not available: phones and syllables."]


def test_a_line_of_a_list_says_how_sure():
    assert brief("sure", "anger", 0.71) == "anger 71 %"
    assert brief("not sure", "anger", 0.71) == "anger 71 %, not sure"
    assert brief("never measured", "anger", 0.71) == "anger 71 %, how sure was never measured"
    assert brief("sure", "anger", 0.9, seen="training") == "anger 90 %, in its training data"
    assert brief(UNFAMILIAR, "anger", 0.9) == "unlike anything it was trained on"
