"""HTML of the visitor's list, and of two analyses side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from html import escape
from typing import Any

import numpy as np

from mmer.explain.steps import centre
from mmer.explain.verdict import ROLE_NAMES, read_headline, say_briefly
from mmer.interventions.compare import compare_analyses
from mmer.interventions.curves import Segments, sum_attention, sum_contributions
from mmer.phrasing import say_layer_rate
from mmer.results import Alignment, Analysis
from mmer.ui.claim.cards import draw_bar, draw_signed, fold_numbers, write_cell, write_differences
from mmer.ui.explore.session import KeptAnalysis
from mmer.ui.texts import keep as texts
from mmer.ui.texts.claim import NONE, NOT_THERE


def name_kept(kept: KeptAnalysis, pinned: dict[str, KeptAnalysis]) -> str:
    """How an entry is named in the list."""
    best = kept.analysis.best
    title = kept.example.title if kept.example else kept.analysis.clip.name
    parts = [f"{kept.number}. {title}", say_briefly(kept.analysis), best.head]
    if kept.analysis.parent is not None:
        parts.append(texts.say_changed_from(kept.analysis.parent.name))
    parts += [" ".join(f"#{tag}" for tag in kept.tags.split())] if kept.tags.split() else []
    parts += [f"“{kept.note[:60]}”"] if kept.note else []
    pins = "".join(f"[{letter}] " for letter, one in pinned.items() if one is kept)
    return pins + " · ".join(parts)


# side by side


def write_comparison(one: Analysis, other: Analysis, emotion: str) -> str:
    """Two analyses: who they are, every probability and logit, and word by word what late fusion adds and early fusion attends to."""
    numbers = write_differences(compare_analyses(one, other), ("A", "B"))
    numbers += write_words(one, other, emotion)
    if not all(read_headline(analysis).names_emotion for analysis in (one, other)):
        numbers = fold_numbers(numbers)
    return f'<section class="mc mk" aria-label="{texts.SIDE_TITLE}">{write_heads(one, other)}{numbers}{write_layers(one, other)}</section>'


def write_heads(one: Analysis, other: Analysis) -> str:
    facts: list[tuple[Any, ...]] = [
        ("clip", *(f"{a.clip.name}, {a.clip.duration:.2f} s" for a in (one, other)), one.clip.sha256 == other.clip.sha256),
        ("words", one.transcript.text, other.transcript.text, one.transcript.text == other.transcript.text),
        ("aligner", *(a.alignment.source if a.alignment else "none" for a in (one, other)), one.alignment == other.alignment),
        ("heads", *(", ".join(h.title or h.name for h in a.heads) for a in (one, other)), name_models(one) == name_models(other)),
        (
            "verdict",
            *(say_briefly(a) for a in (one, other)),
            read_headline(one).text == read_headline(other).text,
        ),
    ]
    rows = "".join(
        f'<tr{"" if same else " class=mk-differs"}><th scope="row">{name}</th><td>{escape(a)}</td><td>{escape(b)}</td>'
        f"<td>{'same' if same else 'differs'}</td></tr>"
        for name, a, b, same in facts
    )
    head = '<tr><th scope="col"></th><th scope="col">A</th><th scope="col">B</th><th scope="col"></th></tr>'
    return f'<table class="mc-table mk-facts"><caption>A and B</caption><thead>{head}</thead><tbody>{rows}</tbody></table>'


def name_models(analysis: Analysis) -> dict[str, str]:
    return {role: prediction.head_sha256 for role, prediction in analysis.predictions.items()}


@dataclass(frozen=True, eq=False)
class WordRows:
    """The numbers about each aligned word."""

    labels: tuple[str, ...]
    contributions: np.ndarray | None  # (words,) of one emotion, centred over the emotions
    attention: np.ndarray | None  # (words,) mean of the two directions


def read_words(analysis: Analysis, emotion: str) -> WordRows:
    segments = list_words(analysis.alignment)
    found = sum_contributions(analysis, segments, "both")[0] if len(segments.labels) else None
    column = analysis.best.classes.index(emotion)
    attention = sum_attention(analysis, segments, "both") if len(segments.labels) else None
    return WordRows(segments.labels, None if found is None else centre(found)[:, column], attention)


def list_words(alignment: Alignment | None) -> Segments:
    tier = alignment.words if alignment else ()
    starts, ends = (np.array([getattr(s, name) for s in tier], dtype=float) for name in ("start", "end"))
    return Segments(
        tuple(s.label for s in tier), starts, ends, np.array([s.word for s in tier], dtype=int), np.arange(len(tier)), are_words=True
    )


def write_words(one: Analysis, other: Analysis, emotion: str) -> str:
    """Word by word on shared scales; words that only one side has are marked."""
    sides = [read_words(a, emotion) for a in (one, other)]
    pairs = pair_words(sides[0].labels, sides[1].labels)
    if not pairs:
        return f'<p class="mc-note">{texts.NO_WORDS}</p>'
    tables = ""
    for name, signed in (("contributions", True), ("attention", False)):
        values = [getattr(side, name) for side in sides]
        if all(v is None for v in values):
            continue
        most = max(max(float(np.abs(v).max()) for v in values if v is not None and len(v)), 1e-9)
        rows = "".join(write_pair(sides, values, pair, most, signed) for pair in pairs)
        caption = texts.name_contributions(escape(emotion)) if signed else texts.ATTENTION
        head = "".join(f'<th scope="col">{column}</th>' for column in texts.WORD_COLUMNS)
        tables += (
            f'<table class="mc-table mk-words"><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        )
    return f'<div class="mc-tables mk-two">{tables}</div>'


def pair_words(one: Sequence[str], other: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """Pairs the words of both sides: equal words in order, all others alone."""
    matcher = SequenceMatcher(a=[w.lower() for w in one], b=[w.lower() for w in other], autojunk=False)
    pairs: list[tuple[int | None, int | None]] = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            pairs += list(zip(range(a, b), range(c, d)))
        else:
            pairs += [(i, None) for i in range(a, b)] + [(None, i) for i in range(c, d)]
    return pairs


def write_pair(sides: list[WordRows], values: list[Any], pair: tuple[int | None, int | None], most: float, signed: bool) -> str:
    label = next(side.labels[i] for side, i in zip(sides, pair) if i is not None)
    numbers = [None if i is None or v is None else float(v[i]) for v, i in zip(values, pair)]
    cells = ""
    for number in numbers:
        if number is None:
            cells += f'<td class="mc-none">{NOT_THERE}</td>'
        else:
            cells += write_cell(
                draw_signed(number, most) if signed else draw_bar(number, most), f"{number:+z.4f}" if signed else f"{number:.4f}"
            )
    if numbers[0] is None or numbers[1] is None:
        cells += f'<td class="mc-none">{NONE}</td>'
    else:
        cells += write_cell(draw_signed(numbers[1] - numbers[0], most), f"{numbers[1] - numbers[0]:+z.4f}")
    alone = "" if None not in pair else " class=mk-differs"
    return f'<tr{alone}><th scope="row">{escape(label)}</th>{cells}</tr>'


def write_layers(one: Analysis, other: Analysis) -> str:
    """Normalised layer weights of both, where the heads differ."""
    tables, notes = "", dict[str, None]()
    for role in ROLE_NAMES:
        sides = [a.predictions.get(role) for a in (one, other)]
        weights = [dict(p.layer_weights) if p else {} for p in sides]
        for unit in dict.fromkeys([*weights[0], *weights[1]]):
            found = [w.get(unit) for w in weights]
            known = [w.normalised for w in found if w is not None]
            if len(known) == 2 and np.array_equal(known[0], known[1]):
                continue
            names = next(w.layer_names for w in found if w is not None)
            most = max(float(np.abs(w.normalised).max()) for w in found if w is not None)
            rows = "".join(
                f'<tr><th scope="row">{escape(name)}</th>'
                + "".join(
                    f'<td class="mc-none">{NOT_THERE}</td>'
                    if w is None or i >= len(w.normalised)
                    else write_cell(draw_signed(float(w.normalised[i]), most), f"{w.normalised[i]:.3f}")
                    for w in found
                )
                + "</tr>"
                for i, name in enumerate(names)
            )
            caption = texts.name_layers(ROLE_NAMES[role], unit)
            notes |= {
                f"{letter}, {ROLE_NAMES[role]}: {note}": None for letter, w in zip("AB", found) if w and (note := say_layer_rate(w.rate))
            }
            head = "".join(f'<th scope="col">{name}</th>' for name in texts.LAYER_COLUMNS)
            tables += f'<table class="mc-table"><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    comments = "".join(f'<p class="mc-note">{escape(note)}</p>' for note in notes)
    return (
        f'<details class="mk-layers"><summary>{texts.LAYERS}</summary>{comments}<div class="mc-tables">{tables}</div></details>'
        if tables
        else ""
    )
