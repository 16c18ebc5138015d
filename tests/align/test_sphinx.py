import threading

import numpy as np
import pytest
from align_cases import load_speech, make_clip, make_transcript, read_transcriptions

from mmer.align import ALIGNERS
from mmer.align.phones import ARPABET
from mmer.align.sphinx import PIECE_MAX, REFUSED_SCORE, WARNING_SCORE, SphinxAligner, check_score, cut_pieces
from mmer.errors import AlignmentError

BOOK = read_transcriptions("librivox", "transcription")
YOUNG_MAN = "librivox/sense_and_sensibility_01_austen_64kb-0880.wav"
COLD = "librivox/sense_and_sensibility_01_austen_64kb-0890.wav"


@pytest.fixture(scope="module")
def aligner():
    return ALIGNERS["sphinx"].load()


def spans(alignment):
    return [(s.label, s.start, s.end, s.word) for tier in (alignment.words, alignment.syllables, alignment.phones) for s in tier]


@pytest.mark.parametrize("path", BOOK)
def test_read_speech_is_aligned_with_its_words(aligner, path):
    clip, transcript = load_speech(path), make_transcript(BOOK[path])
    alignment = aligner.align(clip, transcript)
    assert [(w.label, w.word) for w in alignment.words] == [(word.text, i) for i, word in enumerate(transcript.words)]
    assert {p.label for p in alignment.phones} <= ARPABET
    assert alignment.words[-1].end <= clip.duration
    assert alignment.words[-1].end - alignment.words[0].start > 0.7 * clip.duration
    for word in alignment.words:  # the tiers nest
        for tier in (alignment.phones, alignment.syllables):
            inside = [s for s in tier if s.word == word.word]
            assert (inside[0].start, inside[-1].end) == (word.start, word.end)
    assert alignment.score == pytest.approx(
        np.average([w.score for w in alignment.words], weights=[w.end - w.start for w in alignment.words])
    )
    assert not [n for n in alignment.notices if n.level == "warning"]


@pytest.mark.parametrize("path", BOOK)
def test_words_lie_where_the_sound_is(aligner, path):
    clip = load_speech(path)
    alignment = aligner.align(clip, make_transcript(BOOK[path]))
    times = np.arange(len(clip.samples)) / 16000
    inside = np.any([(times >= w.start) & (times < w.end) for w in alignment.words], axis=0)
    assert np.mean(clip.samples[inside] ** 2) > 10 * np.mean(clip.samples[~inside] ** 2)


def test_shifted_sound_shifts_the_words(aligner):
    """0.5 s of room noise before the clip moves every word by that much."""
    clip, transcript = load_speech(YOUNG_MAN), make_transcript(BOOK[YOUNG_MAN])
    later = make_clip(np.concatenate([np.random.default_rng(0).normal(0, 1e-3, 8000), clip.samples]))
    shifts = [b.start - a.start for a, b in zip(aligner.align(clip, transcript).words, aligner.align(later, transcript).words)]
    assert np.median(shifts) == pytest.approx(0.5, abs=0.02)


def test_result_does_not_depend_on_what_came_before(aligner):
    clip, transcript = load_speech(YOUNG_MAN), make_transcript(BOOK[YOUNG_MAN])
    first = aligner.align(clip, transcript)
    aligner.align(load_speech(COLD), make_transcript(BOOK[COLD]))
    with pytest.raises(AlignmentError):
        aligner.align(make_clip(np.zeros(8000)), transcript)
    assert aligner.align(clip, transcript) == first == SphinxAligner().align(clip, transcript)


