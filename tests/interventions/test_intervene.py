"""Interventions on real speech and real encoders: what changes, what is carried along, and what is the same as a fresh analysis."""

import dataclasses
import json

import numpy as np
import pytest

from mmer.audio.load import clip_from_samples, load_audio
from mmer.errors import Cancelled, EditError, HeadError
from mmer.exports.analysis_json import analysis_from_json, analysis_to_json, dump_json
from mmer.interventions import (
    ChangeLoudness,
    ChangePitch,
    ChangeTempo,
    CorrectWords,
    Isolate,
    Mute,
    Remove,
    SwapVoice,
    SwapWords,
    Target,
    edit_from_json,
    intervene,
    intervention_to_json,
)
from mmer.interventions.sound import mute_range

TEXT = "he was not an ill disposed young man"
ILL = Target("word", 4)


@pytest.fixture(scope="module")
def analysis(analyzer, librivox_clip):
    return analyzer.analyze(librivox_clip, text=TEXT)


@pytest.fixture(scope="module")
def other(analyzer):
    clip = load_audio("/usr/share/pocketsphinx/test/data/librivox/sense_and_sensibility_01_austen_64kb-0930.wav")
    return analyzer.analyze(clip, text="he might even have been made amiable himself")


def test_an_edit_that_changes_nothing_makes_no_difference(analyzer, analysis):
    same = intervene(analyzer, analysis, [ChangeLoudness(ILL, 0.0)])
    for difference in same.differences:
        np.testing.assert_allclose(difference.logits, 0, atol=1e-4)
    assert [(d.role, d.unit) for d in same.differences] == [
        ("late", ""), ("late", "T"), ("late", "F"), ("late", "S"), ("early", ""), ("combined", "")
    ]  # fmt: skip


def test_a_muted_word_changes_the_sound_s_branches_and_keeps_everything_else(analyzer, analysis):
    muted = intervene(analyzer, analysis, [Mute(ILL)])
    changed = muted.changed
    assert changed.alignment == analysis.alignment and changed.transcript == analysis.transcript
    np.testing.assert_allclose(muted.difference("late", "T").logits, 0, atol=1e-5)
    assert np.abs(muted.difference("late", "F").logits).max() > 1e-3
    late = muted.difference("late")
    parts = sum(muted.difference("late", u).logits for u in "TFS")
    np.testing.assert_allclose(late.logits, parts, atol=1e-5)
    np.testing.assert_allclose(late.probabilities, changed.predictions["late"].probabilities - analysis.predictions["late"].probabilities)
    combined = (late.logits + muted.difference("early").logits) / 2
    np.testing.assert_allclose(muted.difference("combined").logits, combined, atol=1e-5)


def test_it_is_what_analysing_the_changed_samples_would_say(analyzer, analysis):
    segment = analysis.alignment.words[4]
    first, last = round(segment.start * 16000), round(segment.end * 16000)
    samples = mute_range(analysis.clip.samples, first, last, fill="noise", seed=5)
    clip = dataclasses.replace(analysis.clip, samples=samples, sha256="made by hand")
    fresh = analyzer.analyze_parts(clip, analysis.transcript, analysis.alignment)
    changed = intervene(analyzer, analysis, [Mute(ILL, fill="noise", seed=5)]).changed
    np.testing.assert_array_equal(changed.clip.samples, samples)
    np.testing.assert_allclose(changed.best.logits, fresh.best.logits, atol=1e-5)


def test_parts_alone_say_what_the_whole_analysis_says(analyzer, analysis):
    again = analyzer.analyze_parts(analysis.clip, analysis.transcript, analysis.alignment)
    for role, prediction in analysis.predictions.items():
        np.testing.assert_array_equal(again.predictions[role].logits, prediction.logits)
    assert again.parent is None and set(again.timings) == {"encode speech", "encode text", "pool", "fuse"}


def test_a_masked_word_changes_the_text_alone(analyzer, analysis):
    masked = intervene(analyzer, analysis, [Mute(ILL, "text")])
    assert masked.changed.transcript.text == "he was not an [MASK] disposed young man"
    assert masked.changed.labels["T"][4] == "[MASK]" and masked.changed.clip is analysis.clip
    np.testing.assert_allclose(masked.difference("late", "F").logits, 0, atol=1e-5)
    assert np.abs(masked.difference("late", "T").logits).max() > 1e-3


def test_a_dropped_word_leaves_its_sound_without_a_word(analyzer, analysis):
    changed = intervene(analyzer, analysis, [Remove(ILL, "text")]).changed
    assert [w.text for w in changed.transcript.words] == ["he", "was", "not", "an", "disposed", "young", "man"]
    assert [s.word for s in changed.alignment.words] == [0, 1, 2, 3, -1, 4, 5, 6]
    assert [(s.start, s.end) for s in changed.alignment.phones] == [(s.start, s.end) for s in analysis.alignment.phones]
    pieces = [changed.transcript.text[a:b] for a, b in changed.token_offsets]
    assert pieces == ["he", "was", "not", "an", "disposed", "young", "man"]


