"""Speech and typed text become transcripts whose words stand where they say they stand."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from mmer.audio.load import clip_from_samples, load_audio
from mmer.errors import Cancelled, TranscriptError
from mmer.transcript.transcribe import UNSURE, UNTRUSTED, Recogniser, read_transcript

LIBRIVOX = Path("/usr/share/pocketsphinx/test/data/librivox")
CARDS = Path("/usr/share/pocketsphinx/test/data/cards")


@pytest.fixture(scope="module")
def recogniser():
    return Recogniser.load()


def reference(folder, name):
    """{file stem: words} from a file of the form "<s> words </s> (stem)"."""
    lines = (folder / name).read_text().splitlines()
    found = [re.fullmatch(r"<s>(.*)</s> \((.*)\)", line.strip()) for line in lines if line.strip()]
    return {match[2]: match[1].split() for match in found}


def word_errors(truth, heard):
    """Edit distance over words."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(truth, 1):
        previous, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (word != other))
    return row[-1]


def places_are_right(transcript):
    end = 0
    for word in transcript.words:
        assert word.start_char >= end
        assert transcript.text[word.start_char : word.end_char] == word.text != ""
        end = word.end_char
    return True


def texts(transcript):
    return " ".join(n.text for n in transcript.notices)


# ---- recognised, by the real model ----


def test_read_speech_is_recognised(recogniser):
    errors = words = 0
    for stem, truth in reference(LIBRIVOX, "transcription").items():
        clip = load_audio(LIBRIVOX / f"{stem}.wav")
        transcript = recogniser.transcribe(clip)
        spoken = [s for _, s in transcript.spoken]
        errors, words = errors + word_errors(truth, spoken), words + len(truth)
        assert places_are_right(transcript)
        assert transcript.source == "whisper-tiny.en" and transcript.notices == ()
        assert UNSURE < transcript.confidence <= 1
        times = [t for w in transcript.words for t in (w.start, w.end)]
        assert times == sorted(times) and times[0] >= 0 and times[-1] <= clip.duration
        assert all(type(v) is float for w in transcript.words for v in (w.start, w.end, w.probability))  # JSON takes no numpy numbers
    assert words == 71 and errors / words <= 0.08


def test_digits_of_the_recogniser_are_said_as_words(recogniser):
    transcript = recogniser.transcribe(load_audio(CARDS / "001.wav"))
    assert [w.text for w in transcript.words] == ["10", "of", "clubs"]
    assert [s for _, s in transcript.spoken] == ["ten", "of", "clubs"]


def test_long_clip_is_heard_to_its_end(recogniser):
    sentences = [load_audio(path).samples for path in sorted(LIBRIVOX.glob("*.wav"))]
    pause = np.zeros(8000, np.float32)
    clip = clip_from_samples(np.concatenate([part for s in [*sentences, *sentences[:3]] for part in (s, pause)]), 16000, name="a")
    assert clip.duration > 35
    seen = []
    transcript = recogniser.transcribe(clip, progress=lambda share, text: seen.append((share, text)))
    said = [s for _, s in transcript.spoken]
    assert places_are_right(transcript) and said.count("amiable") == 2 and said.count("selfish") == 2
    assert transcript.words[-1].start > 35
    shares = [share for share, _ in seen]
    assert shares == sorted(shares) and shares[-1] > 0.9 and max(shares) <= 1


