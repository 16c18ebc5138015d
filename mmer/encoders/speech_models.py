"""The kinds of speech encoder: how each is run, and where its frames lie in time, as its own configuration has it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch.nn.functional import gelu
from transformers import WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from mmer.results import SAMPLE_RATE


class SpeechModel(Protocol):
    """One kind of speech encoder: how to run it, and where its frames lie in time."""

    hop: int  # samples between frames
    step: float  # seconds between frames
    silence: float  # seconds appended to every clip
    longest: float  # seconds that it can read at once, the silence included; inf where only memory bounds it

    def states(self, clips: Sequence[np.ndarray]) -> list[torch.Tensor]:
        """Per clip (layers + 1, frames, dim): the input of the first layer, then each layer's output."""
        ...

    def times(self, frames: int) -> np.ndarray:
        """(frames,) seconds, the centre of each frame."""
        ...


class WhisperModel:
    """Whisper's encoder for input of any length up to its window of 30 s, batched with a key mask.

    Equal to the stock forward at 30 s. The stock forward insists on 30 s; a short clip costs a seventh here. After the clip come
    `silence` seconds, as Whisper is used to; their frames are encoded and dropped.
    """

    def __init__(self, encoder: WhisperEncoder, *, silence: float = 0.5):
        self.encoder = encoder
        self.silence = silence
        self.extractor: Any = WhisperFeatureExtractor(feature_size=encoder.config.num_mel_bins)  # type: ignore[no-untyped-call]  # transformers
        self.per_frame = encoder.conv1.stride[0] * encoder.conv2.stride[0]  # steps of the spectrogram in a frame of the encoder
        self.hop = self.per_frame * self.extractor.hop_length
        self.step = self.hop / SAMPLE_RATE
        self.longest = len(encoder.embed_positions.weight) * self.step

    def times(self, frames: int) -> np.ndarray:
        found: np.ndarray = np.arange(frames) * self.step  # STFT frames are centred, conv2's stride keeps the even ones
        return found

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


class WaveModel:
    """An encoder that reads the wave itself by convolutions: wav2vec 2.0, HuBERT, WavLM, data2vec audio, UniSpeech and others.

    Frame step and receptive field follow from the convolutions of its configuration. One whose first convolution is normalised over time
    (`feat_extract_norm` is "group", as in the base models) takes no attention mask and padding changes its output: clips of unequal length
    run one by one. The others read them in one masked batch. The extractor normalises each clip if its checkpoint says so.
    """

    silence = 0.0
    longest = math.inf

    def __init__(self, model: nn.Module, extractor: Any):
        self.model = model
        self.extractor = extractor
        config: Any = model.config
        self.hop, self.field = measure_convolutions(config.conv_kernel, config.conv_stride)
        self.step = self.hop / SAMPLE_RATE
        has_one_position_layer = not hasattr(config, "conv_pos_kernel_size")  # data2vec has several: they let padding into the clip's end
        self.takes_mask = config.feat_extract_norm == "layer" and has_one_position_layer

    def times(self, frames: int) -> np.ndarray:
        return (self.hop * np.arange(frames) + self.field / 2) / SAMPLE_RATE

    def count_frames(self, samples: int) -> int:
        return max(0, (samples - self.field) // self.hop + 1)

    @torch.no_grad()
    def states(self, clips: Sequence[np.ndarray]) -> list[torch.Tensor]:
        unequal = len({len(clip) for clip in clips}) > 1
        if unequal and not self.takes_mask:
            return [states for clip in clips for states in self.states([clip])]
        made = self.extractor(list(clips), sampling_rate=SAMPLE_RATE, padding=unequal, return_attention_mask=unequal, return_tensors="pt")
        parameter = next(self.model.parameters())
        mask = made.attention_mask.to(parameter.device) if unequal else None
        hidden = self.model(made.input_values.to(parameter), attention_mask=mask, output_hidden_states=True).hidden_states
        kept = [self.count_frames(len(clip)) for clip in clips]
        return [torch.stack([h[i, :n] for h in hidden]) for i, n in enumerate(kept)]


def measure_convolutions(kernels: Sequence[int], strides: Sequence[int]) -> tuple[int, int]:
    """Samples between two frames, and samples that a frame is computed from, of convolutions without padding, the first one first."""
    hop, field = 1, 1
    for kernel, stride in zip(kernels, strides):
        field += (kernel - 1) * hop
        hop *= stride
    return hop, field
