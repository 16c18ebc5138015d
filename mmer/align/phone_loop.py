"""Are these the words that are said? Their phones against a free phone loop, which may say any sounds in any order.

A wrong word among right ones hardly moves the mean score of a sentence, and every aligner finds a place for it. But its phones, a few in a
row, explain their stretch of sound far worse than the loop does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmer.results import SAMPLE_RATE, Notice, Segment, Transcript

DOUBT = "Other words may be said"  # how the warning begins
FRAME_BYTES = 2 * SAMPLE_RATE // 100  # of a 10 ms frame, 16 bit
RUN = 4  # phones in a row
BASE = math.log(1.0001)  # pocketsphinx's scores are logarithms to this base
SHORTEST = 25  # frames: four phones in less time are hurried over, and their scores are noise
DOUBTFUL = -35.0
"""Score per frame, relative to the loop's, of the worst four phones in a row, below which the words there are doubted.

Measured by `python benchmarks/near_wrong_words.py --data DATA`; the table is in benchmarks/RESULTS.md. It tells near-wrong words well for
American speakers and poorly for British ones, whose right words are doubted in 3 of 8 clips: so it is a note, never a warning.
"""


class PhoneLoop:
    """One decoder that hears phones alone. Not to be shared between threads without a lock."""

    def __init__(self) -> None:
        import pocketsphinx

        model = Path(pocketsphinx.__path__[0]) / "model" / "en-us" / "en-us-phone.lm.bin"
        self._decoder = pocketsphinx.Decoder(
            samprate=SAMPLE_RATE,
            lm=None,
            allphone=str(model),
            allphone_ci=True,
            bestpath=False,
            lw=1.0,
            beam=1e-20,
            pbeam=1e-20,
            loglevel="FATAL",
        )

    def score_frames(self, pcm: bytes) -> np.ndarray:
        """(frames,) acoustic score of each 10 ms frame on the best path through any phones, constant within a phone."""
        self._decoder.reinit_feat()  # else the result depends on the call before
        self._decoder.start_utt()
        try:
            self._decoder.process_raw(pcm, full_utt=True)
        finally:
            self._decoder.end_utt()
        scores = np.zeros(len(pcm) // FRAME_BYTES + 2)
        for phone in self._decoder.seg():
            length = phone.end_frame + 1 - phone.start_frame
            scores[phone.start_frame : phone.end_frame + 1] = math.log(max(phone.ascore, 1e-300)) / BASE / length
        return scores


def find_worst_run(phones: Sequence[Segment], scores: np.ndarray) -> tuple[float, Sequence[Segment]]:
    """The lowest score per frame over RUN phones in a row, minus the loop's in the same frames, and those phones.

    (0.0, ()) for fewer phones than RUN, or phones without a score.
    """
    if len(phones) < RUN or any(phone.score is None for phone in phones):
        return 0.0, ()
    lengths = np.array([(phone.end - phone.start) * 100 for phone in phones])
    lost = np.array([_sum_lost(phone, scores) for phone in phones])
    window = np.ones(RUN)
    means = np.convolve(lost, window, "valid") / np.maximum(np.convolve(lengths, window, "valid"), SHORTEST)
    worst = int(np.argmin(means))
    return float(means[worst]), phones[worst : worst + RUN]


def _sum_lost(phone: Segment, scores: np.ndarray) -> float:
    """The phone's score minus the loop's over its frames."""
    first, last = round(phone.start * 100), round(phone.end * 100)
    assert phone.score is not None
    return phone.score * (last - first) - float(scores[first:last].sum())


def describe_doubt(worst: float, phones: Sequence[Segment], transcript: Transcript) -> list[Notice]:
    """A note that names the words of the worst phones, or nothing."""
    if not phones or worst >= DOUBTFUL:
        return []
    words = dict.fromkeys(transcript.words[phone.word].text for phone in phones)
    named = " ".join(word[:40] for word in words)
    text = (
        f"{DOUBT} than “{named}” from {phones[0].start:.2f} to {phones[-1].end:.2f} s: the sound there hardly resembles them "
        f"(fit {worst:.0f}; right words of American speakers seldom fall below {DOUBTFUL:.0f}, those of other accents do). Check the words."
    )
    return [Notice("alignment", text, "info")]
