"""Numbers and lists as they are said to people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

EXACT = 120.0  # seconds; what takes longer is given in minutes, since nobody knows it better


def say_time(seconds: float) -> str:
    """A time that something takes, no more exact than it is known: "8 s", "1 min 15 s", "13 min", "1 h 27 min"."""
    if round(seconds) < EXACT:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def say_layer_rate(rate: float | None) -> str:
    """A sentence on layer weights that learned faster or slower than the rest of their model; "" for the paper's way, or where unknown."""
    if rate is None or rate == 1:
        return ""
    how = f"{rate:g} times as fast as" if rate > 1 else f"at {rate:g} times the rate of"
    return f"These layer weights learned {how} the rest of the model (the paper: at its rate); how far they moved says less than it seems."


def say_devices(devices: Mapping[str, str]) -> str:
    """Stage -> device as one phrase: "cpu" where all is computed there, else "cuda:0 (NVIDIA H100); transcribe on cpu"; "" where nobody
    wrote it down.
    """
    places = Counter(devices.values()).most_common()
    if not places:
        return ""
    others = [f"{join_words([stage for stage, at in devices.items() if at == place])} on {place}" for place, _ in places[1:]]
    return "; ".join([places[0][0], *others])


def say_count(count: int, thing: str, things: str = "") -> str:
    """ "1 clip", "2 clips", "5,531 clips"; `things` where the plural takes more than an s."""
    return f"{count:,} {thing if count == 1 else things or thing + 's'}"


def join_words(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