@pytest.mark.parametrize("silent_seconds", [20, 24, 26, 28, 45])
def test_speech_after_a_long_silence_is_heard_whole_and_nothing_is_added(recogniser, silent_seconds):
    """The recogniser's own windows end at 30 s: it lost the first words there, or added a phrase for the rest of a window."""
    stem = "sense_and_sensibility_01_austen_64kb-0890"
    speech = load_audio(LIBRIVOX / f"{stem}.wav").samples
    hiss = np.random.default_rng(0).normal(0, 1e-4, silent_seconds * 16000).astype(np.float32)
    transcript = recogniser.transcribe(clip_from_samples(np.concatenate([hiss, speech]), 16000, name="a"))
    alone = recogniser.transcribe(load_audio(LIBRIVOX / f"{stem}.wav"))
    truth = reference(LIBRIVOX, "transcription")[stem]
    heard = [s for _, s in transcript.spoken]
    assert word_errors(truth, heard) <= max(2, word_errors(truth, [s for _, s in alone.spoken]))
    assert len(heard) <= len(truth) + 1 and transcript.words[0].start >= silent_seconds - 1.0  # its times are rough
    assert not any(w.in_silence for w in transcript.words)
    assert f"Nobody was found to speak at 0.0 to {silent_seconds - 1}" in texts(transcript)


def test_noise_has_no_words_and_says_so(recogniser):
    for seed, level in ((0, 0.05), (1, 0.2)):
        noise = np.clip(np.random.default_rng(seed).normal(0, level, 48000), -1, 1)
        transcript = recogniser.transcribe(clip_from_samples(noise, 16000, name="a"))
        assert (transcript.text, transcript.words, transcript.confidence) == ("", (), None)
        assert texts(transcript) == "No speech was found in this clip, so no words were looked for; type them if there are any."


def test_same_clip_gives_the_same_words_twice(recogniser):
    clip = load_audio(CARDS / "005.wav")
    assert recogniser.transcribe(clip) == recogniser.transcribe(clip)


# ---- recognised, by a stand-in of the same type ----


@dataclass
class FakeWord:
    word: str
    start: float = 0.1
    end: float = 0.4
    probability: float = 0.9


@dataclass
class FakeSegment:
    words: list[FakeWord] | None
    end: float = 1.0
    start: float = 0.0
    no_speech_prob: float = 0.1
    compression_ratio: float = 1.2


@dataclass
class FakeModel:
    segments: list[FakeSegment]
    asked: dict = field(default_factory=dict)

    def transcribe(self, samples, **options):
        self.asked = options
        return iter(self.segments), None


def everywhere(samples):
    return ((0.0, len(samples) / 16000),)


def fake(segments, spans=None):
    """A recogniser that hears these segments, in sound where somebody speaks all the time or at `spans`."""
    return Recogniser(FakeModel(segments), name="fake", find_speech=everywhere if spans is None else lambda samples: spans)


def hear(*words, probability=0.9):
    segment = FakeSegment([FakeWord(w, 0.1 * i, 0.1 * i + 0.1, np.float64(probability)) for i, w in enumerate(words)])
    return fake([segment]).transcribe(tone())


def tone():
    return clip_from_samples(0.5 * np.sin(np.arange(16000) / 5), 16000, name="a")


def test_pieces_of_a_word_are_joined_with_their_times():
    transcript = hear(" I", " paid", " $", "5", ".50", " in", " Os", "lo", ".")
    assert transcript.text == "I paid $5.50 in Oslo."
    assert [w.text for w in transcript.words] == ["I", "paid", "$5.50", "in", "Oslo"]
    assert (transcript.words[2].start, transcript.words[2].end) == pytest.approx((0.2, 0.5))
    assert transcript.words[2].spoken == ("five", "dollars", "and", "fifty", "cents")
    assert places_are_right(transcript)


def test_one_piece_with_two_words_gives_both_its_times():
    transcript = hear(" this/that", " ok")
    assert [(w.text, w.start) for w in transcript.words[:2]] == [("this", 0.0), ("that", 0.0)]


def test_segments_without_words_are_no_words():
    for segments in ([], [FakeSegment(None)], [FakeSegment([])], [FakeSegment([FakeWord(" ...")])]):
        transcript = fake(segments).transcribe(tone())
        assert transcript.words == () and transcript.text == "" and "made out no words" in texts(transcript)


def test_words_invented_for_noise_and_loops_are_dropped():
    said = FakeSegment([FakeWord(" hello")])
    noise = FakeSegment([FakeWord(" You")], no_speech_prob=0.95)
    loop = FakeSegment([FakeWord(" again")] * 100, compression_ratio=20.0)
    assert fake([noise, said, loop]).transcribe(tone()).text == "hello"


