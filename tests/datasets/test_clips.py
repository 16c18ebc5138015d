"""Utterances that are files, and utterances that are pieces of files."""

from pathlib import Path

import numpy as np
import pytest

from mmer.audio.load import load_audio, write_wav
from mmer.datasets.clips import load_clip
from mmer.datasets.dataset import Utterance
from mmer.errors import AudioError


@pytest.fixture
def path(tmp_path) -> Path:
    time = np.arange(4 * 16000) / 16000
    write_wav((0.5 * np.sin(2 * np.pi * 220 * (1 + time) * time)).astype(np.float32), tmp_path / "long.wav")
    return tmp_path / "long.wav"


def cut(path, start=None, end=None):
    return load_clip(Utterance(path, "", "neutral", "ann", start=start, end=end))


def test_a_file_without_times_is_the_utterance(path):
    assert cut(path).sha256 == load_audio(path).sha256


def test_a_piece_holds_the_samples_between_its_times(path):
    whole, piece = load_audio(path), cut(path, 1.25, 3.0)
    assert piece.duration == 1.75 and piece.name == "1.25-3 long.wav"
    assert np.abs(piece.samples - whole.samples[20000:48000]).max() < 0.01  # but for the offset of the piece
    assert cut(path, 3.0).duration == 1.0 and cut(path, end=1.0).duration == 1.0
    assert len({cut(path, 0.0, 1.0).sha256, cut(path, 1.0, 2.0).sha256}) == 2


def test_a_rounded_end_is_taken_and_a_wrong_one_is_not(path):
    assert cut(path, 3.0, 4.005).duration == 1.0
    for start, end in ((3.0, 4.5), (4.0, None), (5.0, 6.0)):
        with pytest.raises(AudioError, match=r"long\.wav: the piece from .* does not lie within its 4\.00 s"):
            cut(path, start, end)
    with pytest.raises(AudioError, match=r"0\.3 s"):
        cut(path, 1.0, 1.1)