def test_threads_share_one_aligner(aligner):
    jobs = [(load_speech(path), make_transcript(text)) for path, text in BOOK.items()]
    alone = [aligner.align(*job) for job in jobs]
    together = [None] * len(jobs)

    def align(i):
        together[i] = aligner.align(*jobs[i])

    threads = [threading.Thread(target=align, args=(i,)) for i in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


def test_loudness_and_digital_silence_do_not_matter(aligner):
    clip, transcript = load_speech(YOUNG_MAN), make_transcript(BOOK[YOUNG_MAN])
    silence = np.zeros(4800)
    plain = aligner.align(make_clip(np.concatenate([silence, clip.samples])), transcript)
    quiet = aligner.align(make_clip(np.concatenate([silence, clip.samples * 0.01])), transcript)
    assert np.median([abs(a.start - b.start) for a, b in zip(plain.words, quiet.words)]) <= 0.02


def test_numbers_and_unsaid_words(aligner):
    transcript = make_transcript("10 of clubs 🙂", {"10": ("ten",), "🙂": ()})
    alignment = aligner.align(load_speech("cards/001.wav"), transcript)
    assert [(w.label, w.word) for w in alignment.words] == [("10", 0), ("of", 1), ("clubs", 2)]
    assert [p.label for p in alignment.phones[:3]] == ["T", "EH", "N"]


def test_unknown_words_are_guessed_and_said_so(aligner):
    text = BOOK[YOUNG_MAN].replace("disposed", "dispozd")
    alignment = aligner.align(load_speech(YOUNG_MAN), make_transcript(text))
    known = aligner.align(load_speech(YOUNG_MAN), make_transcript(BOOK[YOUNG_MAN]))
    assert alignment.words[5].start == pytest.approx(known.words[5].start, abs=0.05)
    assert any("“dispozd” as D IH S P" in n.text and n.level == "info" for n in alignment.notices)


def test_typed_pronunciation_wins_and_stays_with_its_caller(aligner):
    clip = load_speech(YOUNG_MAN)
    transcript = make_transcript(BOOK[YOUNG_MAN])
    typed = aligner.align(clip, transcript, pronunciations={"Disposed": ("D", "IH0", "S", "P", "OW1", "Z", "T")})
    assert [p.label for p in typed.phones if p.word == 5][-1] == "T"
    assert [p.label for p in aligner.align(clip, transcript).phones if p.word == 5][-1] == "D"


def test_words_of_another_script_are_left_out(aligner):
    text = BOOK[YOUNG_MAN] + " пока"
    alignment = aligner.align(load_speech(YOUNG_MAN), make_transcript(text))
    assert len(alignment.words) == 8
    assert any("no English pronunciation: пока" in n.text for n in alignment.notices)


@pytest.mark.parametrize(
    ("transcript", "message"),
    [
        (make_transcript("🙂", {"🙂": ()}), "no spoken words"),
        (make_transcript("пока"), r"can be pronounced in English \(пока\)"),
        (make_transcript("word " * 2000), r"2,000 words can't be said in 3.0 s: [\d,]+ sounds take at least \d+"),
        (make_transcript("he", {"he": ("he",)}), None),
    ],
)
def test_words_that_can_not_be_aligned(aligner, transcript, message):
    clip = load_speech(YOUNG_MAN)
    if message is None:
        assert aligner.align(clip, transcript).words
        return
    with pytest.raises(AlignmentError, match=message):
        aligner.align(clip, transcript)


def test_wrong_phone_is_refused(aligner):
    with pytest.raises(AlignmentError, match="“QQ”"):
        aligner.align(load_speech(YOUNG_MAN), make_transcript("he"), pronunciations={"he": ("QQ",)})


def test_silence_has_no_path(aligner):
    with pytest.raises(AlignmentError, match="could not be matched"):
        aligner.align(make_clip(np.zeros(32000)), make_transcript(BOOK[YOUNG_MAN]))


def test_words_of_another_recording_are_refused_or_warned_of(aligner):
    """Every clip against every other one's words: none of the 20 passes without a word."""
    for path in BOOK:
        for other in BOOK:
            if other == path:
                continue
            try:
                alignment = aligner.align(load_speech(path), make_transcript(BOOK[other]))
            except AlignmentError:
                continue
            assert [n for n in alignment.notices if n.level == "warning"], (path, other, alignment.score)


def test_low_scores_are_warned_of_and_lower_ones_refused():
    assert check_score(WARNING_SCORE + 0.1) == [] == check_score(None)
    assert "don't seem to match the sound (fit -31; right words seldom fall below -30)" in check_score(-31.0)[0].text
    with pytest.raises(AlignmentError, match=r"don't match the sound \(fit -60"):
        check_score(REFUSED_SCORE - 10)


def test_pieces_cover_a_long_clip_and_are_cut_in_its_widest_pauses():
    spans = [(i + 0.1, i + 1.0 - (0.3 if i % 7 == 0 else 0)) for i in range(100)]
    pieces = cut_pieces(spans, 100.5)
    assert pieces[0].start == 0 and pieces[-1].end == 100.5 and pieces[-1].last == 100
    for piece, following in zip(pieces, [*pieces[1:], None]):
        assert piece.end - piece.start <= PIECE_MAX
        assert all(piece.start <= start and end <= piece.end for start, end in spans[piece.first : piece.last])
        if following:
            assert (piece.end, piece.last) == (following.start, following.first)
            assert piece.end % 7 == pytest.approx(0.9, abs=0.01)  # the middle of the pause behind every seventh word
    assert len(cut_pieces([(0.0, 90.0)], 100.0)) == 1  # nowhere to cut


def test_a_long_clip_is_aligned_in_pieces_like_its_parts(aligner):
    clips = [load_speech(path) for path in BOOK] * 2
    texts = list(BOOK.values()) * 2
    together = aligner.align(make_clip(np.concatenate([c.samples for c in clips])), make_transcript(" ".join(texts)))
    expected, offset = [], 0.0
    for clip, text in zip(clips, texts):
        expected += [word.start + offset for word in aligner.align(clip, make_transcript(text)).words]
        offset += clip.duration
    assert len(together.words) == len(expected) > 140
    assert np.max(np.abs(np.array([w.start for w in together.words]) - expected)) < 0.1


@pytest.mark.parametrize("odd", ["<sil>", "[noise]", "++um++", "a b", "to(2)", "</s>", '"', "\\", "|", "x" * 300, "\x00"])
def test_odd_words_do_no_harm(aligner, odd):
    transcript = make_transcript(BOOK[YOUNG_MAN] + " end", {"end": (odd,)})
    try:
        alignment = aligner.align(load_speech(YOUNG_MAN), transcript)
    except AlignmentError:
        pass
    else:
        assert {w.word for w in alignment.words} in ({0, 1, 2, 3, 4, 5, 6, 7}, {0, 1, 2, 3, 4, 5, 6, 7, 8})
    assert len(aligner.align(load_speech(YOUNG_MAN), make_transcript(BOOK[YOUNG_MAN])).words) == 8


def test_a_full_dictionary_is_begun_anew_and_changes_nothing(aligner):
    small, transcript = SphinxAligner(most_added=2), make_transcript(BOOK[YOUNG_MAN])
    typed = [("HH", "IY"), ("HH", "IH"), ("HH", "EY"), ("HH", "AA"), ("HH", "IY")]
    for phones in typed:
        said = {"he": phones}
        found = small.align(load_speech(YOUNG_MAN), transcript, pronunciations=said)
        assert found == aligner.align(load_speech(YOUNG_MAN), transcript, pronunciations=said)
        assert small._added <= 3
