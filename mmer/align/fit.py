"""Do the words fit the sound? What an aligner's result says about it, for every aligner the same."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mmer.errors import AlignmentError
from mmer.results import SAMPLE_RATE, Alignment, Clip, Notice

NO_PATH = (
    "The words and the sound could not be matched: no way of saying these words fits the recording. "
    "Check that the words are what is said, all of it and in this order."
)
SEGMENTS_PER_SECOND, SPARE_SEGMENTS = 100, 20  # of one tier: nothing that is aligned is shorter than a frame of 10 ms
WORDS_PER_SECOND, SPARE_WORDS = 10, 5  # as of a typed transcript
HOP = SAMPLE_RATE // 100  # samples, 10 ms
LOUD_DB = 25.0  # a frame is loud when it lies less than this below the clip's loudest frames
UNCOVERED_WARNING = 0.5  # share of the loud frames outside every word; at most 0.36 on 665 RAVDESS clips with their own words


def check_fit(clip: Clip, alignment: Alignment) -> tuple[Notice, ...]:
    """A warning when most of the loud sound lies outside the words: a transcript that is too short or of another recording."""
    share = uncovered_share(clip.samples, alignment)
    if share <= UNCOVERED_WARNING:
        return ()
    text = f"{share:.0%} of the loud sound lies outside the words, so the words may be incomplete or belong to another recording."
    return (Notice("alignment", text),)


def uncovered_share(samples: np.ndarray, alignment: Alignment) -> float:
    """Share of the loud 10 ms frames that lie in no word; 0 for a clip without any."""
    frames = samples[: len(samples) // HOP * HOP].reshape(-1, HOP).astype(np.float64)
    level = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-10)
    loud = level > np.percentile(level, 99) - LOUD_DB
    if not len(level) or level.max() < -90 or not loud.any():
        return 0.0
    centres = (np.arange(len(level)) + 0.5) * HOP / SAMPLE_RATE
    inside = np.zeros(len(level), dtype=bool)
    edges = np.searchsorted(centres, [(word.start, word.end) for word in alignment.words])
    for first, last in edges.reshape(-1, 2):
        inside[first:last] = True
    return float(np.mean(~inside[loud]))


def check_counts(counts: Mapping[str, int], duration: float) -> None:
    """Whether a recording of `duration` seconds can hold so many "words", "syllables" and "phones", before anything is computed of them.

    Raises AlignmentError.
    """
    for name, count in counts.items():
        rate, spare = (WORDS_PER_SECOND, SPARE_WORDS) if name == "words" else (SEGMENTS_PER_SECOND, SPARE_SEGMENTS)
        limit = int(rate * duration + spare)
        if count > limit:
            raise AlignmentError(
                f"The TextGrid has {count:,} {name}, but the clip lasts {duration:.1f} s: at most {limit:,} fit into that time. "
                "Check that they belong together, or cut the TextGrid to the clip."
            )
