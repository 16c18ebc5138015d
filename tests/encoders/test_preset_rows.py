"""Every row of the presets, at small random weights, goes the whole way: states, pooling, a training, an analysis, an export."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from small_encoders import SPEECH_DIM, SPEECH_LAYERS, TEXT_DIM, TEXT_LAYERS, TEXTS, install_small
from tokenizers import Tokenizer
from transformers import AutoModel, Data2VecAudioConfig, Wav2Vec2Config, Wav2Vec2FeatureExtractor

from mmer.choices.emotions import EMOTIONS
from mmer.encoders.encoders import SpeechEncoder, TextEncoder
from mmer.encoders.pooling import pool_segments
from mmer.encoders.presets import PRESETS, UNPINNED
from mmer.encoders.speech_models import WaveModel, measure_convolutions
from mmer.errors import WeightsError
from mmer.experiments.experiment import Experiment
from mmer.experiments.prepare import prepare_experiment
from mmer.experiments.trainer.run_experiment import run_experiment
from mmer.exports.analysis_json import analysis_from_json, analysis_to_json
from mmer.heads.folder import load_head
from mmer.interventions.words import mask_words
from mmer.pipeline import Analyzer
from mmer.results import SAMPLE_RATE, Segment
from mmer.transcript.transcribe import Recogniser, read_transcript

ROWS = tuple(PRESETS.values())
LENGTHS = (1600, 16_000, 23_457, 40_001)  # samples


@pytest.fixture(scope="module", params=ROWS, ids=lambda row: row.name)
def row(request, tmp_path_factory):
    """A row of the presets with small encoders, registered beside the others."""
    root = tmp_path_factory.mktemp("packages")
    small = install_small(request.param, root)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root))
        with PRESETS.adding(small):
            yield small


@pytest.fixture(scope="module")
def speech(row):
    return SpeechEncoder.load(row)


@pytest.fixture(scope="module")
def text(row):
    return TextEncoder.load(row)


def make_sounds(seed=0):
    rng = np.random.default_rng(seed)
    return [(0.1 * rng.normal(size=length)).astype(np.float32) for length in LENGTHS]


def test_a_choice_says_what_it_fetches_and_under_which_licences():
    terms = {preset.name: preset.terms for preset in ROWS}
    assert terms["compact"] == "installed; MIT, Apache-2.0"
    assert terms["paper"] == "820 MB to fetch; Apache-2.0"
    assert terms["wavlm-roberta"].startswith("880 MB to fetch; MIT or CC BY-SA 3.0")
    assert terms["multilingual"] == "1,268 MB to fetch; MIT"


def test_states_have_the_row_s_layers_and_width_at_the_encoder_s_times(row, speech):
    for sound in make_sounds():
        states = speech.encode(sound)
        assert states.hidden.shape == (SPEECH_LAYERS, len(states.times), SPEECH_DIM) and np.isfinite(states.hidden).all()
        assert states.layer_names == row.name_layers("F") and states.step == row.step
        np.testing.assert_allclose(np.diff(states.times), row.step, atol=1e-9)
        assert 0 <= states.times[0] < row.step and len(sound) / SAMPLE_RATE - 2 * row.step < states.times[-1] < len(sound) / SAMPLE_RATE
        assert states.encoder == row.speech_identity


def test_clips_of_unequal_length_in_a_batch_equal_clips_alone(speech):
    for together, sound in zip(speech.encode_batch(make_sounds()), make_sounds()):
        np.testing.assert_allclose(together.hidden, speech.encode(sound).hidden, atol=2e-5)


def test_words_are_pooled_over_the_frames_whose_centres_they_hold(speech):
    states = speech.encode(make_sounds()[3])
    segments = (Segment("a", 0.31, 0.77, 0), Segment("b", 0.77, 1.5, 1), Segment("c", 2.0, 2.003, 2))
    pooled = pool_segments(states.hidden, states.times, segments)
    for k, segment in enumerate(segments[:2]):
        inside = [i for i, time in enumerate(states.times) if segment.start <= time < segment.end]
        np.testing.assert_allclose(pooled[:, k], np.mean([states.hidden[:, i] for i in inside], axis=0), atol=1e-5)
    nearest = min(range(len(states.times)), key=lambda i: abs(states.times[i] - 2.0015))
    np.testing.assert_array_equal(pooled[:, 2], states.hidden[:, nearest])


def test_text_states_equal_those_of_transformers_with_the_special_tokens_cut_off(row, text):
    folder = row.text.find()
    model = AutoModel.from_pretrained(folder).eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    transcripts = [read_transcript(t) for t in (TEXTS[0], "rather selfish")]
    for transcript, states in zip(transcripts, text.encode_batch(transcripts)):
        ids = tokenizer.encode(transcript.text).ids
        with torch.no_grad():
            expected = torch.cat(model(torch.tensor([ids]), output_hidden_states=True).hidden_states[1:])
        assert states.hidden.shape == (TEXT_LAYERS, len(ids) - 2, TEXT_DIM) and states.layer_names == row.name_layers("T")
        np.testing.assert_allclose(states.hidden, expected[:, 1:-1].numpy(), atol=1e-5)
        assert states.encoder == row.text_identity


def test_pieces_are_readable_and_belong_to_the_word_they_stand_in(text):
    transcript = read_transcript(TEXTS[2])
    states = text.encode(transcript)
    pieces = [transcript.text[start:end] for start, end in states.offsets]
    covered = {at for start, end in states.offsets for at in range(start, end)}
    assert covered == {at for at, c in enumerate(transcript.text) if c != " "}
    assert not any("Ġ" in t or "▁" in t for t in states.tokens)  # a byte-level model's and SentencePiece's signs for a blank
    for piece, word in zip(pieces, states.words):
        assert (piece in transcript.words[word].text) if word >= 0 else not any(c.isalnum() for c in piece)


def test_a_text_beyond_the_window_is_read_in_windows(text):
    assert text.window == 38  # 40 positions, two of them for the special tokens
    transcript = read_transcript(" ".join(TEXTS[:2] * 4) + ".")
    states = text.encode(transcript)
    assert states.joins and states.hidden.shape[1] == len(states.tokens) == text.count_pieces(transcript.text)
    assert np.isfinite(states.hidden).all()


def test_a_masked_word_has_as_many_pieces_as_before(text):
    transcript = read_transcript(TEXTS[1])
    before, after = text.encode(transcript), text.encode(mask_words(transcript, [4, 9], text))
    assert len(after.tokens) == len(before.tokens)
    assert {after.tokens[i] for i, word in enumerate(before.words) if word in (4, 9)} == {text.mask.content}


def test_a_model_of_another_size_than_its_row_is_refused(row):
    with pytest.raises(WeightsError, match=rf"has {SPEECH_LAYERS} layers of {SPEECH_DIM} numbers; its row in the presets says 7"):
        SpeechEncoder.load(replace(row, speech=replace(row.speech, layers=7)))
    with pytest.raises(WeightsError, match=rf"has {TEXT_LAYERS} layers of {TEXT_DIM} numbers; its row in the presets says .* of 99"):
        TextEncoder.load(replace(row, text=replace(row.text, dim=99)))
    with pytest.raises(WeightsError, match=r"has a frame each 0\.02 s; the preset .* says 0\.04 s"):
        SpeechEncoder.load(replace(row, step=0.04))


def write_corpus(folder, clip, *, speakers=4):
    """Each speaker says the sentence four times, each time as loud as another emotion; returns the manifest."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    with (folder / "manifest.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "text", "label", "speaker"])
        for speaker in range(speakers):
            for i, label in enumerate(EMOTIONS):
                name = f"{speaker}-{label}.wav"
                noise = 0.002 * (speaker + 1) * rng.normal(size=len(clip.samples))
                soundfile.write(folder / name, clip.samples / (i + 1) + noise, SAMPLE_RATE)
                table.writerow([name, TEXTS[0], label, f"s{speaker}"])
    return folder / "manifest.csv"


