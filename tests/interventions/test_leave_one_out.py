"""The leave-one-out curve against a slow loop of single interventions, and its two explanations against loops over segments."""

import dataclasses
import json

import numpy as np
import pytest
from scipy.stats import rankdata

from mmer.audio.load import clip_from_samples
from mmer.encoders.encoders import SpeechEncoder
from mmer.errors import Cancelled, EditError
from mmer.exports.analysis_json import dump_json
from mmer.interventions import Mute, Target, intervene, leave_one_out, leave_one_out_to_json, rank_agreements
from mmer.interventions.curves import place_unit
from mmer.interventions.ranks import correlate, read_columns
from mmer.pipeline import Variant

TEXT = "he was not an ill disposed young man"


@pytest.fixture(scope="module")
def analysis(analyzer, librivox_clip):
    return analyzer.analyze(librivox_clip, text=TEXT)


@pytest.mark.parametrize(("tier", "kind"), [("words", "word"), ("syllables", "syllable")])
def test_batched_equals_one_by_one(analyzer, analysis, tier, kind):
    result = leave_one_out(analyzer, analysis, tier=tier, seed=2)
    assert [c.baseline for c in result.curves] == ["silence", "noise"]
    for k in range(0, len(result.labels), 3):
        for curve in result.curves:
            single = intervene(analyzer, analysis, [Mute(Target(kind, k), "sound", curve.baseline, 2)])
            for role in ("late", "early", "combined"):
                np.testing.assert_allclose(curve.drops[role][k], -single.difference(role).logits, atol=1e-4)


def test_more_sound_than_there_is_time_for_is_refused(analyzer, analysis):
    with pytest.raises(EditError, match=r"16 versions of 3 s are more than this page encodes at once \(40 s in all\)"):
        leave_one_out(analyzer, analysis, most_seconds=40)
    assert len(leave_one_out(analyzer, analysis, medium="text", most_seconds=40).labels) == 8  # the words once, in the text alone


@pytest.mark.parametrize("medium", ["text", "both"])
def test_masked_words_in_a_batch_equal_one_by_one(analyzer, analysis, medium):
    result = leave_one_out(analyzer, analysis, medium=medium, baselines=["silence"])
    (curve,) = result.curves
    assert curve.baseline == ("mask" if medium == "text" else "silence") and result.labels == tuple(TEXT.split())
    for k in range(len(result.labels)):
        single = intervene(analyzer, analysis, [Mute(Target("word", k), medium)])
        for role, drops in curve.drops.items():
            np.testing.assert_allclose(drops[k], -single.difference(role).logits, atol=1e-4)


def test_a_muted_segment_that_was_silent_changes_nothing(analyzer, librivox_clip):
    samples = librivox_clip.samples.copy()
    text = "he was not an ill disposed young man"
    word = analyzer.analyze(librivox_clip, text=text).alignment.words[3]
    samples[round(word.start * 16000) : round(word.end * 16000)] = 0
    aligned = analyzer.analyze(librivox_clip, text=text)
    clip = dataclasses.replace(librivox_clip, samples=samples, sha256="silent word")
    result = leave_one_out(analyzer, analyzer.analyze_parts(clip, aligned.transcript, aligned.alignment))
    for curve in result.curves:
        np.testing.assert_allclose(curve.drops["combined"][3], 0, atol=1e-4)
        assert np.abs(curve.drops["combined"][5]).max() > 1e-3


@pytest.mark.parametrize("medium", ["sound", "text", "both"])
def test_contributions_inside_and_outside_sum_to_the_branches(analyzer, analysis, medium):
    result = leave_one_out(analyzer, analysis, medium=medium, baselines=["silence"])
    chosen = {"sound": "FS", "text": "T", "both": "TFS"}[medium]
    branches = [b for b in analysis.predictions["late"].branches if b.unit in chosen]
    total = sum(b.logits - b.bias for b in branches)
    np.testing.assert_allclose(result.contributions.sum(0) + result.outside, total, atol=1e-5)


def test_contributions_and_attention_by_a_slow_loop(analyzer, analysis):
    result = leave_one_out(analyzer, analysis, baselines=["silence"])
    late, early = analysis.predictions["late"], analysis.predictions["early"]
    phones, frames = (early.coattention[unit].text_to_speech for unit in "PF")
    for k, word in enumerate(analysis.alignment.words):
        expected, seen = np.zeros(4), 0.0
        for branch in late.branches:
            if branch.unit == "S":  # syllables and phones are pieces of words
                expected += branch.contributions[analysis.words["S"] == k].sum(0)
            if branch.unit == "F":
                for i, (a, b) in enumerate(zip(analysis.starts["F"], analysis.ends["F"])):
                    share = max(0.0, min(b, word.end) - max(a, word.start)) / (b - a)
                    owns = word.start - 1e-9 <= b - 0.01 < word.end - 1e-9  # by the frame's centre
                    expected += branch.contributions[i] * owns
                    seen += frames[:, :, :, i].mean() * share / 2
        for phone in np.flatnonzero(analysis.words["P"] == k):
            seen += phones[:, :, :, phone].mean() / 2
        np.testing.assert_allclose(result.contributions[k], expected, atol=1e-5)
        assert np.isclose(result.attention[k], seen, atol=1e-6)


