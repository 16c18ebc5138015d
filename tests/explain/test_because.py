"""The sentence that says why: its numbers are planted, and those of the verdict that is shown."""

import re
from dataclasses import replace

import numpy as np
from planted_words import plant_words
from sample_analysis import make_analysis

from mmer.explain.because import WordFlip, explain_verdict
from mmer.explain.steps import decision_steps
from mmer.exports.analysis_json import analysis_to_json
from mmer.exports.report import report_html
from mmer.exports.summary import summarise
from mmer.interventions.curves import Curve, LeaveOneOut, find_word_flips
from mmer.ui.explore.cards import write_verdict


def say(analysis, **options):
    return explain_verdict(analysis, **options)


def plant_best(analysis, **changes):
    """The analysis with some fields of its shown prediction changed."""
    best = analysis.best
    return replace(analysis, predictions={**analysis.predictions, best.role: replace(best, **changes)})


def test_a_word_that_adds_more_than_any_branch_stands_first():
    """By hand, in hundredths: "stop" owns 30 - 7 of the text and 8 + 16 + 32 of the frames, the text branch is 10 + 1 - 20 + ... = 56."""
    assert say(plant_words("TF")).startswith("Anger: “stop” (+0.79) adds most; the text branch follows (+0.56); ")
    assert say(plant_words("FS")).startswith("Anger: “stop” (+0.89) adds most; the frame branch follows (+0.35).")


def test_each_number_is_one_of_the_verdict_that_is_shown():
    for analysis in (plant_words(early=True), make_analysis(), plant_words("FS")):
        shown = {f"{abs(step.value):.2f}" for step in decision_steps(analysis, analysis.best.label)}
        sentence = say(analysis)
        named = re.findall(r"(?:branch|bias|fusion)(?: counts most, against it| adds most| follows) \([+−](\d+\.\d\d)\)", sentence)
        assert named and set(named) <= shown, sentence


def test_a_combined_verdict_says_half_of_late_fusion():
    alone, both = say(plant_words("T")), say(plant_words("T", early=True))
    assert "“it” (+0.40)" in alone and "“stop” (+0.23)" in alone
    assert "of the part that can be divided, “it” (+0.20) and “stop” (+0.11)" in both


def test_early_fusion_is_named_first_where_it_adds_most():
    sentence = say(plant_words("T", early=True))  # centred early logits 0.75, 0.25, -0.25, -0.75; half of 0.75
    assert "early fusion adds most (+0.38); of the part that can be divided, " in sentence


def test_a_part_that_takes_more_away_than_any_adds_stands_before():
    random = np.random.default_rng(0)
    late = plant_words("TF").best
    text, frames = late.branches
    heavy = replace(text, contributions=-3 * np.abs(random.standard_normal(text.contributions.shape)) * [1, 0, 0, 0])
    light = replace(frames, bias=np.zeros(4), contributions=np.tile([0.1, 0.0, 0.0, 0.0], (10, 1)))
    analysis = plant_best(plant_words("TF"), branches=(heavy, light), probabilities=np.array([0.7, 0.1, 0.1, 0.1]))
    assert re.match(r"Anger: the text branch counts most, against it \(−\d+\.\d\d\); the frame branch ", say(analysis))


def test_what_voice_and_words_say_each_by_itself():
    assert "voice and words, each by itself, both say anger" in say(plant_words("TP"))
    assert "by itself" not in say(plant_words("FP"))
    analysis = plant_words("TF")
    text, frames = analysis.best.branches
    sad = replace(frames, logits=np.array([0.0, 0.0, 0.5, 0.1]))
    assert "; the voice by itself says sadness, the words anger" in say(plant_best(analysis, branches=(text, sad)))


def test_a_doubtful_verdict_names_both():
    probabilities = np.array([0.05, 0.08, 0.38, 0.49])
    doubtful = plant_best(plant_words(early=True), probabilities=probabilities, margin=0.2, measured_clips=50)
    assert doubtful.state == "not sure"
    assert say(doubtful).startswith("Between neutral (49 %) and sadness (38 %). For neutral, ")