@pytest.mark.parametrize("fusion", ["late", "coattention"])
def test_a_row_trains_analyses_and_exports(row, speech, text, sphinx, librivox_clip, tmp_path, fusion):
    settings = {"units": ("T", "F", "W"), "preset": row.name, "folds": 2, "repetitions": 1, "share": 0.1, "epochs": 2, "threads": 1}
    model = {"hidden": 8} if fusion == "late" else {"heads": 2, "feedforward": 8, "blocks": 1}
    manifest = write_corpus(tmp_path / "corpus", librivox_clip)
    experiment = Experiment(str(manifest), str(tmp_path / "cache"), fusion=fusion, model=model, batch_size=4, min_steps=0, **settings)
    folder = prepare_experiment(tmp_path / "runs", "tiny", experiment)
    results = run_experiment(folder, workers=1, say=lambda line: None)
    assert len(results["runs"]) == 2 and len(folder.read_predictions()) > 0
    head = load_head(folder.place_head(0, 0))
    parts = {"recogniser": Recogniser(None), "aligners": {"sphinx": sphinx}, "heads": {head.config.name: head}}
    analyzer = Analyzer(preset=row.name, speech=speech, text=text, **parts)
    analysis = analyzer.analyze(librivox_clip, text=TEXTS[0], head=head.config.name)
    assert set(analysis.labels) == set("TFPSW") and analysis.preset == row.name
    assert np.isfinite(analysis.best.logits).all() and not analysis.unavailable
    again = analysis_from_json(analysis_to_json(analysis))
    np.testing.assert_allclose(again.best.logits, analysis.best.logits, rtol=1e-5)
    assert dict(again.encoders) == {"speech": row.speech_identity, "text": row.text_identity}