def test_a_word_cut_out_of_both_is_gone_and_later_ones_are_earlier(analyzer, analysis):
    gone = analysis.alignment.words[4]
    length = round(gone.end * 16000) - round(gone.start * 16000)
    changed = intervene(analyzer, analysis, [Remove(ILL, "both")]).changed
    assert len(changed.clip.samples) == len(analysis.clip.samples) - length
    assert [s.label for s in changed.alignment.words] == ["he", "was", "not", "an", "disposed", "young", "man"]
    assert [s.word for s in changed.alignment.words] == list(range(7))
    for before, after in zip(analysis.alignment.words[5:], changed.alignment.words[4:]):
        np.testing.assert_allclose([after.start, after.end], np.array([before.start, before.end]) - length / 16000, atol=1e-9)
    assert len(changed.alignment.phones) == len(analysis.alignment.phones) - sum(p.word == 4 for p in analysis.alignment.phones)


def test_several_edits_count_in_the_original(analyzer, analysis):
    edits = [Remove(Target("word", 0), "both"), Remove(Target("word", 1), "both"), Mute(ILL, "both")]
    changed = intervene(analyzer, analysis, edits).changed
    assert changed.transcript.text == "not an [MASK] disposed young man"
    ill = next(s for s in changed.alignment.words if s.label == "ill")
    sound = changed.clip.samples[round(ill.start * 16000) + 90 : round(ill.end * 16000) - 90]
    assert ill.word == 2 and np.abs(sound).max() == 0
    with pytest.raises(EditError, match="Word 1, “he”, was dropped by an edit before"):
        intervene(analyzer, analysis, [Remove(Target("word", 0), "text"), Mute(Target("word", 0), "text")])


def test_isolated_word_stands_alone(analyzer, analysis):
    changed = intervene(analyzer, analysis, [Isolate(ILL, "both")]).changed
    segment = analysis.alignment.words[4]
    first, last = round(segment.start * 16000), round(segment.end * 16000)
    np.testing.assert_array_equal(changed.clip.samples[first:last], analysis.clip.samples[first:last])
    fade = 80  # samples, at the clip's own edges too
    assert np.abs(changed.clip.samples[fade : first - fade]).max() == 0 and np.abs(changed.clip.samples[last + fade : -fade]).max() == 0
    assert changed.transcript.text.replace("[MASK]", "").split() == ["ill"]


def test_tempo_moves_the_alignment_exactly(analyzer, analysis):
    segment = analysis.alignment.words[4]
    changed = intervene(analyzer, analysis, [ChangeTempo(ILL, 0.5)]).changed
    grown = (len(changed.clip.samples) - len(analysis.clip.samples)) / 16000
    assert np.isclose(grown, segment.end - segment.start, atol=1e-3)
    np.testing.assert_allclose(changed.alignment.words[5].start - analysis.alignment.words[5].start, grown, atol=1e-9)
    assert np.isclose(changed.alignment.words[4].end - changed.alignment.words[4].start, 2 * grown, atol=1e-3)
    phones = [p for p in changed.alignment.phones if p.word == 4]
    assert phones[-1].end == changed.alignment.words[4].end


def test_synthetic_sound_is_labelled(analyzer, analysis):
    for edit in (ChangePitch(ILL, 4), ChangeTempo(ILL, 1.3), ChangeLoudness(ILL, 6)):
        notices = [n.text for n in intervene(analyzer, analysis, [edit]).changed.notices]
        assert any(text.startswith("This is not the recording: synthetic,") and "“ill”" in text for text in notices), notices


def test_other_words_under_the_same_voice(analyzer, analysis):
    swapped = intervene(analyzer, analysis, [SwapWords("I hate all of you")])
    assert swapped.changed.clip is analysis.clip and {s.word for s in swapped.changed.alignment.phones} == {-1}
    np.testing.assert_allclose(swapped.difference("late", "S").logits, 0, atol=1e-5)
    alone = analyzer.analyze(analysis.clip, text="I hate all of you", aligner="none").predictions["late"].branches[0]
    np.testing.assert_allclose(swapped.changed.predictions["late"].branches[0].logits, alone.logits, atol=1e-5)


