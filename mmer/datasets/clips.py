"""An utterance -> its clip: the file, or the piece of it that the manifest names."""

from __future__ import annotations

from mmer.audio.load import clip_from_samples, load_audio
from mmer.datasets.dataset import Utterance
from mmer.errors import AudioError
from mmer.results import SAMPLE_RATE, Clip


def load_clip(utterance: Utterance) -> Clip:
    """The sound of one utterance. Raises AudioError as load_audio does, and for a piece that begins or ends after the file's end."""
    clip = load_audio(utterance.path)
    if utterance.start is None and utterance.end is None:
        return clip
    start = utterance.start or 0.0
    end = clip.duration if utterance.end is None else utterance.end
    # times in a manifest are often rounded to a hundredth of a second
    if start >= clip.duration or end > clip.duration + 0.01:
        raise AudioError(f"{clip.name}: the piece from {start:g} to {end:g} s does not lie within its {clip.duration:.2f} s.")
    samples = clip.samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
    return clip_from_samples(samples, SAMPLE_RATE, name=f"{start:g}-{end:g} {clip.name}")
