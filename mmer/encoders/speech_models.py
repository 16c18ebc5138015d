"""The kinds of speech encoder: how each is run, and where its frames lie in time, as its own configuration has it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch.nn.functional import gelu, group_norm
from transformers import WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from mmer.results import SAMPLE_RATE


class SpeechModel(Protocol):
    """One kind of speech encoder: how to run it, and where its frames lie in time."""

    hop: int  # samples between frames
    step: float  # seconds between frames
    silence: float  # seconds appended to every clip
    longest: float  # seconds that it can read at once, the silence included; inf where only memory bounds it
    pads: bool  # whether `layers` takes clips of unequal length

    def states(self, clips: Sequence[np.ndarray]) -> list[torch.Tensor]:
        """Per clip (layers + 1, frames, dim): the input of the first layer, then each layer's output."""
        ...

    def layers(self, clips: Sequence[np.ndarray]) -> Sequence[torch.Tensor]:
        """The same of a whole batch, where the model is: layers + 1 tensors (clips, frames of the longest or more, dim). Of each clip the
        first `count_frames` frames are its own; they are equal to those of `states` up to float tolerance."""
        ...

    def count_frames(self, samples: int) -> int:
        """Frames of a clip of so many samples."""
        ...

    def times(self, frames: int) -> np.ndarray:
        """(frames,) seconds, the centre of each frame."""
        ...


class WhisperModel:
    """Whisper's encoder for input of any length up to its window of 30 s, batched with a key mask.

    Equal to the stock forward at 30 s. The stock forward insists on 30 s; a short clip costs a seventh here. After the clip come
    `silence` seconds, as Whisper is used to; their frames are encoded and dropped.
    """

    pads = True

    def __init__(self, encoder: WhisperEncoder, *, silence: float = 0.5):
        self.encoder = encoder
        self.silence = silence
        self.extractor: Any = WhisperFeatureExtractor(feature_size=encoder.config.num_mel_bins)  # type: ignore[no-untyped-call]  # transformers
        self.per_frame = encoder.conv1.stride[0] * encoder.conv2.stride[0]  # steps of the spectrogram in a frame of the encoder
        self.hop: int = self.per_frame * self.extractor.hop_length
        self.step = self.hop / SAMPLE_RATE
        self.longest = len(encoder.embed_positions.weight) * self.step

    def times(self, frames: int) -> np.ndarray:
        found: np.ndarray = np.arange(frames) * self.step  # STFT frames are centred, conv2's stride keeps the even ones
        return found

    def count_frames(self, samples: int) -> int:
        return -(-samples // self.hop)  # those whose centre lies in the clip

    def states(self, clips: Sequence[np.ndarray]) -> list[torch.Tensor]:
        layers = self.layers(clips)
        return [torch.stack([h[i, : self.count_frames(len(clip))] for h in layers]) for i, clip in enumerate(clips)]

    @torch.no_grad()
    def layers(self, clips: Sequence[np.ndarray]) -> list[torch.Tensor]:
        mels = [self._mel(clip, self.count_frames(len(clip))) for clip in clips]
        valid = [mel.shape[1] // self.per_frame for mel in mels]
        batch = torch.zeros(len(mels), mels[0].shape[0], self.per_frame * max(valid))  # zeros beyond a clip's end are what conv pads with
        for row, mel in zip(batch, mels):
            row[:, : mel.shape[1]] = torch.from_numpy(mel)
        parameter = next(self.encoder.parameters())
        return self._layers(batch.to(parameter), valid)

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
    (`feat_extract_norm` is "group", as in the base models) takes no attention mask and padding changes its output: for `states`, clips of
    unequal length run one by one; `layers` normalises each over its own time. The others read them in one masked batch. The extractor
    normalises each clip if its checkpoint says so.
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
        self.norm = find_time_norm(model)  # over the whole time of a batch, padding included; None where there is none
        self.first = config.conv_kernel[0], config.conv_stride[0]
        self.pads = self.takes_mask or (self.norm is not None and has_one_position_layer)

    def times(self, frames: int) -> np.ndarray:
        return (self.hop * np.arange(frames) + self.field / 2) / SAMPLE_RATE

    def count_frames(self, samples: int) -> int:
        return max(0, (samples - self.field) // self.hop + 1)

    def states(self, clips: Sequence[np.ndarray]) -> list[torch.Tensor]:
        if len({len(clip) for clip in clips}) > 1 and not self.takes_mask:
            return [states for clip in clips for states in self.states([clip])]
        hidden = self.layers(clips)
        return [torch.stack([h[i, : self.count_frames(len(clip))] for h in hidden]) for i, clip in enumerate(clips)]

    @torch.no_grad()
    def layers(self, clips: Sequence[np.ndarray]) -> Sequence[torch.Tensor]:
        unequal = len({len(clip) for clip in clips}) > 1
        made = self.extractor(list(clips), sampling_rate=SAMPLE_RATE, padding=unequal, return_attention_mask=unequal, return_tensors="pt")
        parameter = next(self.model.parameters())
        mask = made.attention_mask.to(parameter.device) if unequal else None
        with self._normalise_each(clips) if unequal and not self.takes_mask else nullcontext():
            hidden: Sequence[torch.Tensor] = self.model(
                made.input_values.to(parameter), attention_mask=mask, output_hidden_states=True
            ).hidden_states
        return hidden

    @contextmanager
    def _normalise_each(self, clips: Sequence[np.ndarray]) -> Iterator[None]:
        """The first convolution of each clip of a padded batch is normalised over that clip's own time, as if it were alone."""
        if self.norm is None:
            raise ValueError("this model takes no clips of unequal length at once")
        kernel, stride = self.first
        lengths = [max(1, (len(clip) - kernel) // stride + 1) for clip in clips]

        def normalise(norm: nn.GroupNorm, given: tuple[torch.Tensor], found: torch.Tensor) -> torch.Tensor:
            for i, length in enumerate(lengths):
                own = given[0][i : i + 1, :, :length]
                found[i : i + 1, :, :length] = group_norm(own, norm.num_groups, norm.weight, norm.bias, norm.eps)
            return found

        hook = self.norm.register_forward_hook(normalise)
        try:
            yield
        finally:
            hook.remove()


def find_time_norm(model: nn.Module) -> nn.GroupNorm | None:
    """The normalisation of the first convolution over time, one group a channel."""
    norms = [module for module in model.modules() if isinstance(module, nn.GroupNorm) and module.num_groups == module.num_channels]
    return norms[0] if len(norms) == 1 else None


def measure_convolutions(kernels: Sequence[int], strides: Sequence[int]) -> tuple[int, int]:
    """Samples between two frames, and samples that a frame is computed from, of convolutions without padding, the first one first."""
    hop, field = 1, 1
    for kernel, stride in zip(kernels, strides):
        field += (kernel - 1) * hop
        hop *= stride
    return hop, field
