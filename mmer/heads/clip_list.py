"""Which clips a head was trained on, as short hashes of their samples: a file beside its weights, so that such a clip is recognised.

clips.safetensors holds three sorted arrays of 64-bit numbers: "training" and "validation", the first 8 bytes of the sha256 of each clip's
samples as `load_audio` decodes them, and "speakers", the same of "corpus/speaker" of everyone in the training part. 8 bytes a clip: 3,000
clips are 25 kB, and the odds that another clip matches one of them by chance are about 1 to 10^15. The same recording in another encoding
has other samples, so no match proves nothing. A hash tells who took part: own recordings are listed only when that is asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from mmer.errors import HeadError

FILE = "clips.safetensors"
ARRAYS = ("training", "validation", "speakers")
DIGITS = 16  # of a sha256's 64: 8 bytes
MOST_BYTES = 64 * 2**20  # 8 million clips


@dataclass(frozen=True, eq=False)
class ClipList:
    """Sorted short hashes."""

    training: np.ndarray  # (clips,) uint64
    validation: np.ndarray  # (clips,) uint64; of clips that decided when training stopped
    speakers: np.ndarray  # (speakers,) uint64; of the training clips

    def find(self, sha256: str) -> str:
        """ "training", "validation", or "" for a clip that is in neither, as far as its samples tell."""
        return next((part for part in ("training", "validation") if has(getattr(self, part), shorten(sha256))), "")

    def knows_speaker(self, name: str) -> bool:
        """Whether "corpus/speaker" is one of the training part."""
        return has(self.speakers, hash_speaker(name))


def has(numbers: np.ndarray, number: int) -> bool:
    at = int(np.searchsorted(numbers, np.uint64(number)))
    return at < len(numbers) and int(numbers[at]) == number


def shorten(sha256: str) -> int:
    """The first 8 bytes of a hash that is written as hex."""
    return int(sha256[:DIGITS], 16)


def hash_speaker(name: str) -> int:
    return shorten(hashlib.sha256(name.encode()).hexdigest())


def make_clip_list(training: Iterable[str], validation: Iterable[str], speakers: Iterable[str]) -> ClipList:
    """Of the clips' sha256 and the training speakers' names, "corpus/speaker"."""
    numbers = (map(shorten, training), map(shorten, validation), map(hash_speaker, speakers))
    return ClipList(*(np.array(sorted(set(found)), dtype=np.uint64) for found in numbers))


def dump_clip_list(clips: ClipList) -> bytes:
    return safetensors.numpy.save({name: getattr(clips, name) for name in ARRAYS})


def parse_clip_list(data: bytes, where: str) -> ClipList:
    """Raises HeadError for what is no such file; `where` is for the message."""
    if len(data) > MOST_BYTES:
        raise HeadError(f"{where} has {len(data) / 1e6:.0f} MB, too many for a list of clips; install the head again.")
    try:
        arrays = safetensors.numpy.load(data)
    except (SafetensorError, TypeError, ValueError, KeyError, AttributeError) as error:  # the latter for kinds that numpy lacks
        raise HeadError(f"{where} is not a safetensors file ({error}); install the head again.") from error
    for name in ARRAYS:
        found = arrays.get(name)
        if found is None or found.dtype != np.uint64 or found.ndim != 1 or (np.diff(found.astype(object)) <= 0).any():
            raise HeadError(f"{where} holds no sorted list of hashes {name!r}; install the head again.")
    return ClipList(*(arrays[name] for name in ARRAYS))