def test_a_word_that_stands_twice_has_its_number():
    analysis = plant_words("T")
    words = [replace(word, text="no") for word in analysis.transcript.words]
    sentence = say(replace(analysis, transcript=replace(analysis.transcript, words=tuple(words))))
    assert "“no” no. 4 (+0.40) and “no” no. 3 (+0.23)" in sentence


def test_a_model_that_is_no_sum_decides_alone():
    early = make_analysis().predictions["early"]
    sentence = say(replace(make_analysis(), predictions={"early": early}))
    assert re.search(r"early fusion decides alone \([+−]\d\.\d\d\), and its sum can't be divided\.$", sentence)


def test_where_no_emotion_is_named_nothing_is_explained():
    unknown = plant_best(make_analysis(), novelty=3.0, novelty_threshold=2.0)
    assert say(unknown) == "" and "mm-because" not in write_verdict(unknown, None)
    assert analysis_to_json(unknown)["because"] == ""


def test_shell_report_json_and_page_say_the_same():
    analysis = plant_words(early=True)
    sentence = say(analysis)
    assert sentence in summarise(analysis) and analysis_to_json(analysis)["because"] == sentence
    assert sentence in report_html(analysis) and sentence in write_verdict(analysis, None)


def test_a_word_of_the_clip_stays_text_on_the_page():
    analysis = plant_words("T")
    words = [replace(word, text="<b>") for word in analysis.transcript.words]
    strange = replace(analysis, transcript=replace(analysis.transcript, words=tuple(words)))
    assert "“&lt;b&gt;”" in write_verdict(strange, None) and "<b>”" not in write_verdict(strange, None)


# what was tried


def leave_out(analysis, *drops, tier="words", left_out=()):
    count = len(analysis.transcript.words)
    curves = tuple(Curve(f"baseline {k}", {analysis.best.role: np.asarray(drop, dtype=float)}) for k, drop in enumerate(drops))
    labels = tuple(word.text for word in analysis.transcript.words)
    times, numbers = np.arange(count) / 10, np.arange(count)
    return LeaveOneOut(
        tier,
        "both",
        analysis.best.classes,
        labels,
        times,
        times + 0.1,
        numbers,
        numbers,
        curves,
        None,
        None,
        None,
        left_out,
        analysis.clip.sha256,
    )


def push_to_neutral(analysis, *words):
    """Drops that leave neutral on top where these words are muted."""
    found = np.zeros((len(analysis.transcript.words), 4))
    for rank, word in enumerate(words):
        found[word] = [20.0 - rank, 0, 0, -20.0 + rank]
    return found


def test_the_word_whose_muting_changed_the_verdict_most_is_named():
    analysis = plant_words("T")
    drop = push_to_neutral(analysis, 2, 0)
    flips = find_word_flips(leave_out(analysis, drop, drop), analysis)
    assert flips == (WordFlip(2, "neutral"), WordFlip(0, "neutral"))
    assert say(analysis, flips=flips).endswith("; muting “stop” would make it neutral.")
    assert "muting" not in say(analysis)


def test_nothing_is_said_where_baselines_disagree_or_a_word_was_not_tried():
    analysis = plant_words("T")
    nothing = np.zeros((4, 4))
    assert find_word_flips(leave_out(analysis, nothing, nothing), analysis) == ()
    assert say(analysis, flips=()).endswith("; muting any one word leaves it as it is.")
    assert find_word_flips(leave_out(analysis, push_to_neutral(analysis, 2), nothing), analysis) is None
    assert find_word_flips(leave_out(analysis, nothing, left_out=("it: too short",)), analysis) is None
    assert find_word_flips(leave_out(analysis, push_to_neutral(analysis, 2), tier="phones"), analysis) is None
    other = replace(analysis, clip=replace(analysis.clip, sha256="9" * 64))
    assert find_word_flips(leave_out(analysis, push_to_neutral(analysis, 2)), other) is None
