"""16-bit sound: what is written is the nearest step, and what was read from a file is that file again."""

import base64
import io

import numpy as np
import pytest
import soundfile

from mmer.audio.load import clip_from_samples, encode_wav
from mmer.audio.pcm import round_samples
from mmer.ui.page.downloads import write_clip
from mmer.views.payload import encode_sound


def test_the_nearest_step_is_taken_and_full_scale_kept():
    samples = np.array([1.0, -1.0, 7.0, 0.5, 1.49 / 32768, 1.51 / 32768, -1.51 / 32768], dtype=np.float32)
    assert round_samples(samples).tolist() == [32767, -32768, 32767, 16384, 1, 2, -2]


@pytest.mark.parametrize("write", ["wav", "views", "page"])
def test_a_16_bit_file_comes_back_as_it_was(write):
    steps = np.random.default_rng(0).integers(-32768, 32768, 16_000).astype(np.int16)
    clip = clip_from_samples((steps / 32768).astype(np.float32), 16_000, name="a.wav")
    steps = round_samples(clip.samples)  # an offset is taken away at first
    if write == "page":
        path = write_clip(clip)
    else:
        path = io.BytesIO(encode_wav(clip) if write == "wav" else base64.b64decode(encode_sound(clip)))
    found, rate = soundfile.read(path, dtype="int16")
    assert rate == 16_000
    np.testing.assert_array_equal(found, steps)
