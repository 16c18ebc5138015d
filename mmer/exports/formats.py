"""The files that an analysis can be written as. Buttons, flags and the docs' table are made of these rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mmer.choices.rows import Rows
from mmer.results import NO_ALIGNMENT, Analysis


@dataclass(frozen=True)
class Wishes:
    """What the person wants in the file beside the analysis; a format takes what it can hold."""

    sound: bool = False
    own: Mapping[str, Any] = field(default_factory=dict)  # the person's note and tags


@dataclass(frozen=True)
class Export:
    """One kind of file that an analysis can be written as."""

    key: str  # of the flag (`--json`), the button and the endpoint
    title: str  # on the button
    about: str  # a clause that says what it is good for, on the page above the buttons
    help: str  # of the flag
    suffix: str  # of the file
    media_type: str
    write: Callable[[Analysis, Wishes], str]  # the file's text; imports what it needs when it is called
    sound: str = "never"  # always | asked (with Wishes.sound) | never: whether it holds the recording
    needs_alignment: bool = False

    def refuse(self, analysis: Analysis) -> str:
        """Why this analysis can't be written in this format, as one sentence; "" when it can."""
        if not self.needs_alignment or analysis.alignment is not None:
            return ""
        return f"No {self.title} was written: {explain_missing_alignment(analysis)}"


def explain_missing_alignment(analysis: Analysis) -> str:
    return next((analysis.unavailable[unit] for unit in ("W", "P", "T") if unit in analysis.unavailable), NO_ALIGNMENT)


def write_json(analysis: Analysis, wishes: Wishes) -> str:
    from mmer.exports.analysis_json import analysis_to_json, dump_json

    return dump_json(analysis_to_json(analysis, include_samples=wishes.sound) | dict(wishes.own))


def write_textgrid(analysis: Analysis, wishes: Wishes) -> str:
    from mmer.align import textgrid

    assert analysis.alignment is not None
    return textgrid.write_textgrid(analysis.alignment, analysis.clip.duration)


def write_csv(analysis: Analysis, wishes: Wishes) -> str:
    from mmer.exports.segment_table import write_segment_table

    return write_segment_table(analysis)


def write_html(analysis: Analysis, wishes: Wishes) -> str:
    from mmer.exports.report import report_html

    return report_html(analysis)


def write_vtt(analysis: Analysis, wishes: Wishes) -> str:
    from mmer.exports.captions import write_captions

    return write_captions(analysis)


EXPORTS: Rows[Export] = Rows(
    Export(
        key="json",
        title="JSON",
        about="JSON holds every number above",
        help="write everything as JSON (docs/analysis-json.md)",
        suffix="json",
        media_type="application/json",
        write=write_json,
        sound="asked",
    ),
    Export(
        key="textgrid",
        title="TextGrid",
        about="the TextGrid opens in Praat",
        help="write word, syllable and phone tiers for Praat",
        suffix="TextGrid",
        media_type="text/plain",
        write=write_textgrid,
        needs_alignment=True,
    ),
    Export(
        key="csv",
        title="CSV",
        about="the CSV has a row per segment",
        help="write a table with one row per segment (docs/segment-table.md)",
        suffix="csv",
        media_type="text/csv",
        write=write_csv,
    ),
    Export(
        key="html",
        title="HTML report",
        about="the report is one HTML file that needs no network",
        help="write a report that needs no network, sound included",
        suffix="html",
        media_type="text/html",
        write=write_html,
        sound="always",
    ),
    Export(
        key="vtt",
        title="WebVTT",
        about="WebVTT is captions for a video player, each word with what it adds",
        help="write captions (WebVTT): each word in time and what it adds",
        suffix="vtt",
        media_type="text/vtt",
        write=write_vtt,
        needs_alignment=True,
    ),
)
