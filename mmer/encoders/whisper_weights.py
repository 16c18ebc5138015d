"""A Whisper encoder of `transformers` from the `model.bin` that CTranslate2 (and so faster-whisper) uses; exact up to its float16 storage.

Follows the binary format, version 6, of `ctranslate2.specs.model_spec.ModelSpec._serialize`. The recogniser and the speech encoder
of the compact preset thereby share one file.
"""

from __future__ import annotations

import struct
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from mmer.errors import WeightsError

_DTYPES = MappingProxyType({0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16})  # type ids of the format


class _Reader:
    """Walks through the bytes of a model file."""

    def __init__(self, buffer: memoryview):
        self.buffer = buffer
        self.position = 0

    def number(self, code: str) -> int:
        (value,) = struct.unpack_from("<" + code, self.buffer, self.position)
        self.position += struct.calcsize("<" + code)
        return int(value)

    def text(self) -> str:
        length = self.number("H")
        value = bytes(self.buffer[self.position : self.position + length - 1]).decode()
        self.position += length
        return value

    def variable(self) -> tuple[str, np.ndarray]:
        name = self.text()
        shape = [self.number("I") for _ in range(self.number("B"))]
        dtype, size = np.dtype(_DTYPES[self.number("B")]), self.number("I")
        array = np.frombuffer(self.buffer, dtype, size // dtype.itemsize, self.position).reshape(shape)
        self.position += size
        return name, array


def read_ctranslate2(path: Path) -> dict[str, np.ndarray]:
    """Variables of a CTranslate2 Whisper `model.bin`, by name; aliases resolved.

    Raises: WeightsError when the file is of another version or model.
    """
    reader = _Reader(memoryview(path.read_bytes()))
    version = reader.number("I")
    if version != 6:
        raise WeightsError(f"{path.name} has CTranslate2 binary version {version}; version 6 is supported.")
    spec, _revision = reader.text(), reader.number("I")
    if spec != "WhisperSpec":
        raise WeightsError(f"{path.name} holds a {spec}, not a Whisper model.")
    variables = dict(reader.variable() for _ in range(reader.number("I")))
    for _ in range(reader.number("I")):
        alias, target = reader.text(), reader.text()
        variables[alias] = variables[target]
    return variables


def load_whisper_encoder(path: Path) -> WhisperEncoder:
    """The encoder in float32, in evaluation mode, without gradients."""
    variables = read_ctranslate2(path)

    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(variables[name].astype(np.float32))

    def weight(name: str) -> torch.Tensor:
        array = variables[name + "/weight"]
        if array.dtype == np.int8:  # quantised linear layers: divided by a scale per output row
            array = array.astype(np.float32) / variables[name + "/weight_scale"][:, None]
        return torch.from_numpy(array.astype(np.float32))

    state = {
        "embed_positions.weight": tensor("encoder/position_encodings/encodings"),
        "layer_norm.weight": tensor("encoder/layer_norm/gamma"),
        "layer_norm.bias": tensor("encoder/layer_norm/beta"),
    }
    for conv in ("conv1", "conv2"):
        state[conv + ".weight"], state[conv + ".bias"] = weight(f"encoder/{conv}"), tensor(f"encoder/{conv}/bias")
    dim = state["conv1.weight"].shape[0]
    layers = len({name.split("/")[1] for name in variables if name.startswith("encoder/layer_")} - {"layer_norm"})
    for i in range(layers):
        ours, theirs = f"layers.{i}.", f"encoder/layer_{i}/"
        query, key, value = torch.split(weight(theirs + "self_attention/linear_0"), dim)  # stored fused
        query_bias, _, value_bias = torch.split(tensor(theirs + "self_attention/linear_0/bias"), dim)  # Whisper's keys have no bias
        state |= {
            ours + "self_attn.q_proj.weight": query,
            ours + "self_attn.q_proj.bias": query_bias,
            ours + "self_attn.k_proj.weight": key,
            ours + "self_attn.v_proj.weight": value,
            ours + "self_attn.v_proj.bias": value_bias,
        }
        for source, target in (("self_attention/linear_1", "self_attn.out_proj"), ("ffn/linear_0", "fc1"), ("ffn/linear_1", "fc2")):
            state[ours + target + ".weight"], state[ours + target + ".bias"] = weight(theirs + source), tensor(theirs + source + "/bias")
        for source, target in (("self_attention/layer_norm", "self_attn_layer_norm"), ("ffn/layer_norm", "final_layer_norm")):
            state[ours + target + ".weight"] = tensor(theirs + source + "/gamma")
            state[ours + target + ".bias"] = tensor(theirs + source + "/beta")
    config = WhisperConfig(
        d_model=dim,
        encoder_layers=layers,
        encoder_attention_heads=int(variables["encoder/num_heads"]) if "encoder/num_heads" in variables else dim // 64,
        encoder_ffn_dim=state["layers.0.fc1.weight"].shape[0],
        num_mel_bins=state["conv1.weight"].shape[1],
        max_source_positions=state["embed_positions.weight"].shape[0],
    )
    with torch.device("meta"):  # no random initialisation: every tensor is assigned from the file
        encoder = WhisperEncoder(config)
    encoder.load_state_dict(state, strict=True, assign=True)
    encoder.train(False).requires_grad_(False)
    return encoder