def test_frames_lie_where_the_convolutions_of_the_configuration_read():
    """An impulse at a sample is felt by exactly the frames whose receptive field holds it."""
    kernels, strides = (10, 3, 3, 2), (5, 2, 2, 2)
    hop, field = measure_convolutions(kernels, strides)
    layers = [torch.nn.Conv1d(1, 1, k, s, bias=False) for k, s in zip(kernels, strides)]
    for layer in layers:
        torch.nn.init.ones_(layer.weight)
    for sample in (0, 77, 200):
        x = torch.zeros(1, 1, 400)
        x[0, 0, sample] = 1
        with torch.no_grad():
            for layer in layers:
                x = layer(x)
        felt = {i for i in range(x.shape[2]) if x[0, 0, i] != 0}
        assert felt == {i for i in range(x.shape[2]) if hop * i <= sample < hop * i + field}
    assert measure_convolutions((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)) == (320, 400)  # wav2vec 2.0, HuBERT and WavLM


WAVE = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (8,) * 7,
    "feat_extract_norm": "layer",
    "num_conv_pos_embedding_groups": 2,
}


@pytest.mark.parametrize(
    ("config", "masked"),
    [
        (Wav2Vec2Config(**WAVE, do_stable_layer_norm=True, num_conv_pos_embeddings=8), True),
        (Data2VecAudioConfig(**WAVE, conv_pos_kernel_size=5, num_conv_pos_embeddings=3), False),
    ],
    ids=["large wav2vec 2.0", "data2vec"],
)
def test_models_that_take_a_mask_read_unequal_clips_in_one_batch(config, masked):
    torch.manual_seed(0)
    model = WaveModel(AutoModel.from_config(config).eval(), Wav2Vec2FeatureExtractor(return_attention_mask=True))
    assert model.takes_mask == masked
    for together, sound in zip(model.states(make_sounds()), make_sounds()):
        alone = model.states([sound])[0]
        assert alone.shape == together.shape == (3, model.count_frames(len(sound)), 16)
        torch.testing.assert_close(together, alone, atol=2e-5, rtol=1e-4)


def test_rows_say_whether_they_are_pinned():
    for row in ROWS:
        for weights in (row.speech, row.text):
            tensors = [h for name, h in weights.files.items() if name.endswith((".bin", ".safetensors"))]
            if weights.revision == UNPINNED:
                assert not any(weights.files.values()) and weights.identity.endswith("@unpinned")
            else:
                assert len(weights.revision) == 40 and tensors and all(len(h) == 64 for h in tensors)
    assert [row.name for row in ROWS if row.is_pinned][:2] == ["compact", "paper"]


def test_the_identities_of_the_first_presets_stay_as_they_are():
    """They are part of every key of every feature cache; compact's says the windows in which it reads."""
    compact = "Systran/faster-whisper-tiny.en@0d3d19a3 silence=0.5 input=False window=4.0 context=0.0"
    assert PRESETS["compact"].speech_identity == compact
    assert PRESETS["compact"].text_identity == "sentence-transformers/all-MiniLM-L6-v2@1110a243 input=False"
    assert PRESETS["paper"].speech_identity == "facebook/wav2vec2-base@0b5b8e86 silence=0.0 input=False"
    assert PRESETS["paper"].text_identity == "google-bert/bert-base-uncased@86b5e093 input=False"
