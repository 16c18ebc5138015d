"""Analysis -> WebVTT captions: a cue per word that was found in the sound, with what it adds to the verdict (https://www.w3.org/TR/webvtt1/)."""

from __future__ import annotations

from mmer.explain.steps import centre
from mmer.explain.verdict import read_headline
from mmer.results import Analysis
from mmer.word_contributions import list_placed, word_contributions

ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}  # no text can then hold a tag, or the arrow between two times


def write_captions(analysis: Analysis) -> str:
    """The captions as text. Values are logits of the verdict's emotion, centred over the emotions; none where no emotion is named."""
    said, values = read_headline(analysis), list_values(analysis)
    about = [f"{analysis.clip.name}: {said.text}. {said.sentence}"]
    if values:
        about.append(f"Below each word: what it adds to {analysis.best.label}, in logits of late fusion, centred over the emotions.")
    if analysis.alignment and analysis.alignment.approximate:
        about.append("The times are approximate.")
    cues = [
        f"{write_time(word.start)} --> {write_time(word.end)}\n{escape_line(word.label)}{values.get(word.word, '')}"
        for word in list_placed(analysis)
        if word.label.strip()
    ]
    return "\n\n".join(["WEBVTT", f"NOTE {escape_line(' '.join(about))}", *cues]) + "\n"


def list_values(analysis: Analysis) -> dict[int, str]:
    """Index of the written word -> the line below it; {} where no emotion is named or no model is a sum over segments."""
    found = word_contributions(analysis)
    if found is None or not read_headline(analysis).names_emotion:
        return {}
    column = analysis.best.classes.index(analysis.best.label)
    return {i: f"\n{escape_line(analysis.best.label)} {value:+.2f}" for i, value in enumerate(centre(found.words)[:, column])}


def write_time(seconds: float) -> str:
    """ "00:01:02.345"."""
    milliseconds = round(1000 * seconds)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def escape_line(text: str) -> str:
    """Text on one line, in which no character means anything else."""
    return "".join(ESCAPED.get(character, character) for character in " ".join(text.split()))
