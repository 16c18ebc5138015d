"""From clip to Analysis on real speech and real encoders; the heads are random, their arithmetic is not."""

import dataclasses
import json
import threading

import numpy as np
import pytest

from mmer.audio.load import clip_from_samples
from mmer.errors import AlignmentError, Cancelled, EditError, HeadError, MmerError
from mmer.exports.analysis_json import analysis_from_json, analysis_to_json, dump_json
from mmer.exports.report import suggest_command
from mmer.interventions.edited_clip import find_words, read_edited_clip
from mmer.interventions.edits import Target
from mmer.pipeline import Analyzer, Variant
from mmer.stages import STAGES, StageResults
from mmer.transcript.transcribe import UNTRUSTED, Recogniser
from mmer.views import build_payload

TEXT = "he was not an ill disposed young man"


def test_everything_is_there_for_real_speech(analyzer, librivox_clip):
    analysis = analyzer.analyze(librivox_clip)
    assert analysis.transcript.source != "typed" and "young man" in analysis.transcript.text
    assert list(analysis.predictions) == ["late", "early", "combined"] and analysis.best.role == "combined"
    assert set(analysis.labels) == set("TFPSW") and not analysis.unavailable
    assert [segment.label for segment in analysis.alignment.words][-2:] == ["young", "man"]
    assert list(analysis.timings) == list(STAGES) and all(seconds > 0 for seconds in analysis.timings.values())
    assert {info.name for info in analysis.heads} == {"late-fs", "coattention-fp", "combined"}
    assert analysis.encoders["speech"].startswith("Systran/faster-whisper-tiny.en@0d3d19a3")


def test_late_logits_are_bias_plus_segments_and_combined_is_the_mean(analyzer, librivox_clip):
    analysis = analyzer.analyze(librivox_clip, text=TEXT)
    late, early, combined = (analysis.predictions[role] for role in ("late", "early", "combined"))
    total = sum(branch.bias + branch.contributions.sum(0) for branch in late.branches)
    np.testing.assert_allclose(total, late.logits, atol=1e-5)
    for branch in late.branches:
        assert len(branch.contributions) == len(analysis.labels[branch.unit])
    np.testing.assert_allclose((late.logits + early.logits) / 2, combined.logits, atol=1e-6)
    maps = early.coattention["P"]
    assert maps.text_to_speech.shape[-2:] == (len(analysis.labels["T"]), len(analysis.labels["P"]))
    assert early.branches is None and combined.branches is None


def test_an_edited_word_reruns_only_what_depends_on_it(analyzer, librivox_clip):
    earlier = StageResults()
    first = analyzer.analyze(librivox_clip, earlier=earlier)
    assert first.timings["encode speech"] > 0
    edited = analyzer.analyze(librivox_clip, text=TEXT.replace("ill", "well"), earlier=earlier)
    assert edited.timings["encode speech"] == 0.0 and "transcribe" not in edited.timings
    assert edited.timings["align"] > 0 and edited.timings["encode text"] > 0 and edited.timings["fuse"] > 0
    alone = analyzer.analyze(librivox_clip, text=TEXT.replace("ill", "well"))
    np.testing.assert_array_equal(edited.best.logits, alone.best.logits)


def test_another_head_reruns_the_fusion_alone(analyzer, librivox_clip):
    earlier = StageResults()
    analyzer.analyze(librivox_clip, text=TEXT, earlier=earlier)
    late = analyzer.analyze(librivox_clip, text=TEXT, head="late-fs", earlier=earlier)
    assert list(late.predictions) == ["late"]
    assert [stage for stage, seconds in late.timings.items() if seconds > 0] == ["fuse"]


def test_an_unchanged_transcript_keeps_the_recognisers_confidence(analyzer, librivox_clip):
    earlier = StageResults()
    heard = analyzer.transcribe(librivox_clip, earlier=earlier)
    analysis = analyzer.analyze(librivox_clip, text=f" {heard.text}\n", earlier=earlier)
    assert analysis.transcript is heard and analysis.timings["transcribe"] == 0.0


class Guessing:
    """The real recogniser, as sure of its words as it is told to be."""

    def __init__(self, recogniser, confidence):
        self.recogniser, self.confidence, self.find_speech, self.name = recogniser, confidence, recogniser.find_speech, recogniser.name
        self.place = recogniser.place

    def transcribe(self, clip, *, progress=None):
        heard = self.recogniser.model
        doubtful = Recogniser(Doubting(heard, self.confidence), name=self.name, find_speech=self.find_speech)
        return doubtful.transcribe(clip, progress=progress)

    def find_language(self, clip):
        return self.recogniser.find_language(clip)


class Doubting:
    def __init__(self, model, confidence):
        self.model, self.confidence = model, confidence

    def transcribe(self, samples, **options):
        segments, info = self.model.transcribe(samples, **options)
        return (dataclasses.replace(s, words=[self.doubt(word) for word in s.words]) for s in segments), info

    def doubt(self, word):
        return dataclasses.replace(word, probability=self.confidence)


