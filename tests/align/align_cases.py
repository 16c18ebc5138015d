"""Transcripts and clips that the alignment tests share."""

import hashlib
import re
import wave
from pathlib import Path

import numpy as np
from pocketsphinx import get_model_path

from mmer.results import Alignment, Clip, Segment, Transcript, Word

SPEECH = Path("/usr/share/pocketsphinx/test/data")  # Debian's pocketsphinx-testdata
SAMPLES = Path(__file__).parent / "samples"


def make_transcript(text, spoken=None):
    """Words of `text`; `spoken` maps a written word to what is said for it."""
    words = tuple(
        Word(m.group(), m.start(), m.end(), (spoken or {}).get(m.group(), (m.group().lower(),))) for m in re.finditer(r"[^\s.,]+", text)
    )
    return Transcript(text, words, "typed")


def make_clip(samples, name="clip.wav"):
    samples = np.asarray(samples, dtype=np.float32)
    return Clip(name, samples, hashlib.sha256(samples.tobytes()).hexdigest())


def load_speech(path):
    with wave.open(str(SPEECH / path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    return make_clip(samples, Path(path).name)


def read_transcriptions(folder, name):
    """File name -> words of one of the test folders."""
    lines = (SPEECH / folder / name).read_text().splitlines()
    found = {}
    for line in lines:
        words, _, file = line.strip().rpartition("(")
        found[f"{folder}/{file.rstrip(')')}.wav"] = re.sub(r"</?s>", "", words).strip()
    return found


def make_alignment():
    """Two words, "say" with a pause behind it and "hello" in two syllables, by hand."""
    phones = (
        Segment("S", 0.10, 0.20, 0),
        Segment("EY", 0.20, 0.35, 0),
        Segment("HH", 0.50, 0.55, 1),
        Segment("AH", 0.55, 0.60, 1),
        Segment("L", 0.60, 0.70, 1),
        Segment("OW", 0.70, 0.90, 1),
    )
    syllables = (Segment("S EY", 0.10, 0.35, 0), Segment("HH AH", 0.50, 0.60, 1), Segment("L OW", 0.60, 0.90, 1))
    return Alignment((Segment("Say", 0.10, 0.35, 0), Segment("hello", 0.50, 0.90, 1)), syllables, phones, "by hand")


def read_dictionary():
    """(word, phones) for every line of pocketsphinx's dictionary, variants included."""
    lines = Path(get_model_path("en-us/cmudict-en-us.dict")).read_text(encoding="utf-8").splitlines()
    return [(re.sub(r"\(\d+\)$", "", word), phones) for word, *phones in map(str.split, lines)]
