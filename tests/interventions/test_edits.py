"""Edits as data: their JSON form, targets as typed, transcripts and alignments that are carried along."""

import json

import numpy as np
import pytest
from sample_analysis import make_analysis

from mmer.errors import EditError
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
    edit_to_json,
    parse_target,
)
from mmer.interventions.edited_clip import TimeChange, find_range, find_words, put_samples, read_edited_clip
from mmer.interventions.edits import KINDS
from mmer.interventions.words import count_pieces, drop_words, mask_words
from mmer.transcript.transcribe import read_transcript

WORD = Target("word", 3)
EDITS = [
    Mute(WORD, "both", "noise", 7),
    Remove(Target("span", start=0.25, end=0.5)),
    Isolate(Target("syllable", 0)),
    ChangePitch(WORD, -3),
    ChangeTempo(WORD, 1.5),
    ChangeLoudness(Target("phone", 2), 6.0),
    SwapVoice("ab" * 32, "other.wav"),
    SwapWords("I hate you"),
    CorrectWords("I ate two"),
]


@pytest.mark.parametrize("edit", EDITS, ids=lambda e: type(e).__name__)
def test_every_edit_survives_json(edit):
    assert edit_from_json(json.loads(json.dumps(edit_to_json(edit)))) == edit


def test_all_kinds_are_tested():
    assert {type(edit) for edit in EDITS} == set(KINDS.values())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"kind": "shout"}, "needs a \"kind\" out of mute.*found 'shout'"),
        ([], "needs a"),
        ({"kind": "mute"}, "mute: there is no 'target'"),
        ({"kind": "mute", "target": 3}, "target: expected an object"),
        ({"kind": "mute", "target": {"tier": "word", "index": "3"}}, "'index' can't be '3'"),
        ({"kind": "mute", "target": {"tier": "word", "index": True}}, "'index' can't be 'True'"),
        ({"kind": "mute", "target": {"tier": "word"}}, "None is no number of a word"),
        ({"kind": "mute", "target": {"tier": "line", "index": 1}}, "no tier 'line'"),
        ({"kind": "mute", "target": {"tier": "span", "start": 2.0, "end": 1.0}}, r"from 2.0 to 1.0 s is none"),
        ({"kind": "mute", "target": {"tier": "word", "index": 1}, "fill": "music"}, "no fill 'music'; choose one of: silence, noise"),
        ({"kind": "mute", "target": {"tier": "word", "index": 1}, "volume": 1}, "'volume' is unknown"),
        ({"kind": "tempo", "target": {"tier": "word", "index": 1}, "factor": 9}, "tempo of 9 times as fast is out of range"),
        ({"kind": "pitch", "target": {"tier": "word", "index": 1}, "semitones": float("nan")}, "out of range"),
        ({"kind": "swap words"}, "there is no 'text'"),
    ],
)
def test_a_bad_edit_says_what_is_wrong(data, message):
    with pytest.raises(EditError, match=message):
        edit_from_json(data)


def test_targets_as_typed_count_from_one():
    assert parse_target("word:3") == Target("word", 2) and parse_target(" phone:1") == Target("phone", 0)
    assert parse_target("0.31-0.52") == Target("span", start=0.31, end=0.52)
    for text in ("word:0", "word:", "3", "word:x", "0.5-0.2", "-1-2", "nan-1", "line:2", ""):
        with pytest.raises(EditError):
            parse_target(text)


# transcripts


def test_masks_keep_the_number_of_word_pieces_and_every_offset(text_encoder):
    transcript = read_transcript("Well, he wasn't ill-disposed: 21 zygotes!")
    before = text_encoder.encode(transcript)
    chosen = [i for i, w in enumerate(transcript.words) if w.text in ("wasn't", "zygotes")]
    masked = mask_words(transcript, chosen, text_encoder)
    after = text_encoder.encode(masked)
    np.testing.assert_array_equal(after.words, before.words)
    assert [t for t, w in zip(after.tokens, after.words) if w in chosen] == ["[MASK]"] * sum(
        count_pieces(transcript, text_encoder)[i] for i in chosen
    )
    kept = [(t, w) for t, w in zip(before.tokens, before.words) if w not in chosen]
    assert [(t, w) for t, w in zip(after.tokens, after.words) if w not in chosen] == kept
    for word, original in zip(masked.words, transcript.words):
        assert masked.text[word.start_char : word.end_char] == word.text and word.spoken == original.spoken


