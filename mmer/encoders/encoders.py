"""Frozen encoders: samples -> SpeechStates, transcript -> TextStates. Section 2.1 of the paper; all transformer layers are kept.

Two presets go through the same classes. `paper` is wav2vec2-base and bert-base-uncased, `compact` a Whisper-tiny encoder and MiniLM.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn.functional import gelu
from transformers import BertConfig, BertModel, Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model, WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from mmer.encoders.presets import Preset
from mmer.encoders.whisper_weights import load_whisper_encoder
from mmer.errors import WeightsError
from mmer.results import SAMPLE_RATE, SpeechStates, TextStates, Transcript
from mmer.stopping import check_stopped
from mmer.word_contributions import own_pieces

WINDOW = 30.0  # seconds an encoder sees at once; Whisper has no positions beyond, wav2vec 2.0's memory grows with the square
OVERLAP = 1.0  # seconds of context on either side of a join
HALF_PRECISION_COSINE = 0.999  # least agreement of every layer with float32 before half precision is used
_DTYPES = MappingProxyType({"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16})


class SpeechModel(Protocol):
    """One kind of speech encoder: how to run it, and where its frames lie in time."""

    step: float  # seconds between frames
    silence: float  # seconds appended to every clip

    def states(self, clips: Sequence[np.ndarray]) -> list[torch.Tensor]:
        """Per clip (layers + 1, frames, dim): the input of the first layer, then each layer's output."""
        ...

    def times(self, frames: int) -> np.ndarray:
        """(frames,) seconds, the centre of each frame."""
        ...