def test_times_beyond_the_clip_are_cut_to_it():
    transcript = fake([FakeSegment([FakeWord(" hi", -0.1, 0.5), FakeWord(" you", 0.9, 29.0)])]).transcribe(tone())
    assert [(w.start, w.end) for w in transcript.words] == [(0.0, 0.5), (0.9, 1.0)]


def test_unsure_recogniser_says_so_with_its_confidence():
    unsure = (UNTRUSTED + UNSURE) / 2
    transcript = hear(" hello", " world", probability=unsure)
    assert transcript.confidence == pytest.approx(unsure) and transcript.is_readable
    assert f"unsure of these words ({100 * unsure:.0f} % on average) and knows English only" in texts(transcript)
    assert hear(" hello", " world", probability=0.95).notices == ()


def test_words_below_the_threshold_are_kept_to_be_read_and_not_trusted():
    transcript = hear(" hello", " world", probability=0.31)
    assert transcript.text == "hello world" and not transcript.is_readable
    assert "too unsure of its words (31 % on average)" in transcript.untrusted and "type what is said" in transcript.untrusted
    assert texts(transcript) == transcript.untrusted  # one reason, said once
    assert read_transcript("hello world").is_readable


def test_words_where_nobody_speaks_are_marked_and_named():
    words = [FakeWord(" yes", 0.1, 0.3), FakeWord(" See", 0.8, 0.85), FakeWord(" you.", 0.85, 0.9)]
    transcript = fake([FakeSegment(words)], spans=((0.0, 0.4), (0.97, 1.0))).transcribe(tone())
    assert [w.in_silence for w in transcript.words] == [False, False, False]  # too near to speech to tell
    transcript = fake([FakeSegment(words)], spans=((0.0, 0.4),)).transcribe(tone())
    assert [w.in_silence for w in transcript.words] == [False, True, True]
    assert "2 words stand where no speech was found (See you, at 0.8 s)" in texts(transcript)


def test_what_is_made_up_for_the_rest_of_a_window_is_not_taken():
    said = FakeSegment([FakeWord(" yes", 0.1, 0.5)], start=0.0, end=0.5)
    made_up = FakeSegment([FakeWord(" Thank", 0.5, 0.5), FakeWord(" you.", 0.5, 0.52)], start=0.5, end=0.6)
    assert fake([said, made_up], spans=((0.05, 0.52),)).transcribe(tone()).text == "yes"
    assert fake([said, made_up], spans=((0.05, 0.9),)).transcribe(tone()).text == "yes Thank you."


def test_speech_without_words_is_said():
    clip = clip_from_samples(0.5 * np.sin(np.arange(16000 * 6) / 5), 16000, name="a")
    transcript = fake([FakeSegment([FakeWord(" yes", 4.0, 4.5)])], spans=((0.5, 3.0), (3.9, 4.6))).transcribe(clip)
    assert "Somebody speaks at 0.5 to 4.0 s, but no words were made out there" in texts(transcript)
    assert fake([FakeSegment([FakeWord(" yes", 0.5, 4.5)])], spans=((0.5, 3.0), (3.9, 4.6))).transcribe(clip).notices == ()


def test_long_silence_is_left_out_and_named():
    clip = clip_from_samples(0.5 * np.sin(np.arange(16000 * 9) / 5), 16000, name="a")
    transcript = fake([FakeSegment([FakeWord(" yes", 1.0, 1.5)])], spans=((7.0, 7.6),)).transcribe(clip)
    assert (transcript.words[0].start, transcript.words[0].end) == (7.0, 7.5)  # counted from the clip's begin
    assert [n.level for n in transcript.notices] == ["info"]
    assert "Nobody was found to speak at 0.0 to 6.0 s, so no words were looked for there." in texts(transcript)


