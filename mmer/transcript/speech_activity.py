"""A clip -> where somebody speaks in it, by the Silero model that comes with faster-whisper; and windows that a recogniser can take.

A recogniser that is handed silence, or the rest of a window in which nobody speaks any more, makes up a phrase for it. So it gets
windows that hold speech, are cut where it is quiet, and end with it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmer.results import SAMPLE_RATE

LONGEST = 29.0  # s, of one window; the recogniser's own are 30 s
MARGIN = 1.0  # s of sound kept on either side of speech: soft first and last sounds are easily missed
PAUSE = 0.3  # s without speech that ends a span
LOUD = 0.5  # the samples' peak is brought to this: the model misses speech below -40 dBFS

Spans = tuple[tuple[float, float], ...]  # seconds, half open, in time order


def find_speech(samples: np.ndarray) -> Spans:
    """Where somebody speaks in samples (samples,) at 16 kHz; nothing for tones, noise and silence."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    peak = float(np.abs(samples).max()) if len(samples) else 0.0
    if not peak:
        return ()
    options = VadOptions(min_silence_duration_ms=round(1000 * PAUSE), speech_pad_ms=0, max_speech_duration_s=LONGEST - 2 * MARGIN)
    found = get_speech_timestamps((samples * (LOUD / peak)).astype(np.float32), options)
    return tuple((span["start"] / SAMPLE_RATE, min(span["end"], len(samples)) / SAMPLE_RATE) for span in found)


def plan_windows(spans: Spans, duration: float) -> Spans:
    """Windows of at most LONGEST seconds that hold all of `spans`, with MARGIN around them, and none of the long pauses.

    Where speech goes on for longer than a window, it is cut in the middle of the longest pause of the window's second half.
    """
    windows: list[tuple[float, float]] = []
    waiting = list(spans)
    earliest = 0.0  # where the window before ends
    while waiting:
        start = max(waiting[0][0] - MARGIN, earliest)
        count = _count_fitting(waiting, start)
        taken, waiting = waiting[:count], waiting[count:]
        end = min(taken[-1][1] + MARGIN, duration)
        if waiting:
            end = min(end, (taken[-1][1] + waiting[0][0]) / 2)
        end = min(end, start + LONGEST)
        windows.append((start, end))
        earliest = end
    return tuple(windows)


def _count_fitting(spans: Sequence[tuple[float, float]], start: float) -> int:
    """How many of the spans go into a window that begins at `start`."""
    count = 1
    while count < len(spans) and spans[count][0] - spans[count - 1][1] < 2 * MARGIN:
        if spans[count][1] + MARGIN - start > LONGEST:
            pauses = {i: spans[i][0] - spans[i - 1][1] for i in range(1, count + 1) if spans[i - 1][1] - start > LONGEST / 2}
            return max(pauses, key=lambda i: pauses[i]) if pauses else count
        count += 1
    return count


def measure_speech(spans: Spans, start: float, end: float) -> float:
    """Seconds of speech between two times."""
    return sum(max(min(b, end) - max(a, start), 0.0) for a, b in spans)


def name_span(start: float, end: float) -> str:
    """For people: "23.4 to 29.0 s"."""
    return f"{start:.1f} to {end:.1f} s"