class WhisperModel:
    """Whisper's encoder for input of any length up to 30 s, batched with a key mask.

    Equal to the stock forward at 30 s. The stock forward insists on 30 s; a short clip costs a seventh here. After the clip come
    `silence` seconds, as Whisper is used to; their frames are encoded and dropped.
    """

    def __init__(self, encoder: WhisperEncoder, *, silence: float = 0.5):
        self.encoder = encoder
        self.silence = silence
        self.extractor = WhisperFeatureExtractor(feature_size=encoder.config.num_mel_bins)
        self.per_frame = encoder.conv1.stride[0] * encoder.conv2.stride[0]  # steps of the spectrogram in a frame of the encoder
        self.hop = self.per_frame * self.extractor.hop_length  # samples between frames
        self.step = self.hop / SAMPLE_RATE
        self.longest = len(encoder.embed_positions.weight) * self.step

    def times(self, frames: int) -> np.ndarray:
        return np.arange(frames) * self.step  # STFT frames are centred, conv2's stride keeps the even ones

    @torch.no_grad()
    def states(self, clips: Sequence[np.ndarray]) -> list[torch.Tensor]:
        keep = [-(-len(clip) // self.hop) for clip in clips]  # frames whose centre lies in the clip
        mels = [self._mel(clip, frames) for clip, frames in zip(clips, keep)]
        valid = [mel.shape[1] // self.per_frame for mel in mels]
        batch = torch.zeros(len(mels), mels[0].shape[0], self.per_frame * max(valid))  # zeros beyond a clip's end are what conv pads with
        for row, mel in zip(batch, mels):
            row[:, : mel.shape[1]] = torch.from_numpy(mel)
        parameter = next(self.encoder.parameters())
        layers = self._layers(batch.to(parameter), valid)
        return [torch.stack([h[i, :n] for h in layers]) for i, n in enumerate(keep)]

    def _mel(self, clip: np.ndarray, frames: int) -> np.ndarray:
        """(mel, per_frame x frames) with the silence after the clip included."""
        total = self.hop * (frames + round(self.silence / self.step))
        padded = np.zeros(total, np.float32)
        padded[: len(clip)] = clip
        return np.asarray(self.extractor(padded, sampling_rate=SAMPLE_RATE, padding="do_not_pad", return_tensors="np").input_features[0])

    def _layers(self, mel: torch.Tensor, valid: Sequence[int]) -> list[torch.Tensor]:
        """mel (batch, mels, per_frame x frames) -> layers + 1 tensors (batch, frames, dim)."""
        h = gelu(self.encoder.conv2(gelu(self.encoder.conv1(mel)))).transpose(1, 2)
        frames = h.shape[1]
        if frames > len(self.encoder.embed_positions.weight):
            raise ValueError(f"{frames} frames do not fit into a window of {len(self.encoder.embed_positions.weight)}")
        h = h + self.encoder.embed_positions.weight[:frames]
        mask = None
        if min(valid) < frames:
            keys = torch.arange(frames, device=h.device)[None] < torch.tensor(valid, device=h.device)[:, None]
            mask = torch.zeros(len(valid), 1, 1, frames, device=h.device, dtype=h.dtype)
            mask = mask.masked_fill(~keys[:, None, None], torch.finfo(h.dtype).min).expand(-1, 1, frames, frames)
        out = [h]
        for layer in self.encoder.layers:
            h = layer(h, mask)
            out.append(h)
        out[-1] = self.encoder.layer_norm(h)
        return out


class Wav2Vec2:
    """wav2vec 2.0. The base model takes no attention mask and padding changes its output, so every clip runs alone unless all have
    one length; the extractor normalises each clip if its checkpoint says so."""

    step = 320 / SAMPLE_RATE
    silence = 0.0

    def __init__(self, model: Wav2Vec2Model, extractor: Wav2Vec2FeatureExtractor):
        self.model = model
        self.extractor = extractor

    def times(self, frames: int) -> np.ndarray:
        return (320 * np.arange(frames) + 200) / SAMPLE_RATE  # receptive field of 400 samples, stride 320

    @torch.no_grad()
    def states(self, clips: Sequence[np.ndarray]) -> list[torch.Tensor]:
        if len({len(clip) for clip in clips}) > 1:
            return [states for clip in clips for states in self.states([clip])]
        values = self.extractor(list(clips), sampling_rate=SAMPLE_RATE, return_tensors="pt").input_values
        hidden = self.model(values.to(next(self.model.parameters())), output_hidden_states=True).hidden_states
        return [torch.stack([h[i] for h in hidden]) for i in range(len(clips))]


class SpeechEncoder:
    """A frozen speech encoder with its windows: samples of any length -> SpeechStates."""

    def __init__(self, model: SpeechModel, *, identity: str, include_input: bool = False, window: float = WINDOW):
        self.model = model
        self.include_input = include_input
        self.window = window - model.silence  # of sound
        self.identity = f"{identity} silence={model.silence} input={include_input}"

    @classmethod
    def load(cls, preset: Preset, *, device: str = "cpu", dtype: str = "float32", local_only: bool = False) -> SpeechEncoder:
        """Finds, checks and loads the preset's speech encoder. Half precision is taken only where it agrees with float32.

        Raises: WeightsError when the files can't be had, are altered, or half precision changes the states too much.
        """
        folder = preset.speech.find(local_only=local_only)
        module: nn.Module
        model: SpeechModel
        if "model.bin" in preset.speech.files:
            whisper = load_whisper_encoder(folder / "model.bin")
            module, model = whisper, WhisperModel(whisper, silence=preset.silence)
        else:
            wav2vec2 = Wav2Vec2Model(Wav2Vec2Config.from_pretrained(folder))
            _load_state(wav2vec2, torch.load(folder / "pytorch_model.bin", weights_only=True), prefix="wav2vec2.")
            module, model = wav2vec2, Wav2Vec2(wav2vec2, Wav2Vec2FeatureExtractor.from_pretrained(folder))
        module.eval().requires_grad_(False).to(device)
        encoder = cls(model, identity=preset.speech.identity, include_input=preset.include_input)
        if dtype != "float32":
            probe = [_probe_sound()]
            _halve(module, dtype, lambda: model.states(probe)[0], preset.speech.model)
            encoder.identity += f" {dtype}"
        return encoder

    def encode(self, samples: np.ndarray) -> SpeechStates:
        """samples (samples,) float32 at 16 kHz -> states of the whole clip; long clips in windows joined at quiet places."""
        return self.encode_batch([samples])[0]

    def encode_batch(self, clips: Sequence[np.ndarray]) -> list[SpeechStates]:
        """The same for several clips at once; equal to one at a time up to float tolerance. Long clips are run alone."""
        short = [i for i, clip in enumerate(clips) if len(clip) <= self.window * SAMPLE_RATE]
        states: dict[int, SpeechStates] = {}
        if short:
            for i, hidden in zip(short, self.model.states([clips[i] for i in short])):
                states[i] = self._pack(_numpy(self._select(hidden)), self.model.times(hidden.shape[1]))
        for i, clip in enumerate(clips):
            if i not in states:
                states[i] = self._encode_long(clip)
        return [states[i] for i in range(len(clips))]

    def encode_changed(self, clips: Sequence[np.ndarray], original: np.ndarray, states: SpeechStates) -> list[SpeechStates]:
        """States of changed versions of `original`, all of its length, cut into windows where it is; `states` are the original's.

        Only windows in which something differs are encoded, those of several clips at once; the rest is taken from `states`. Equal to
        encoding each version whole with the original's cuts.
        """
        found = [states.hidden.copy() for _ in clips]
        for start, end in itertools.pairwise([0, *(round(join * SAMPLE_RATE) for join in states.joins), len(original)]):
            first, last = widen_window(start, end)
            changed = [i for i, clip in enumerate(clips) if not np.array_equal(clip[first:last], original[first:last])]
            pieces = self.model.states([clips[i][first:last] for i in changed]) if changed else []
            kept = find_inside(states.times, start, end)
            for i, piece in zip(changed, pieces):
                inside = find_inside(first / SAMPLE_RATE + self.model.times(piece.shape[1]), start, end)
                found[i][:, kept] = _numpy(self._select(piece))[:, inside]
        return [self._pack(hidden, states.times, states.joins) for hidden in found]

    def _encode_long(self, samples: np.ndarray) -> SpeechStates:
        cuts = find_cuts(samples, window=self.window - 2 * OVERLAP, grid=round(self.model.step * SAMPLE_RATE))
        hidden, times = [], []
        for start, end in itertools.pairwise([0, *cuts, len(samples)]):
            check_stopped()
            first, last = widen_window(start, end)
            piece = self._select(self.model.states([samples[first:last]])[0])
            centres = first / SAMPLE_RATE + self.model.times(piece.shape[1])
            inside = find_inside(centres, start, end)
            hidden.append(_numpy(piece)[:, inside])
            times.append(centres[inside])
        return self._pack(np.concatenate(hidden, axis=1), np.concatenate(times), joins=tuple(c / SAMPLE_RATE for c in cuts))

    def _select(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden if self.include_input else hidden[1:]

    def _pack(self, hidden: np.ndarray, times: np.ndarray, joins: tuple[float, ...] = ()) -> SpeechStates:
        first = 0 if self.include_input else 1
        names = tuple(str(first + i) for i in range(len(hidden)))
        return SpeechStates(hidden, times, self.model.step, self.identity, names, joins)


def widen_window(start: int, end: int) -> tuple[int, int]:
    """Sample range of a window with the context on either side of its joins; the last may lie beyond the clip's end."""
    context = round(OVERLAP * SAMPLE_RATE)
    return max(0, start - context), end + context


def find_inside(centres: np.ndarray, start: int, end: int) -> np.ndarray:
    """(frames,) bool: the frames whose centre, in seconds, lies in the window of these samples."""
    return (centres >= start / SAMPLE_RATE - 1e-9) & (centres < end / SAMPLE_RATE - 1e-9)


def find_cuts(samples: np.ndarray, *, window: float, grid: int) -> list[int]:
    """Sample positions, multiples of `grid`, that cut a clip into pieces of at most `window` seconds, each at the quietest 0.2 s of
    the last third of its piece."""
    cuts: list[int] = []
    longest = int(window * SAMPLE_RATE)
    power = np.convolve(samples.astype(np.float64) ** 2, np.ones(3200), mode="same")
    start = 0
    while len(samples) - start > longest:
        earliest = start + 2 * longest // 3
        quietest = earliest + int(np.argmin(power[earliest : start + longest]))
        start = quietest // grid * grid
        cuts.append(start)
    return cuts


class TextEncoder:
    """A frozen BERT-like encoder: Transcript -> TextStates. [CLS] and [SEP] frame every window and are dropped afterwards."""

    def __init__(self, model: BertModel, tokenizer: Tokenizer, *, identity: str, include_input: bool = False):
        self.model = model
        self.tokenizer = tokenizer
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.include_input = include_input
        self.window = model.config.max_position_embeddings - 2
        self.first, self.last = tokenizer.encode("").ids  # [CLS] and [SEP]
        self.identity = f"{identity} input={include_input}"

    @classmethod
    def load(cls, preset: Preset, *, device: str = "cpu", dtype: str = "float32", local_only: bool = False) -> TextEncoder:
        """Finds, checks and loads the preset's text encoder.

        Raises: WeightsError when the files can't be had, are altered, or half precision changes the states too much.
        """
        from safetensors.torch import load_file

        folder = preset.text.find(local_only=local_only)
        model = BertModel(BertConfig.from_pretrained(folder), add_pooling_layer=False)
        _load_state(model, load_file(folder / "model.safetensors"), prefix="bert.")
        model.eval().requires_grad_(False).to(device)
        encoder = cls(model, Tokenizer.from_file(str(folder / "tokenizer.json")), identity=preset.text.identity,
                      include_input=preset.include_input)  # fmt: skip
        if dtype != "float32":
            ids = encoder.tokenizer.encode("The quick brown fox jumps over the lazy dog.").ids
            _halve(model, dtype, lambda: torch.stack(encoder._hidden([ids])), preset.text.model)
            encoder.identity += f" {dtype}"
        return encoder

    def encode(self, transcript: Transcript) -> TextStates:
        """States of the word pieces of a transcript that has at least one; longer texts in windows joined at sentence ends."""
        return self.encode_batch([transcript])[0]

    def encode_batch(self, transcripts: Sequence[Transcript]) -> list[TextStates]:
        """The same for several transcripts at once (masked); equal to one at a time up to float tolerance."""
        encodings = [self.tokenizer.encode(t.text, add_special_tokens=False) for t in transcripts]
        cuts = [self._cuts(e.tokens) for e in encodings]
        spans = [(i, a, b) for i, cut in enumerate(cuts) for a, b in zip(cut, [*cut[1:], len(encodings[i].ids)])]
        windows = [self._widen(cuts[i], a, b, len(encodings[i].ids)) for i, a, b in spans]
        layers = self._hidden([[self.first, *encodings[i].ids[lo:hi], self.last] for (i, _, _), (lo, hi) in zip(spans, windows)])
        pieces: list[list[np.ndarray]] = [[] for _ in transcripts]
        for row, ((i, a, b), (lo, _)) in enumerate(zip(spans, windows)):
            pieces[i].append(_numpy(torch.stack([h[row, 1 + a - lo : 1 + b - lo] for h in layers])))
        return [self._pack(t, e, np.concatenate(p, axis=1), tuple(c[1:])) for t, e, p, c in zip(transcripts, encodings, pieces, cuts)]

    def count_pieces(self, text: str) -> int:
        """How many word pieces a text has; more than `window` are encoded in windows."""
        return len(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def _cuts(self, tokens: Sequence[str]) -> list[int]:
        """Where windows begin: [0], or for a long text after a sentence's end (else at a word's start) in each last third."""
        cuts, limit = [0], self.window - 2 * self._context
        while len(tokens) - cuts[-1] > limit:
            options = range(cuts[-1] + limit, cuts[-1] + 2 * limit // 3, -1)
            ends = [k for k in options if tokens[k - 1] in ".?!"] or [k for k in options if not tokens[k].startswith("##")]
            cuts.append(ends[0] if ends else options[0])
        return cuts

    @property
    def _context(self) -> int:
        return self.window // 8  # word pieces of context on either side of a join

    def _widen(self, cuts: Sequence[int], start: int, end: int, total: int) -> tuple[int, int]:
        return (start, end) if len(cuts) == 1 else (max(0, start - self._context), min(total, end + self._context))

    @torch.no_grad()
    def _hidden(self, rows: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        """Token ids with [CLS] and [SEP] -> kept layers, each (rows, longest, dim)."""
        device = next(self.model.parameters()).device
        longest = max(map(len, rows))
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        mask = torch.zeros(len(rows), longest, dtype=torch.long)
        for k, row in enumerate(rows):
            ids[k, : len(row)] = torch.tensor(row)
            mask[k, : len(row)] = 1
        hidden = self.model(ids.to(device), attention_mask=mask.to(device), output_hidden_states=True).hidden_states
        return list(hidden if self.include_input else hidden[1:])

    def _pack(self, transcript: Transcript, encoding, hidden: np.ndarray, joins: tuple[int, ...]) -> TextStates:
        offsets = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)
        first = 0 if self.include_input else 1
        names = tuple(str(first + i) for i in range(len(hidden)))
        return TextStates(hidden, tuple(encoding.tokens), offsets, own_pieces(transcript, offsets).words, self.identity, names, joins)


def _load_state(module: nn.Module, state: Mapping[str, torch.Tensor], *, prefix: str) -> None:
    """Loads a checkpoint that may hold more (heads) and may carry a prefix. Raises: WeightsError when a tensor is missing."""
    stripped = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    renamed = {  # checkpoints older than the modules' present names
        name.replace("LayerNorm.gamma", "LayerNorm.weight")
        .replace("LayerNorm.beta", "LayerNorm.bias")
        .replace("conv.weight_g", "conv.parametrizations.weight.original0")
        .replace("conv.weight_v", "conv.parametrizations.weight.original1"): tensor
        for name, tensor in stripped.items()
    }
    wanted = module.state_dict()
    missing = [name for name in wanted if name not in renamed and not name.endswith("position_ids")]
    if missing:
        raise WeightsError(f"The weights of {type(module).__name__} lack {len(missing)} tensors, the first is {missing[0]}.")
    module.load_state_dict({name: renamed[name] for name in wanted if name in renamed}, strict=False)


def _halve(module: nn.Module, dtype: str, states, name: str) -> None:
    """Turns a module to half precision where every layer's states keep their direction.

    Raises: WeightsError with the worst cosine otherwise.
    """
    reference = states().float()
    module.to(_DTYPES[dtype])
    cosine = torch.cosine_similarity(reference, states().float(), dim=-1).mean(dim=-1).min().item()
    if not cosine >= HALF_PRECISION_COSINE:
        raise WeightsError(f"{name} in {dtype} agrees with float32 only to a cosine of {cosine:.4f}; use float32.")


def _probe_sound() -> np.ndarray:
    """Two seconds of a gliding, voiced-like sound."""
    t = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    phase = 2 * np.pi * (120 * t + 15 * t**2)
    return (0.1 * sum(np.sin(k * phase) / k for k in range(1, 20)) * (1 + np.sin(2 * np.pi * 4 * t)) / 2).astype(np.float32)


def _numpy(hidden: torch.Tensor) -> np.ndarray:
    return hidden.float().cpu().numpy()