@pytest.fixture
def guessing(analyzer):
    """The same analyzer, whose recogniser is right but unsure of every word."""
    return Analyzer(
        preset="compact",
        recogniser=Guessing(analyzer.recogniser, UNTRUSTED - 0.01),
        speech=analyzer.speech,
        text=analyzer.text,
        aligners=analyzer._aligners,
        heads=analyzer._heads,
    )


def test_nothing_rests_on_words_that_are_not_trusted_and_one_reason_names_it(guessing, librivox_clip):
    analysis = guessing.analyze(librivox_clip)
    assert "young man" in analysis.transcript.text and set(analysis.labels) == {"F"}
    reason = analysis.transcript.untrusted
    assert {analysis.unavailable[unit] for unit in "TPSW"} == {reason} and "type what is said" in reason
    assert list(analysis.predictions) == ["late"] and [b.unit for b in analysis.predictions["late"].branches] == ["F"]
    assert [n.text for n in analysis.notices].count(reason) == 1
    with pytest.raises(AlignmentError, match="too unsure of its words"):
        guessing.align(librivox_clip, analysis.transcript)
    again = analysis_from_json(json.loads(dump_json(analysis_to_json(analysis))), clip_samples=librivox_clip.samples)
    assert again.transcript == analysis.transcript
    payload = build_payload(analysis)
    assert payload["untrusted"] == reason and payload["text"] == analysis.transcript.text


def test_changes_and_another_head_bring_no_untrusted_words_back(guessing, librivox_clip):
    analysis = guessing.analyze(librivox_clip)
    other = guessing.analyze_parts(librivox_clip, analysis.transcript, analysis.alignment, absent={}, head="late-fs")
    assert set(other.labels) == {"F"} and list(other.predictions) == ["late"]
    scores = guessing.score_variants(analysis, [Variant(samples=librivox_clip.samples)], count=1)
    np.testing.assert_allclose(scores["late"][0], analysis.predictions["late"].logits, atol=1e-4)
    with pytest.raises(EditError, match=r"type what is said\. Until then only the sound can be changed"):
        find_words(read_edited_clip(analysis), Target("word", index=0))
    assert "--aligner" not in suggest_command(analysis)


def test_typed_words_are_trusted_even_if_the_recogniser_heard_the_same(guessing, librivox_clip):
    earlier = StageResults()
    heard = guessing.analyze(librivox_clip, earlier=earlier).transcript
    typed = guessing.analyze(librivox_clip, text=heard.text, earlier=earlier)
    assert typed.transcript.source == "typed" and set(typed.labels) == set("TFPSW") and not typed.unavailable
    assert typed.transcript.confidence is None


def test_without_alignment_phones_are_left_out_and_the_frames_head_speaks(analyzer, librivox_clip):
    analysis = analyzer.analyze(librivox_clip, text=TEXT, aligner="none")
    late, early = analysis.predictions["late"], analysis.predictions["early"]
    assert late.units == ("T", "F") and early.head == "coattention-f"
    assert set(analysis.unavailable) == set("PSW") and "switched off" in analysis.unavailable["P"]
    np.testing.assert_allclose(analysis.best.logits, (late.logits + early.logits) / 2, atol=1e-6)
    assert any("speaks for early fusion instead" in notice.text for notice in analysis.notices)


def test_words_that_are_not_said_are_named_and_the_rest_goes_on(analyzer, librivox_clip):
    wrong = "antidisestablishmentarianism " * 5
    analysis = analyzer.analyze(librivox_clip, text=wrong)
    assert analysis.alignment is None and analysis.unavailable["S"]
    assert analysis.predictions["late"].units == ("T", "F")


def test_the_recognisers_own_times_stand_in_when_it_was_heard(analyzer, librivox_clip):
    analysis = analyzer.analyze(librivox_clip, aligner="none")
    assert analysis.alignment.approximate and analysis.alignment.words and not analysis.alignment.phones
    assert set(analysis.unavailable) == {"P", "S"}


def test_no_words_at_all_leaves_text_out_and_early_fusion_silent(analyzer, librivox_clip):
    analysis = analyzer.analyze(librivox_clip, text="")
    assert list(analysis.predictions) == ["late"] and analysis.best.units == ("F",)
    assert set(analysis.unavailable) == {"T", "P", "S", "W", "early", "combined"}
    only_frames = analysis.best.branches[0]
    np.testing.assert_allclose(only_frames.bias + only_frames.contributions.sum(0), analysis.best.logits, atol=1e-5)


def test_an_early_head_without_words_says_why_it_can_not_speak(analyzer, librivox_clip):
    with pytest.raises(HeadError, match="No model can speak about this clip"):
        analyzer.analyze(librivox_clip, text="", head="coattention-fp")