def test_recognition_is_asked_for_without_sampling():
    model = FakeModel([])
    Recogniser(model, find_speech=everywhere).transcribe(tone())
    assert model.asked["temperature"] == 0.0 and model.asked["beam_size"] == 5 and model.asked["word_timestamps"] is True


def test_person_can_stop_the_recogniser():
    def stop(share, text):
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        fake([FakeSegment([FakeWord(" hi")])]).transcribe(tone(), progress=stop)


# ---- typed ----


def test_typed_words_have_places_and_no_times():
    transcript = read_transcript("  Mr. Smith, don't  go at 10:30! ")
    assert [w.text for w in transcript.words] == ["Mr.", "Smith", "don't", "go", "at", "10:30"]
    assert places_are_right(transcript) and transcript.text == "  Mr. Smith, don't  go at 10:30! "
    assert transcript.source == "typed" and transcript.confidence is None and transcript.notices == ()
    assert all(w.start is None and w.end is None and w.probability is None for w in transcript.words)
    assert transcript.spoken[-2:] == ((5, "ten"), (5, "thirty"))


@pytest.mark.parametrize("text", ["", "   \n\t ", "...", "—"])
def test_no_words_is_a_transcript_without_words(text):
    transcript = read_transcript(text)
    assert transcript.words == () and transcript.text == text and transcript.notices == ()


def test_words_that_are_not_english_are_counted():
    transcript = read_transcript("hello 😀 привет мир 世界 friend")
    assert [w.text for w in transcript.words if not w.spoken] == ["😀", "привет", "мир", "世界"]
    assert texts(transcript).startswith("4 words are not spoken English (😀, привет, мир, …): the text model reads them")
    assert texts(read_transcript("well 😀")).startswith("1 word is not spoken English (😀): the text model reads it,")


def test_markup_stays_text():
    text = "<b>hi</b><img src=x onerror=alert(1)> &amp;"
    transcript = read_transcript(text)
    assert transcript.text == text and transcript.words[1].text == "hi" and places_are_right(transcript)


def test_control_characters_are_removed_and_named():
    transcript = read_transcript("he\x00llo\x1b[31m \u202eworld\ud800\r\nagain\u200b")
    assert transcript.text == "hello[31m world\nagain"
    assert texts(transcript).startswith("5 control characters were removed from the transcript.")
    transcript.text.encode()  # no lone surrogates
    assert places_are_right(transcript)
    assert texts(read_transcript("a\x07b")) == "1 control character was removed from the transcript."
    assert read_transcript("👨‍👩‍👧 नमस्ते\r\nok").text == "👨‍👩‍👧 नमस्ते\nok"


def test_too_many_words_for_the_clip_are_refused_with_both_numbers():
    with pytest.raises(TranscriptError, match=r"has 2,000 words, but the clip lasts 2\.0 s: at most 25 words"):
        read_transcript("word " * 2000, duration=2.0)
    assert len(read_transcript("word " * 25, duration=2.0).words) == 25
    assert len(read_transcript("word " * 2000).words) == 2000


def test_texts_beyond_every_clip_are_refused():
    with pytest.raises(TranscriptError, match="has 5,001 words; the limit is 5,000"):
        read_transcript("word " * 5001)
    with pytest.raises(TranscriptError, match="has 60,000 characters; the limit is 50,000"):
        read_transcript("a" * 60000)
    with pytest.raises(TranscriptError, match="words; the limit is 5,000"):
        read_transcript("77777 " * 1500)  # few written words, many spoken ones


def test_source_is_kept():
    assert read_transcript("hello", source="file").source == "file"


def test_guesses_and_notes_on_sounds_are_named():
    said = texts(read_transcript("on 3/4/2021 [laughter] yes"))
    assert "a guess: 3/4/2021 as “march fourth twenty twenty one”" in said and "type it in words" in said
    assert "Not said, so not looked for in the sound: [laughter]." in said
    assert read_transcript("on March fourth").notices == ()
    assert "only “nan”, which programs write" in texts(read_transcript("nan")) and read_transcript("nan").words[0].text == "nan"
