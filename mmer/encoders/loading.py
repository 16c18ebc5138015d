"""A checked folder of weights -> the encoder of `transformers` in it: its class by the configuration's model_type, weights by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from mmer.encoders.presets import Preset, Weights
from mmer.encoders.speech_models import SpeechModel, WaveModel, WhisperModel
from mmer.encoders.whisper_weights import load_whisper_encoder
from mmer.errors import WeightsError
from mmer.phrasing import say_count
from mmer.results import SAMPLE_RATE

HALF_PRECISION_COSINE = 0.999  # least agreement of every layer with float32 before half precision is used
STATES_FILES = ("model.safetensors", "pytorch_model.bin")  # where a hub's repository keeps its tensors
UNUSED = ("pooler.", "masked_spec_embed")  # tensors that no state depends on: checkpoints may lack them
AnyModule = TypeVar("AnyModule", bound=nn.Module)
_DTYPES = MappingProxyType({"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16})


def load_speech_model(preset: Preset, folder: Path) -> tuple[nn.Module, SpeechModel]:
    """The preset's speech encoder in float32, in evaluation mode, and how it is run.

    Raises: WeightsError for a model of another kind, of another size than the preset's row says, or without all its tensors.
    """
    weights = preset.speech
    if "model.bin" in weights.files:
        whisper = load_whisper_encoder(folder / "model.bin")
        return whisper, check_speech(preset, whisper, WhisperModel(whisper, silence=preset.silence))
    config = AutoConfig.from_pretrained(folder)
    if config.model_type == "whisper":
        whisper = prepare(WhisperEncoder(config), weights, folder, prefix="model.encoder.")
        return whisper, check_speech(preset, whisper, WhisperModel(whisper, silence=preset.silence))
    if not hasattr(config, "conv_stride"):
        raise WeightsError(
            f"{weights.repo} is a {config.model_type!r}, which is not known as a speech encoder: "
            "it must be a Whisper, or read the wave by convolutions as wav2vec 2.0 does."
        )
    extractor = AutoFeatureExtractor.from_pretrained(folder)  # type: ignore[no-untyped-call]  # of transformers
    if extractor.sampling_rate != SAMPLE_RATE:
        raise WeightsError(f"{weights.repo} reads sound at {extractor.sampling_rate} Hz; clips here have {SAMPLE_RATE}.")
    module = build(config)
    module = prepare(module, weights, folder, prefix=f"{module.base_model_prefix}.")
    return module, check_speech(preset, module, WaveModel(module, extractor))


def load_text_model(preset: Preset, folder: Path) -> nn.Module:
    """The preset's text encoder in float32, in evaluation mode, without the pooler on top. Raises WeightsError as load_speech_model."""
    module = build(AutoConfig.from_pretrained(folder))
    check_size(preset.text, module)
    return prepare(module, preset.text, folder, prefix=f"{module.base_model_prefix}.")


def build(config: Any) -> nn.Module:
    """The model of a configuration with random weights; its pooler, which no layer's states depend on, is left out."""
    model: Any = AutoModel.from_config(config)  # type: ignore[no-untyped-call]  # of transformers
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    module: nn.Module = model
    return module


def check_speech(preset: Preset, module: nn.Module, model: SpeechModel) -> SpeechModel:
    """The model, once it has the layers, width and frame step of its row, which trainings and estimates go by before it is loaded."""
    check_size(preset.speech, module)
    if abs(model.step - preset.step) > 1e-6:
        raise WeightsError(f"{preset.speech.repo} has a frame each {model.step:g} s; the preset {preset.name} says {preset.step:g} s.")
    return model


def check_size(weights: Weights, module: nn.Module) -> None:
    config: Any = module.config
    found = (config.num_hidden_layers, config.hidden_size)
    if found != (weights.layers, weights.dim):
        raise WeightsError(
            f"{weights.repo} has {say_count(found[0], 'layer')} of {say_count(found[1], 'number')}; its row in the presets says "
            f"{weights.layers} of {weights.dim}."
        )


def prepare(module: AnyModule, weights: Weights, folder: Path, *, prefix: str) -> AnyModule:
    """The module with the folder's tensors, frozen."""
    load_state(module, read_state(weights, folder), prefix=prefix)
    return module.eval().requires_grad_(False)


def read_state(weights: Weights, folder: Path) -> dict[str, torch.Tensor]:
    """Tensors by name. A file that was pickled is read as tensors alone: nothing in it runs."""
    from safetensors.torch import load_file

    name = next((name for name in STATES_FILES if name in weights.files), None)
    if name is None:
        raise WeightsError(f"The row of {weights.repo} names no file of weights; known are {', '.join(STATES_FILES)}.")
    if name.endswith(".safetensors"):
        return load_file(folder / name)
    state: dict[str, torch.Tensor] = torch.load(folder / name, weights_only=True)
    return state


def load_state(module: nn.Module, state: Mapping[str, torch.Tensor], *, prefix: str) -> None:
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
    missing = [n for n in wanted if n not in renamed and not n.endswith("position_ids") and not n.startswith(UNUSED)]
    if missing:
        raise WeightsError(f"The weights of {type(module).__name__} lack {say_count(len(missing), 'tensor')}, the first is {missing[0]}.")
    module.load_state_dict({name: renamed[name] for name in wanted if name in renamed}, strict=False)


def halve(module: nn.Module, dtype: str, states: Callable[[], torch.Tensor], name: str) -> None:
    """Turns a module to half precision where every layer's states keep their direction.

    Raises: WeightsError with the worst cosine otherwise.
    """
    reference = states().float()
    module.to(_DTYPES[dtype])
    cosine = torch.cosine_similarity(reference, states().float(), dim=-1).mean(dim=-1).min().item()
    if not cosine >= HALF_PRECISION_COSINE:
        raise WeightsError(f"{name} in {dtype} agrees with float32 only to a cosine of {cosine:.4f}; use float32.")


def make_probe_sound() -> np.ndarray:
    """Two seconds of a gliding, voiced-like sound."""
    t = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    phase = 2 * np.pi * (120 * t + 15 * t**2)
    sound: np.ndarray = (0.1 * sum(np.sin(k * phase) / k for k in range(1, 20)) * (1 + np.sin(2 * np.pi * 4 * t)) / 2).astype(np.float32)
    return sound