def test_a_textgrid_gives_words_and_times(analyzer, librivox_clip):
    from mmer.align.textgrid import write_textgrid

    aligned = analyzer.analyze(librivox_clip, text=TEXT)
    grid = write_textgrid(aligned.alignment, librivox_clip.duration)
    from_grid = analyzer.analyze(librivox_clip, textgrid=grid)
    assert from_grid.alignment.source == "TextGrid"
    assert [w.text for w in from_grid.transcript.words] == TEXT.split()
    np.testing.assert_allclose(from_grid.predictions["late"].logits, aligned.predictions["late"].logits, atol=1e-4)


def test_a_broken_textgrid_is_refused_and_its_text_is_never_a_path(analyzer, librivox_clip):
    for text in ("not a grid", "/etc/hostname", 'File type = "ooTextFile"\nObject class'):
        with pytest.raises(AlignmentError) as caught:
            analyzer.analyze(librivox_clip, text=TEXT, textgrid=text)
        assert "hostname" not in str(caught.value)


def test_a_pronunciation_of_ones_own_changes_the_phones(analyzer, librivox_clip):
    analysis = analyzer.analyze(librivox_clip, text=TEXT, pronunciations={"man": ("M", "EH", "N")})
    assert [p.label for p in analysis.alignment.phones][-3:] == ["M", "EH", "N"]


def test_progress_names_the_stages_and_ends_at_one(analyzer, librivox_clip):
    seen = []
    analyzer.analyze(librivox_clip, progress=lambda share, text: seen.append((share, text)))
    assert [text for _, text in seen] == [text for text, _ in STAGES.values()] + ["Done"]
    shares = [share for share, _ in seen]
    assert shares == sorted(shares) and shares[0] == 0.0 and shares[-1] == 1.0


def test_cancel_stops_before_the_next_stage(analyzer, librivox_clip):
    seen = []
    with pytest.raises(Cancelled):
        analyzer.analyze(librivox_clip, progress=lambda share, text: seen.append(text), cancelled=lambda: len(seen) >= 2)
    assert len(seen) == 2


def test_two_visitors_at_once_get_what_they_get_alone(analyzer, librivox_clip):
    other = clip_from_samples(librivox_clip.samples[:30000], 16000, name="other")
    inputs = [(librivox_clip, TEXT), (other, "he was not an ill")] * 2
    alone = [analyzer.analyze(clip, text=text).best.logits for clip, text in inputs]
    together = [None] * len(inputs)

    def visit(i):
        together[i] = analyzer.analyze(inputs[i][0], text=inputs[i][1]).best.logits

    threads = [threading.Thread(target=visit, args=(i,)) for i in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for a, b in zip(alone, together):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_unknown_head_aligner_and_preset_are_named_with_the_choices(analyzer, librivox_clip):
    with pytest.raises(HeadError, match=r"no head 'best'.*late-fs"):
        analyzer.analyze(librivox_clip, head="best")
    analysis = analyzer.analyze(librivox_clip, text=TEXT, aligner="mfa")
    assert "not installed" in analysis.unavailable["P"]
    with pytest.raises(MmerError, match=r"no preset 'huge'.*compact, paper"):
        type(analyzer).load(preset="huge")


def test_a_long_clip_shows_its_joins(analyzer, librivox_clip):
    pause = np.zeros(8000, np.float32)
    clip = clip_from_samples(np.tile(np.concatenate([librivox_clip.samples, pause]), 12), 16000, name="long")
    analysis = analyzer.analyze(clip, text=" ".join([TEXT + "."] * 12))
    assert analysis.joins and any("windows" in notice.text for notice in analysis.notices)
    assert len(analysis.labels["F"]) == -(-len(clip.samples) // 320)


def test_a_head_of_another_preset_is_refused(analyzer, librivox_clip, random_heads):
    from mmer.heads.head import Head

    late = random_heads["late-fs"]
    foreign = Head(dataclasses.replace(late.config, preset="paper"), late.model, sha256="x")
    mixed = type(analyzer)(
        preset="compact",
        recogniser=analyzer.recogniser,
        speech=analyzer.speech,
        text=analyzer.text,
        aligners={},
        heads={"late-fs": foreign},
    )
    with pytest.raises(HeadError, match="made for the preset paper, not compact"):
        mixed.analyze(librivox_clip, text="", head="late-fs")


def test_an_untrained_head_never_speaks_as_if_it_knew(analyzer, librivox_clip, random_heads):
    from mmer.heads.head import Head

    late = random_heads["late-fs"]
    blank = Head(dataclasses.replace(late.config, trained_on=""), late.model, sha256="x")
    blank_only = type(analyzer)(
        preset="compact",
        recogniser=analyzer.recogniser,
        speech=analyzer.speech,
        text=analyzer.text,
        aligners={},
        heads={"late-fs": blank},
    )
    analysis = blank_only.analyze(librivox_clip, text="", head="late-fs")
    assert analysis.best.verdict == "never measured"
    assert "untrained" in analysis.heads[0].trained_on
    assert any(notice.text.startswith("Untrained: late-fs.") for notice in analysis.notices)