@pytest.mark.parametrize(
    ("chosen", "text"),
    [([0], ", he was ill."), ([1], "Well, was ill."), ([3], "Well, he was ."), ([1, 2], "Well, ill."), ([0, 1, 2, 3], ", .")],
)
def test_dropped_words_go_with_their_blank(chosen, text):
    left = drop_words(read_transcript("Well, he was ill."), chosen)
    assert left.text == text
    assert all(left.text[w.start_char : w.end_char] == w.text for w in left.words)


# time


def test_time_is_moved_piece_by_piece():
    cut, slow = TimeChange(1.0, 1.5, 0.0), TimeChange(0.2, 0.4, 0.4)
    assert [cut.move(t) for t in (0.5, 1.0, 1.2, 1.5, 2.0)] == [0.5, 1.0, 1.0, 1.0, 1.5]
    np.testing.assert_allclose([slow.move(t) for t in (0.1, 0.2, 0.3, 0.4, 1.0)], [0.1, 0.2, 0.4, 0.6, 1.2])


def test_targets_count_in_the_first_clip_whatever_was_removed(analyzer, librivox_clip):
    edited = read_edited_clip(analyzer.analyze(librivox_clip, text="he was not an ill disposed young man"))
    words = edited.alignment.words
    cut = put_samples(
        edited, edited.clip.samples[round(words[1].start * 16000) :], done="cut", stretch=TimeChange(0.0, words[1].start, 0.0)
    )
    assert len(cut.alignment.words) == 7 and cut.alignment.words[0].word == 1 and cut.alignment.words[0].start == 0
    for before, after in zip(words[1:], cut.alignment.words):
        assert np.isclose(after.end - after.start, before.end - before.start) and after.score == before.score
    first, last = find_range(cut, Target("word", 3))
    np.testing.assert_allclose([first, last], [(t - words[1].start) * 16000 for t in (words[3].start, words[3].end)], atol=1)
    with pytest.raises(EditError, match="Word 1 was removed by an edit before"):
        find_range(cut, Target("word", 0))


def test_a_span_takes_the_words_whose_middle_it_holds(analyzer, librivox_clip):
    edited = read_edited_clip(analyzer.analyze(librivox_clip, text="he was not an ill disposed young man"))
    a, b = edited.alignment.words[2:4]
    assert find_words(edited, Target("span", start=a.start, end=b.end)) == [2, 3]
    with pytest.raises(EditError, match="No word has its middle between"):
        find_words(edited, Target("span", start=a.start, end=a.start + 0.02))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (Target("word", 8), "There is no word 9: the transcript has 8 words"),
        (Target("syllable", 99), r"There is no syllable 100: the clip has \d+ syllables"),
        (Target("span", start=3.5, end=4.0), r"begins at 3\.50 s, but the clip lasts 2\.99 s"),
        (Target("span", start=0.5, end=0.505), "is 5 ms short; at least 10 ms are needed"),
    ],
)
def test_a_target_that_is_not_there_is_named(analyzer, librivox_clip, target, message):
    edited = read_edited_clip(analyzer.analyze(librivox_clip, text="he was not an ill disposed young man"))
    with pytest.raises(EditError, match=message):
        find_range(edited, target)


def test_a_syllable_has_no_text():
    with pytest.raises(EditError, match="A syllable can be changed in the sound alone"):
        find_words(read_edited_clip(make_analysis()), Target("syllable", 0))


def test_without_alignment_a_word_has_no_place_in_the_sound():
    with pytest.raises(EditError, match="There is no alignment, so word 1 has no place in the sound"):
        find_range(read_edited_clip(make_analysis(words=False)), Target("word", 0))
