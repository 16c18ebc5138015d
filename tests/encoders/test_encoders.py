"""The compact preset at its real weights, the paper preset's classes at small random ones."""

import itertools

import ctranslate2
import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import (
    AutoModel,
    BertConfig,
    BertModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    WhisperFeatureExtractor,
)

from mmer.encoders.encoders import SpeechEncoder, TextEncoder, find_cuts
from mmer.encoders.loading import halve, load_state
from mmer.encoders.presets import PRESETS, WINDOW
from mmer.encoders.speech_models import WaveModel, WhisperModel
from mmer.errors import WeightsError
from mmer.results import Transcript, Word


@pytest.fixture(scope="module")
def sound(librivox_clip):
    return librivox_clip.samples


def _transcript(text):
    words, position = [], 0
    for piece in text.split():
        start = text.index(piece, position)
        position = start + len(piece)
        words.append(Word(piece.strip(".,!?"), start, start + len(piece.strip(".,!?")), (piece.strip(".,!?").lower(),)))
    return Transcript(text, tuple(words), "typed")


@pytest.fixture(scope="module")
def tiny_wav2vec2():
    torch.manual_seed(0)
    config = Wav2Vec2Config(hidden_size=16, num_hidden_layers=12, num_attention_heads=2, intermediate_size=32, conv_dim=(8,) * 7,
                            num_conv_pos_embedding_groups=2, num_conv_pos_embeddings=8)  # fmt: skip
    return Wav2Vec2Model(config).eval().requires_grad_(False)


