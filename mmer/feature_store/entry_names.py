"""What identifies an entry of the cache: the parts of its key that depend on words and alignment."""

from __future__ import annotations

from pathlib import Path

from mmer.datasets.dataset import Utterance
from mmer.encoders.weights import hash_file
from mmer.feature_store.cache import FEATURES_VERSION, make_key


def name_alignment(utterance: Utterance, aligner: str) -> str:
    """Identifies who aligned which words, for the cache key: the content of the alignment files, else aligner and text; else ""."""
    if utterance.alignment is None:
        return f"{aligner}: {utterance.text}" if aligner else ""
    files = [path for path in list_alignment_files(utterance.alignment) if path.is_file()]
    return "files " + " ".join(f"{path.suffix} {hash_file(path)}" for path in files)


def list_alignment_files(alignment: Path) -> list[Path]:
    """The files that read_alignment reads, whether they are there or not."""
    return [alignment.with_suffix(s) for s in (".wdseg", ".phseg", ".syseg")] if alignment.suffix == ".wdseg" else [alignment]


def name_text(text: str, encoder: str) -> str:
    """The cache key of a text; `encoder` is the encoder's identity."""
    return make_key(content=f"text {text}", encoder=encoder, version=FEATURES_VERSION)