def test_another_voice_under_the_same_words(analyzer, analysis, other):
    swapped = intervene(analyzer, analysis, [SwapVoice(other.clip.sha256, other.clip.name)], voices={other.clip.sha256: other})
    changed = swapped.changed
    np.testing.assert_allclose(swapped.difference("late", "T").logits, 0, atol=1e-5)
    branches = {b.unit: b for b in changed.predictions["late"].branches}
    for branch in other.predictions["late"].branches[1:]:
        np.testing.assert_allclose(branches[branch.unit].logits, branch.logits, atol=1e-5)
    assert changed.clip.sha256 == other.clip.sha256 and changed.parent.sha256 == analysis.clip.sha256
    with pytest.raises(EditError, match=r"The other voice, x\.wav, is not there"):
        intervene(analyzer, analysis, [SwapVoice("0" * 64, "x.wav")])


def test_corrected_words_are_aligned_again(analyzer, analysis):
    changed = intervene(analyzer, analysis, [CorrectWords("he was not an ill disposed man")]).changed
    fresh = analyzer.analyze(analysis.clip, text="he was not an ill disposed man")
    assert changed.alignment == fresh.alignment
    np.testing.assert_allclose(changed.best.logits, fresh.best.logits, atol=1e-5)
    wrong = intervene(analyzer, analysis, [CorrectWords("antidisestablishmentarianism " * 5)])
    assert wrong.changed.alignment is None and "S" in wrong.changed.unavailable
    assert not wrong.difference("early").same_head, "frames and words alone are read by another early head"


def test_with_no_word_left_text_and_early_fusion_are_missing(analyzer, analysis):
    dropped = intervene(analyzer, analysis, [Remove(Target("span", start=0.0, end=2.99), "text")])
    assert dropped.changed.transcript.words == () and dropped.changed.unavailable["T"] == "No words are left, so nothing can be read."
    early = dropped.difference("early")
    assert early.changed is None and early.logits is None and early.original is not None
    assert "early" in json.loads(dump_json(intervention_to_json(dropped)))["changed"]["unavailable"]


def test_the_changed_clip_names_its_parent_through_json(analyzer, analysis):
    edits = [Mute(ILL, "sound", "noise", 3), Remove(Target("span", start=0.25, end=0.5))]
    result = intervene(analyzer, analysis, edits)
    assert result.changed.clip.sha256 not in (analysis.clip.sha256, "") and analysis.parent is None
    back = analysis_from_json(json.loads(dump_json(analysis_to_json(result.changed, include_samples=True))))
    assert (back.parent.sha256, back.parent.name) == (analysis.clip.sha256, analysis.clip.name)
    assert [edit_from_json(edit) for edit in back.parent.edits] == edits
    old = json.loads(dump_json(analysis_to_json(analysis)))
    assert old.pop("parent") is None and analysis_from_json(old).parent is None, "files of the first releases have no such key"


def test_json_holds_both_sides_and_their_difference(analyzer, analysis):
    data = json.loads(dump_json(intervention_to_json(intervene(analyzer, analysis, [Mute(ILL)]))))
    assert (data["format"], data["version"]) == ("mmer-intervention", 1)
    row = data["differences"][0]
    np.testing.assert_allclose(np.array(row["changed"]) - row["original"], row["logits"], atol=1e-9)
    assert analysis_from_json(data["changed"]).parent.edits[0]["kind"] == "mute"


def test_a_changed_clip_can_be_changed_again(analyzer, analysis):
    once = intervene(analyzer, analysis, [Mute(ILL)]).changed
    twice = intervene(analyzer, once, [Mute(Target("word", 7))]).changed
    assert twice.parent.sha256 == once.clip.sha256 and once.parent.sha256 == analysis.clip.sha256


def test_what_can_not_be_compared_is_refused(analyzer, analysis, librivox_clip):
    with pytest.raises(EditError, match="name at least one edit"):
        intervene(analyzer, analysis, [])
    outline = analysis_from_json(analysis_to_json(analysis))
    with pytest.raises(EditError, match="The sound of this analysis is not there"):
        intervene(analyzer, outline, [Mute(ILL)])
    with pytest.raises(HeadError, match=r"made with the encoders .*analyse the clip again"):
        intervene(analyzer, dataclasses.replace(analysis, preset="paper"), [Mute(ILL)])
    late = dataclasses.replace(analysis.predictions["late"], head_sha256="another")
    with pytest.raises(HeadError, match="The late prediction was made by a head 'late-fs' that is not loaded"):
        intervene(analyzer, dataclasses.replace(analysis, predictions={"late": late}), [Mute(ILL)])
    short = analyzer.analyze(clip_from_samples(librivox_clip.samples[8000:14000], 16000, name="short"), text="")
    with pytest.raises(EditError, match=r"0\.17 s of sound would be left; a clip has 0\.3 to 300 s"):
        intervene(analyzer, short, [Remove(Target("span", start=0.0, end=0.2))])
    with pytest.raises(Cancelled):
        intervene(analyzer, analysis, [Mute(ILL)], cancelled=lambda: True)