def test_whisper_states_equal_the_stock_forward_at_30_s(speech_encoder, sound):
    padded = np.zeros(480000, np.float32)
    padded[: len(sound)] = sound
    model = speech_encoder.model
    mel = WhisperFeatureExtractor()(padded, sampling_rate=16000, return_tensors="pt").input_features
    with torch.no_grad():
        stock = model.encoder(mel, output_hidden_states=True).hidden_states
    ours = WhisperModel(model.encoder, silence=0.0).states([padded])[0]
    assert ours.shape == (5, 1500, 384)
    for layer, expected in zip(ours[:-1], stock[:-1]):
        torch.testing.assert_close(layer, expected[0], atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(ours[-1], model.encoder(mel).last_hidden_state[0], atol=2e-4, rtol=1e-4)


def test_whisper_states_equal_ctranslate2(speech_encoder, sound):
    folder = PRESETS["compact"].speech.find()
    padded = np.zeros(480000, np.float32)
    padded[: len(sound)] = sound
    mel = WhisperFeatureExtractor()(padded, sampling_rate=16000, return_tensors="np").input_features
    reference = ctranslate2.models.Whisper(str(folder), compute_type="float32").encode(ctranslate2.StorageView.from_array(mel))
    ours = WhisperModel(speech_encoder.model.encoder, silence=0.0).states([padded])[0][-1]
    np.testing.assert_allclose(ours.numpy(), np.array(reference)[0], atol=2e-3)


def test_compact_speech_states_of_a_short_clip(speech_encoder, sound):
    states = speech_encoder.encode(sound[:16000])
    assert states.hidden.shape == (4, 50, 384) and states.hidden.dtype == np.float32
    assert states.layer_names == ("1", "2", "3", "4") and not states.joins
    assert states.times[0] == 0.0 and states.times[1] == 0.02


def test_a_batch_of_unequal_clips_equals_one_at_a_time(speech_encoder, sound):
    clips = [sound[:12345], sound[:32000], sound[5000:25123]]
    for together, clip in zip(speech_encoder.encode_batch(clips), clips):
        np.testing.assert_allclose(together.hidden, speech_encoder.encode(clip).hidden, atol=2e-4)


@pytest.mark.parametrize(("window", "context"), [(4.0, 0.0), (14.0, 1.0)])
def test_long_clip_is_stitched_at_quiet_places_without_gap_or_doubling(speech_encoder, sound, window, context):
    pause = np.zeros(8000, np.float32)
    sentence = np.concatenate([sound, pause])
    clip = np.tile(sentence, -(-40 * 16000 // len(sentence)))
    encoder = SpeechEncoder(speech_encoder.model, identity="windows", window=window, context=context)
    states = encoder.encode(clip)
    np.testing.assert_allclose(np.diff(states.times), 0.02, atol=1e-9)
    assert len(states.times) == -(-len(clip) // 320)
    assert len(states.joins) >= 2
    for join in states.joins:  # every join lies in one of the planted pauses
        assert (join * 16000) % len(sentence) > len(sound) - 3200
    cut = round(states.joins[0] * 16000)
    alone = encoder.encode(clip[: cut + round(context * 16000)])
    frames = cut // 320
    np.testing.assert_allclose(states.hidden[:, :frames], alone.hidden[:, :frames], atol=1e-4)


def test_a_clip_that_goes_on_longer_is_read_as_the_short_one(speech_encoder, sound):
    """States of one sentence and of four in a row: the mean of each layer stays, since no window is longer than a training clip."""
    once, four = (speech_encoder.encode(np.tile(sound, times)).hidden.mean(1) for times in (1, 4))
    whole = SpeechEncoder(speech_encoder.model, identity="whole").encode(np.tile(sound, 4)).hidden.mean(1)
    assert np.linalg.norm(four - once) < np.linalg.norm(whole - once) / 3
    assert PRESETS["paper"].window == WINDOW  # reads whole what the paper reads whole


def test_cuts_are_none_for_a_clip_that_fits_and_bounded_for_one_that_does_not():
    noise = np.random.default_rng(0).normal(size=16000 * 100)
    assert find_cuts(noise[: 16000 * 20], window=20, grid=320) == []
    cuts = find_cuts(noise, window=20, grid=320)
    edges = [0, *cuts, len(noise)]
    assert all(0 < b - a <= 20 * 16000 for a, b in itertools.pairwise(edges)) and all(c % 320 == 0 for c in cuts)


def test_wav2vec2_states_equal_transformers_and_leave_the_input_layer_out(tiny_wav2vec2, sound):
    encoder = SpeechEncoder(WaveModel(tiny_wav2vec2, Wav2Vec2FeatureExtractor(do_normalize=True)), identity="tiny")
    states = encoder.encode(sound[:20000])
    normed = (sound[:20000] - sound[:20000].mean()) / np.sqrt(sound[:20000].var() + 1e-7)
    expected = tiny_wav2vec2(torch.from_numpy(normed)[None], output_hidden_states=True).hidden_states
    assert states.hidden.shape == (12, expected[0].shape[1], 16)
    np.testing.assert_allclose(states.hidden, torch.cat(expected[1:]).numpy(), atol=1e-5)
    assert states.times[0] == pytest.approx(200 / 16000) and states.times[1] - states.times[0] == pytest.approx(0.02)


def test_wav2vec2_clips_of_unequal_length_are_never_padded(tiny_wav2vec2, sound):
    encoder = SpeechEncoder(WaveModel(tiny_wav2vec2, Wav2Vec2FeatureExtractor()), identity="tiny")
    clips = [sound[:16000], sound[:24000], sound[8000:24000]]
    for together, clip in zip(encoder.encode_batch(clips), clips):
        np.testing.assert_array_equal(together.hidden, encoder.encode(clip).hidden)


def test_the_input_of_the_first_layer_is_a_setting(tiny_wav2vec2, sound):
    encoder = SpeechEncoder(WaveModel(tiny_wav2vec2, Wav2Vec2FeatureExtractor()), identity="tiny", include_input=True)
    states = encoder.encode(sound[:16000])
    assert states.hidden.shape[0] == 13 and states.layer_names[0] == "0"


def test_text_states_equal_transformers(text_encoder):
    text = "She wasn't unhappy, strangely!"
    states = text_encoder.encode(_transcript(text))
    folder = PRESETS["compact"].text.find()
    model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    ids = torch.tensor([Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text).ids])
    ids = ids[:, : int((ids != 0).sum())]
    with torch.no_grad():
        expected = model(ids, output_hidden_states=True).hidden_states[1:]
    assert states.hidden.shape[0] == 6
    np.testing.assert_allclose(states.hidden, torch.cat(expected)[:, 1:-1].numpy(), atol=1e-5)
    assert "[CLS]" not in states.tokens and "[SEP]" not in states.tokens


def test_tokens_point_at_their_characters_and_words(text_encoder):
    states = text_encoder.encode(_transcript("Café déjà-vu 10, unbelievably!"))
    text = "Café déjà-vu 10, unbelievably!"
    assert states.words[-1] == -1 and states.tokens[-1] == "!"
    assert text[slice(*states.offsets[0])] == "Café" and states.words[0] == 0
    for (start, end), word in zip(states.offsets, states.words):
        if word == 3:
            assert text[start:end] in "unbelievably"


def test_texts_in_a_batch_equal_texts_alone(text_encoder):
    texts = [_transcript("Hello."), _transcript("This one is a good deal longer than the other one was."), _transcript("No")]
    for together, transcript in zip(text_encoder.encode_batch(texts), texts):
        np.testing.assert_allclose(together.hidden, text_encoder.encode(transcript).hidden, atol=1e-5)


def test_text_beyond_the_window_is_stitched_at_sentence_ends(text_encoder):
    transcript = _transcript("I really did not expect that to happen today. " * 90)
    states = text_encoder.encode(transcript)
    assert states.hidden.shape[1] == len(states.tokens) == 90 * 10
    assert states.joins and all(states.tokens[j - 1] == "." for j in states.joins)


def test_random_bert_of_the_paper_goes_through_the_same_class():
    torch.manual_seed(0)
    folder = PRESETS["compact"].text.find()
    config = BertConfig(hidden_size=24, num_hidden_layers=12, num_attention_heads=2, intermediate_size=48)
    encoder = TextEncoder(BertModel(config, add_pooling_layer=False).eval(), Tokenizer.from_file(str(folder / "tokenizer.json")),
                          identity="tiny")  # fmt: skip
    assert encoder.encode(_transcript("A whole sentence.")).hidden.shape == (12, 4, 24)


def test_checkpoint_names_of_older_versions_load(tiny_wav2vec2):
    """The hub's wav2vec2-base is a pretraining checkpoint: prefixed, with weight_g / weight_v, and with a quantizer to leave out."""
    old = {
        "wav2vec2." + n.replace("parametrizations.weight.original0", "weight_g").replace("parametrizations.weight.original1", "weight_v"): t
        for n, t in tiny_wav2vec2.state_dict().items()
    } | {"quantizer.codevectors": torch.zeros(1)}
    fresh = Wav2Vec2Model(tiny_wav2vec2.config)
    load_state(fresh, old, prefix="wav2vec2.")
    for name, tensor in tiny_wav2vec2.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], tensor), name


def test_checkpoint_with_a_missing_tensor_is_refused(tiny_wav2vec2):
    state = tiny_wav2vec2.state_dict()
    gone = state.popitem()[0]
    with pytest.raises(WeightsError, match=gone):
        load_state(Wav2Vec2Model(tiny_wav2vec2.config), state, prefix="wav2vec2.")


def test_half_precision_is_taken_only_where_it_agrees(tiny_wav2vec2, sound):
    linear = torch.nn.Linear(4, 4)
    halve(linear, "bfloat16", lambda: torch.ones(2, 3, 4), "agreeing")
    assert linear.weight.dtype == torch.bfloat16
    answers = iter([torch.ones(1, 3, 4), torch.tensor([1.0, 1.0, 1.0, 0.2]).expand(1, 3, 4)])
    with pytest.raises(WeightsError, match=r"broken in float16 agrees with float32 only to a cosine of 0\.9"):
        halve(torch.nn.Linear(4, 4), "float16", lambda: next(answers), "broken")


def test_compact_encoders_run_in_bfloat16(sound):
    half = SpeechEncoder.load(PRESETS["compact"], dtype="bfloat16")
    assert half.identity.endswith("bfloat16") and np.isfinite(half.encode(sound[:16000]).hidden).all()


def test_paper_preset_without_the_hub_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="facebook/wav2vec2-base"):
        SpeechEncoder.load(PRESETS["paper"], local_only=True)
