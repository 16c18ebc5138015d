"""What a program of the Montreal Forced Aligner wrote before it ended -> the sentence that a person needs."""

from __future__ import annotations

import re

_FRAMES = re.compile("\x1b\\[[0-9;]*m|[\u2500-\u257f]+")  # colours and boxes around messages


def last_sentence(stderr: str) -> str:
    """The message of a traceback or of a click error: what follows its last indented line, without the exception's name and heading."""
    lines = [_FRAMES.sub(" ", line).rstrip() for line in stderr.splitlines()]
    lines = [line for line in lines if line.strip()]
    if not any(line.startswith("  File ") for line in lines):
        return lines[-1].strip().removeprefix("Error: ").rstrip(".") if lines else ""
    last = max(i for i, line in enumerate(lines) if line.startswith("  "))
    heading, *rest = [line.strip() for line in lines[last + 1 :]] or [""]
    name, _, message = heading.partition(": ")
    parts = [message if " " not in name else heading, *rest]
    return " ".join(part for part in parts if part and not part.endswith("Error:")).rstrip(".")