def test_attention_in_shared_cells_is_spread_evenly(analysis):
    from mmer.explain.steps import speech_attention, text_attention

    maps = analysis.predictions["early"].coattention["P"]
    count = maps.text_to_speech.shape[-1]
    one = speech_attention(maps, count)
    starts = np.arange(0, count, 3)
    cells = np.add.reduceat(maps.text_to_speech, starts, axis=3)
    sizes = np.diff([*starts, count])
    rows = np.add.reduceat(maps.speech_to_text, starts, axis=2) / sizes[:, None]
    shared = dataclasses.replace(maps, text_to_speech=cells, speech_to_text=rows, segments_per_cell=3)
    spread = speech_attention(shared, count)
    assert np.isclose(spread.sum(), 1, atol=1e-5) and np.isclose(one.sum(), 1, atol=1e-5)
    for start, size in zip(starts, sizes):
        np.testing.assert_allclose(spread[start : start + size], one[start : start + size].mean(), atol=1e-7)
    np.testing.assert_allclose(text_attention(shared, count), text_attention(maps, count), atol=1e-7)


def test_rank_correlations_by_hand(analyzer, analysis):
    result = leave_one_out(analyzer, analysis, baselines=["noise"])
    signed, by_size, _ = rank_agreements(result, "sadness", role="combined", baseline="noise")
    drops, parts = result.curves[0].drops["combined"], result.contributions
    drop, part = (x[:, 2] - x.mean(1) for x in (drops, parts))
    assert np.isclose(signed.rho, np.corrcoef(rankdata(drop), rankdata(part))[0, 1]) and not signed.sizes
    assert np.isclose(by_size.rho, np.corrcoef(rankdata(abs(drop)), rankdata(result.attention))[0, 1]) and by_size.sizes
    assert signed.n == 8 and (by_size.one, by_size.other) == ("drop", "attention")
    late, early = ([a.other for a in rank_agreements(result, "sadness", role=role, baseline="noise")] for role in ("late", "early"))
    assert (late, early) == (["contribution"], ["attention"])  # each drop beside what explains its own model
    columns = {role: read_columns(result, "sadness", role=role) for role in ("late", "early", "combined")}
    np.testing.assert_allclose(columns["combined"]["contribution"], columns["late"]["contribution"] / 2)
    assert "contribution" not in columns["early"] and "attention" not in columns["late"]
    with pytest.raises(EditError, match="no late curve for 'joy'"):
        rank_agreements(result, "joy", role="late", baseline="noise")
    with pytest.raises(EditError, match="no curve against silence; there are noise"):
        result.curve("silence")


def test_too_few_or_equal_segments_have_no_ranking():
    assert correlate(np.arange(2.0), np.arange(2.0)) is None
    assert correlate(np.ones(5), np.arange(5.0)) is None
    assert correlate(np.arange(5.0), -np.arange(5.0)) == pytest.approx(-1)


def test_memory_is_bounded_by_batches(analyzer, analysis, monkeypatch):
    sizes = []
    encode = SpeechEncoder.encode_changed

    def watch(self, clips, original, states):
        sizes.append(len(clips))
        return encode(self, clips, original, states)

    monkeypatch.setattr(SpeechEncoder, "encode_changed", watch)
    monkeypatch.setattr("mmer.pipeline.MAX_BATCH_FRAMES", 3 * len(analysis.labels["F"]))
    small = leave_one_out(analyzer, analysis)
    monkeypatch.undo()
    assert sizes == [3, 3, 3, 3, 3, 1]
    whole = leave_one_out(analyzer, analysis)
    for one, other in zip(small.curves, whole.curves):
        np.testing.assert_allclose(one.drops["combined"], other.drops["combined"], atol=1e-4)


def test_long_clips_are_cut_where_the_original_is_and_only_changed_windows_are_encoded(speech_encoder, librivox_clip):
    encoder = SpeechEncoder(speech_encoder.model, identity="short windows", window=6.0)
    samples = np.tile(librivox_clip.samples, 5)
    original = encoder.encode(samples)
    assert len(original.joins) >= 2
    changed = samples.copy()
    changed[20000:24000] = 0  # in the first window alone; a new search for quiet places would find this one
    (states,) = encoder.encode_changed([changed], samples, original)
    first = original.times < original.joins[0]
    np.testing.assert_array_equal(states.hidden[:, ~first], original.hidden[:, ~first])
    end = round(original.joins[0] * 16000)
    alone = speech_encoder.model.states([changed[: end + 16000]])[0].numpy()[1:]
    np.testing.assert_allclose(states.hidden[:, first], alone[:, : first.sum()], atol=1e-5)
    assert states.joins == original.joins
    np.testing.assert_array_equal(encoder.encode_changed([samples], samples, original)[0].hidden, original.hidden)


