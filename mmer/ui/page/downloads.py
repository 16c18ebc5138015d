"""Files that the page hands out."""

from __future__ import annotations

import secrets
from pathlib import Path

import soundfile
from gradio.utils import get_upload_folder

from mmer.audio.pcm import round_samples
from mmer.results import SAMPLE_RATE, Analysis, Clip


def new_cache_path(name: str) -> Path:
    """A path of that name in a folder that nobody can guess, where Gradio deletes files with the recordings."""
    folder = Path(get_upload_folder()) / secrets.token_hex(16)
    folder.mkdir(parents=True)
    return folder / name


def write_clip(clip: Clip) -> str:
    """The clip's samples as a wav that Gradio deletes with the recordings."""
    path = new_cache_path(f"{Path(clip.name).stem or 'clip'}.wav")
    soundfile.write(path, round_samples(clip.samples), SAMPLE_RATE)
    return str(path)


def name_export(analysis: Analysis, suffix: str) -> str:
    """The clip's name with letters that every file system takes."""
    stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in Path(analysis.clip.name).stem)[:60] or "clip"
    return f"{stem}.{suffix}"
