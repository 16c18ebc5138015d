"""HTML of "Test the claim": differences as tables with bars, the leave-one-out beside the two explanations, what the numbers say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from mmer.choices.units import UNITS, aligned_by_name
from mmer.explain.verdict import FEW, NO_SPEECH, ROLE_NAMES, read_headline, say_briefly
from mmer.interventions.curves import LeaveOneOut, describe_flips, read_flips
from mmer.interventions.differences import Difference, Intervention
from mmer.interventions.edited_clip import describe_edit, read_edited_clip
from mmer.interventions.edits import PLACES
from mmer.interventions.ranks import Agreement, chance_of, describe_agreement, rank_agreements, read_columns
from mmer.results import Analysis
from mmer.ui.texts import claim as texts

LEAST = 0.01  # logits or probability that fill a bar at least, so that rounding is not drawn as a difference


# original | changed | difference


def write_intervention(result: Intervention) -> str:
    """What was done, what the best model says now, and every difference."""
    edited = read_edited_clip(result.original)
    lines = "".join(f'<p class="mc-done">{escape(describe_edit(edited, edit))}</p>' for edit in result.edits)
    summary = lines + word_outcome(result) + write_missing(result)
    numbers = write_differences(result.differences)
    if not read_headline(result.original).names_emotion or result.changed.state == NO_SPEECH:
        numbers = fold_numbers(numbers)
    return f'<section class="mc" aria-label="{texts.WHAT_CHANGED}">{summary}{numbers}</section>'


def fold_numbers(numbers: str) -> str:
    """Numbers of a clip in which no emotion can be named: there for whoever asks, in grey."""
    return f'<details class="mc-fold"><summary>{escape(FEW)}</summary>{numbers}</details>'


def word_outcome(result: Intervention) -> str:
    before, after = result.original.best, result.changed.best
    one, other = (say_outcome(analysis) for analysis in (result.original, result.changed))
    said = [read_headline(analysis) for analysis in (result.original, result.changed)]
    verdict = texts.STAYS if said[0].text == said[1].text else texts.CHANGES
    if not any(headline.names_emotion for headline in said):
        verdict = texts.NO_VERDICT
    role = "" if before.role == after.role else texts.say_roles(ROLE_NAMES[before.role], ROLE_NAMES[after.role])
    return f'<p class="mc-outcome">{texts.say_outcome(verdict, escape(one), escape(other + role))}</p>'


def say_outcome(analysis: Analysis) -> str:
    """With a digit more than elsewhere, since it is the difference that counts."""
    said = read_headline(analysis)
    return say_briefly(analysis) if said.share is None else texts.say_share(said.text, said.share)


def write_missing(result: Intervention) -> str:
    """The roles that can no longer speak, and those for which another head steps in."""
    lost = [role for role in result.original.predictions if role not in result.changed.predictions]
    items = [texts.say_lost(ROLE_NAMES[role], result.changed.unavailable.get(role, texts.INPUT_GONE)) for role in lost]
    items += [texts.say_other_head(ROLE_NAMES[d.role]) for d in result.differences if not d.unit and not d.same_head]
    silent: dict[str, list[str]] = {}
    for unit, reason in result.changed.unavailable.items():
        if unit in UNITS and unit not in result.original.unavailable:
            silent.setdefault(reason, []).append(UNITS[unit].name)
    items += [texts.say_unavailable(", ".join(units), reason) for reason, units in silent.items()]
    before = {notice.text for notice in result.original.notices}
    items += [n.text for n in result.changed.notices if n.level == "warning" and n.text not in before and n.text not in silent]
    return "".join(f'<p class="mc-warning">{escape(text)}</p>' for text in items)


def write_differences(differences: Sequence[Difference], names: tuple[str, str] = texts.ORIGINAL_AND_CHANGED) -> str:
    """A table with bars for every model and every branch; models share one scale, branches another."""
    models, branches = [d for d in differences if not d.unit], [d for d in differences if d.unit]
    parts = [f'<p class="mc-note">{escape(texts.say_bars(*names))}</p>']
    for found in (models, branches):
        if found:
            widest, most = largest_side(found), largest_difference(found)
            tables = "".join(write_difference(d, names, widest, most) for d in found)
            parts.append(f'<div class="mc-tables">{tables}</div>')
    return "".join(parts)


def largest_side(differences: Sequence[Difference]) -> float:
    sides = [abs(side).max() for d in differences for side in (d.original, d.changed) if side is not None]
    return max(float(max(sides, default=1.0)), 1e-9)


def largest_difference(differences: Sequence[Difference]) -> float:
    found = [value for d in differences if (value := d.logits if d.unit else d.probabilities) is not None]
    return max(float(max((abs(value).max() for value in found), default=1.0)), LEAST)


def write_difference(d: Difference, names: tuple[str, str], widest: float, most: float) -> str:
    title = f"{ROLE_NAMES.get(d.role, texts.VERDICT)}: {UNITS[d.unit].name}" if d.unit else ROLE_NAMES.get(d.role, texts.VERDICT)
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in ("", *names, texts.DIFFERENCE))
    rows = "".join(write_class(d, i, widest, most) for i in range(len(d.classes)))
    return (
        f'<table class="mc-table" data-role="{escape(d.role)}" data-unit="{escape(d.unit)}"><caption>{escape(title)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def write_class(d: Difference, i: int, widest: float, most: float) -> str:
    cells = []
    for logits, probabilities in ((d.original, d.original_probabilities), (d.changed, d.changed_probabilities)):
        if logits is None:
            cells.append(f'<td class="mc-none">{texts.NOT_THERE}</td>')
        elif probabilities is not None:
            cells.append(write_cell(draw_bar(float(probabilities[i]), 1.0), f"{100 * probabilities[i]:.1f} %", f"{logits[i]:+z.4f}"))
        else:
            cells.append(write_cell(draw_signed(float(logits[i]), widest), f"{logits[i]:+z.4f}"))
    if d.logits is None:
        cells.append(f'<td class="mc-none">{texts.NONE}</td>')
    elif d.probabilities is not None:
        bar = draw_signed(float(d.probabilities[i]), most)
        cells.append(write_cell(bar, texts.say_points(100 * float(d.probabilities[i])), f"{d.logits[i]:+z.4f}"))
    else:
        cells.append(write_cell(draw_signed(float(d.logits[i]), most), f"{d.logits[i]:+z.4f}"))
    return f'<tr><th scope="row">{escape(d.classes[i])}</th>{"".join(cells)}</tr>'


def write_cell(bar: str, number: str, below: str = "") -> str:
    number, below = (text.replace("-", "−") for text in (number, below))
    small = f"<small>{below}</small>" if below else ""
    return f"<td>{bar}<span>{number}</span>{small}</td>"


def draw_bar(value: float, most: float) -> str:
    return f'<i class="mc-track"><i class="mc-bar" style="left:0;width:{100 * min(value / most, 1):.2f}%"></i></i>'


def draw_signed(value: float, most: float) -> str:
    """A bar to the right of the middle for what speaks for, to the left for what speaks against."""
    width = 50 * min(abs(value) / most, 1)
    left, kind = (50.0, "mc-for") if value >= 0 else (50 - width, "mc-against")
    return f'<i class="mc-track mc-signed"><i class="mc-bar {kind}" style="left:{left:.2f}%;width:{width:.2f}%"></i></i>'


# leave one out


def write_curve(curve: LeaveOneOut, emotion: str, role: str) -> str:
    """The segments as rows: the drops, the contribution and the attention side by side; then what their ranks say."""
    columns = read_columns(curve, emotion, role=role)
    logits = [np.abs(values).max() for name, values in columns.items() if name != "attention"]
    scale = {name: max(float(max(logits, default=1.0)), 1e-9) for name in columns}
    if "attention" in columns:
        scale["attention"] = max(float(columns["attention"].max()), 1e-9)
    head = "".join(f'<th scope="col">{texts.COLUMN_NAMES[name]}</th>' for name in columns)
    flips = read_flips(curve, emotion, role=role)
    rows = "".join(write_segment(curve, i, columns, scale, is_flipped=bool(flips[i])) for i in range(len(curve.labels)))
    sentence = describe_flips([label for label, flipped in zip(curve.labels, flips) if flipped])
    flipped = f'<p class="mc-warning">{escape(sentence)}</p>' if sentence else ""
    caption = texts.name_curve(escape(emotion), ROLE_NAMES[role], len(curve.labels), curve.tier)
    scroll = f'<div class="mc-scroll" tabindex="0" role="region" aria-label="{texts.CURVE_TABLE}">'
    left_out = "".join(f"<li>{escape(text)}</li>" for text in curve.left_out)
    details = f"<details><summary>{texts.LEFT_OUT}</summary><ul>{left_out}</ul></details>" if left_out else ""
    return (
        f'<section class="mc" aria-label="{texts.CURVE_TITLE}">{write_agreements(curve, emotion, role)}{flipped}'
        f'{scroll}<table class="mc-table mc-curve"><caption>{caption}</caption>'
        f'<thead><tr><th scope="col">{curve.tier[:-1]}</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        f'<p class="mc-note">{texts.CURVE_NOTE}</p>{details}</section>'
    )


def write_segment(curve: LeaveOneOut, i: int, columns: dict[str, np.ndarray], scale: dict[str, float], *, is_flipped: bool) -> str:
    cells = ""
    for name, values in columns.items():
        value = float(values[i])
        bar = draw_bar(value, scale[name]) if name == "attention" else draw_signed(value, scale[name])
        cells += write_cell(bar, f"{value:.4f}" if name == "attention" else f"{value:+z.4f}")
    placed = np.isfinite(curve.starts[i])
    time = f"<small>{curve.starts[i]:.2f} s</small>" if placed else ""
    mark = f'<small class="mc-flip">{texts.SIGN_DIFFERS}</small>' if is_flipped else ""
    unit = aligned_by_name()[curve.tier].key
    return (
        f'<tr data-unit="{unit}" data-segment="{int(curve.places[i])}" data-word="{int(curve.words[i])}">'
        f'<th scope="row"><button type="button">{escape(curve.labels[i])}</button>{time}{mark}</th>{cells}</tr>'
    )


def write_agreements(curve: LeaveOneOut, emotion: str, role: str) -> str:
    """One sentence per baseline and comparison, and the table of the rank correlations."""
    found = [a for c in curve.curves for a in rank_agreements(curve, emotion, role=role, baseline=c.baseline)]
    seen: dict[tuple[str, str, str], Agreement] = {}
    for a in found:  # contribution against attention is the same for every baseline
        seen.setdefault((a.one, a.other, a.baseline if a.one == "drop" else ""), a)
    rows = "".join(
        f'<tr><th scope="row">{word_pair(a)}</th><td>{texts.NONE if a.rho is None else f"{a.rho:+.2f}"}</td>'
        f"<td>{'' if a.rho is None else f'{chance_of(a.rho, a.n):.3f}'}</td><td>{a.n}</td></tr>"
        for a in seen.values()
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in texts.RANK_COLUMNS)
    table = f'<table class="mc-table mc-ranks"><caption>{texts.RANKS}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    return f'<p class="mc-outcome">{word_agreement(curve, list(seen.values()))}</p>{table}'


def word_pair(a: Agreement) -> str:
    return texts.name_pair(a.one, a.other, a.baseline if a.one == "drop" else "", are_sizes=a.sizes)


def word_agreement(curve: LeaveOneOut, agreements: Sequence[Agreement]) -> str:
    """What the drops' rank correlations say about arithmetic and about attention, one sentence each."""
    parts = []
    for other, name in texts.EXPLANATIONS.items():
        judged = [
            texts.judge_agreement(a.baseline, a.rho, describe_agreement(a.rho, a.n))
            for a in agreements
            if a.one == "drop" and a.other == other
        ]
        parts += [texts.say_agreement(name, len(curve.labels), curve.tier, "; ".join(judged))] if judged else []
    return escape(" ".join(parts) or texts.say_nothing_to_compare(len(curve.labels), curve.tier))


def name_edit(edit: Mapping[str, Any]) -> str:
    """ "mute word 4 in the text" of an edit as an analysis keeps it; what is odd in a file from elsewhere is left out."""
    target, medium = edit.get("target"), edit.get("medium")
    parts = [str(edit.get("kind", "?"))]
    if isinstance(target, Mapping):
        index = target.get("index")
        parts += [
            str(target.get("tier", "")),
            str(index + 1) if isinstance(index, int) else f"{target.get('start')} to {target.get('end')} s",
        ]
    return " ".join([*parts, *([PLACES[str(medium)]] if medium in PLACES else [])])


def write_parent(analysis: Analysis) -> str:
    """Where a changed clip comes from."""
    if analysis.parent is None:
        return ""
    edits = [escape(name_edit(edit)) for edit in analysis.parent.edits]
    return f'<p class="mc-parent">{texts.say_parent(escape(analysis.parent.name), edits)}</p>'