def test_what_can_not_be_left_out_is_said(analyzer, analysis, librivox_clip):
    with pytest.raises(EditError, match="The text has no syllables: choose words"):
        leave_one_out(analyzer, analysis, tier="syllables", medium="both")
    with pytest.raises(EditError, match="no tier 'frames'; choose one of: words, syllables, phones"):
        leave_one_out(analyzer, analysis, tier="frames")
    with pytest.raises(EditError, match="no baseline 'music'"):
        leave_one_out(analyzer, analysis, baselines=["music"])
    with pytest.raises(EditError, match="at least one baseline"):
        leave_one_out(analyzer, analysis, baselines=[])
    unaligned = analyzer.analyze(librivox_clip, text=TEXT, aligner="none")
    with pytest.raises(EditError, match="There is no alignment, so no part of the sound can be named"):
        leave_one_out(analyzer, unaligned)
    masked = leave_one_out(analyzer, unaligned, medium="text")
    assert np.isnan(masked.starts).all() and masked.contributions.shape == (8, 4)
    silent = analyzer.analyze(librivox_clip, text="")
    with pytest.raises(EditError, match="This clip has no words that can be left out"):
        leave_one_out(analyzer, silent, medium="text")


def test_a_segment_too_short_to_mute_is_named(analyzer, analysis):
    phones = list(analysis.alignment.phones)
    phones[2] = dataclasses.replace(phones[2], end=phones[2].start + 0.004)
    short = dataclasses.replace(analysis, alignment=dataclasses.replace(analysis.alignment, phones=tuple(phones)))
    result = leave_one_out(analyzer, short, tier="phones", baselines=["silence"])
    assert len(result.labels) == len(phones) - 1 and 2 not in result.places
    assert result.left_out[0].endswith("it lasts only 4 ms")


def test_swapped_words_leave_their_sound_in_the_curve(analyzer, analysis):
    from mmer.interventions import SwapWords

    swapped = intervene(analyzer, analysis, [SwapWords("I hate you")]).changed
    result = leave_one_out(analyzer, swapped, baselines=["silence"])
    assert result.labels == tuple(TEXT.split()) and set(result.words) == {-1}
    assert place_unit(swapped, result, "T").sum() == 0


def test_progress_cancel_and_nothing_to_do(analyzer, analysis):
    seen = []
    leave_one_out(analyzer, analysis, medium="text", progress=lambda share, text: seen.append(share))
    assert seen[0] == 0.0 and seen[-1] == 1.0 and seen == sorted(seen)
    with pytest.raises(Cancelled, match="The curve was cancelled"):
        leave_one_out(analyzer, analysis, cancelled=lambda: True)
    assert analyzer.score_variants(analysis, [], count=0) == {}
    same = analyzer.score_variants(analysis, [Variant()], count=1)
    for role, prediction in analysis.predictions.items():
        np.testing.assert_allclose(same[role][0], prediction.logits, atol=1e-4)


def test_a_single_model_has_its_own_curve(analyzer, librivox_clip):
    late = analyzer.analyze(librivox_clip, text=TEXT, head="late-fs")
    result = leave_one_out(analyzer, late, baselines=["silence"])
    assert set(result.curves[0].drops) == {"late"} and result.attention is None
    early = analyzer.analyze(librivox_clip, text=TEXT, head="coattention-fp")
    result = leave_one_out(analyzer, early, baselines=["silence"])
    assert set(result.curves[0].drops) == {"early"} and result.contributions is None
    assert [a.other for a in rank_agreements(result, "anger", role="early", baseline="silence")] == ["attention"]


def test_json_names_everything(analyzer, analysis):
    data = json.loads(dump_json(leave_one_out_to_json(leave_one_out(analyzer, analysis))))
    assert (data["format"], data["version"], data["parent"]) == ("mmer-leave-one-out", 1, analysis.clip.sha256)
    assert len(data["curves"]) == 2 and np.array(data["curves"][0]["drops"]["early"]).shape == (8, 4)
    assert len(data["agreements"]) == 2 * 4 * (1 + 1 + 3) and {a["n"] for a in data["agreements"]} == {8}


def test_a_clip_shorter_than_a_word_list_still_runs(analyzer, librivox_clip):
    clip = clip_from_samples(librivox_clip.samples[3000:9000], 16000, name="he")
    result = leave_one_out(analyzer, analyzer.analyze(clip, text="he", aligner="sphinx"), medium="text")
    assert len(result.labels) == 1 and rank_agreements(result, "anger", role="late", baseline="mask")[0].rho is None
