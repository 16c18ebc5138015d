"""HTML and MathML fragments of the lesson. Numbers carry their exact value in the page; all other text is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

Number = float | np.floating | int


def write_number(value: Number, key: str, *, digits: int = 3, sign: bool = False, unit: str = "") -> str:
    """A number as it is read, with its exact value and where it comes from for programs and tests."""
    return (
        f'<data class="ml-n" value="{float(value):.9g}" '
        f'data-key="{escape(key)}">{format_number(value, digits=digits, sign=sign)}{unit}</data>'
    )


def format_number(value: Number, *, digits: int = 3, sign: bool = False) -> str:
    """With a real minus sign; `sign` writes the plus as well. Never "−0.000"."""
    text = f"{float(value):+,.{digits}f}" if sign else f"{float(value):,.{digits}f}"
    if not re.search("[1-9]", text):
        text = text.lstrip("+-")
    return text.replace("-", "−")


def write_percent(share: Number, key: str, *, digits: int = 0) -> str:
    return f'<data class="ml-n" value="{float(share):.9g}" data-key="{escape(key)}">{100 * float(share):.{digits}f}&nbsp;%</data>'


def write_sum(terms: Sequence[tuple[str, str]], *, result: str = "", label: str = "") -> str:
    """Terms (number, label below) in a row that wraps on a phone, then what they make; all but the first get a sign."""
    numbers = [number if i == 0 else space_sign(number) for i, (number, _) in enumerate(terms)]
    parts = [f'<span class="ml-term">{number}<small>{name}</small></span>' for number, (_, name) in zip(numbers, terms)]
    if result:
        label += note_rounding(sum(read_printed(number) for number in numbers), result)
        parts.append(f'<span class="ml-term ml-result"><span class="ml-equals">=</span> {result}<small>{label}</small></span>')
    return f'<p class="ml-sum">{"".join(parts)}</p>'


def space_sign(number: str) -> str:
    """The HTML of a number with its sign set apart; "+" where it has none, as a zero has."""
    return re.sub(r"(^|>)([+−]?)(?=\d)", lambda found: f"{found[1]}{found[2] or '+'}\u2009", number, count=1)


def read_printed(number: str) -> float:
    """The number, or the fraction, as it stands on the page."""
    text = re.sub("<[^>]*>|[,\u2009]", "", number).replace("−", "-")
    over, _, under = text.partition("/")
    return float(over) / float(under or 1)


def note_rounding(made: float, result: str) -> str:
    """ " (rounded)" where what the printed numbers make differs from the printed result in its last digit."""
    digits = len(re.sub("<[^>]*>", "", result).partition(".")[2])
    return " (rounded)" if abs(made - read_printed(result)) > 0.5001 * 10**-digits else ""


def write_table(head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str, marked: int | None = None) -> str:
    """A table whose first column names its rows; cells are HTML. `marked`: index of the row that counts."""
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr{" class=ml-marked" if i == marked else ""}><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>'
        for i, (first, *rest) in enumerate(rows)
    )
    table = f"<table><caption>{caption}</caption><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="ml-table" role="group" tabindex="0" aria-label="Table that can be scrolled">{table}</div>'


def fold(summary: str, content: str) -> str:
    return f'<details class="ml-more"><summary>{summary}</summary>{content}</details>'


# the paper's equations in MathML, which browsers draw themselves


def math(*parts: str, number: str = "") -> str:
    """An equation on a line of its own; `number` as in the paper, "" where it has none there."""
    tag = f'<span class="ml-eqno">({number})</span>' if number else ""
    body = f'<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"><mrow>{"".join(parts)}</mrow></math>'
    return f'<div class="ml-equation" role="group" tabindex="0" aria-label="Equation{f" {number}" if number else ""}">{body}{tag}</div>'


def where(*symbols: tuple[str, str]) -> str:
    """The line below an equation: what each of its symbols (HTML, made with `var`) is."""
    return f'<p class="ml-where">where {"; ".join(f"{symbol} {meaning}" for symbol, meaning in symbols)}.</p>'


def var(name: str, below: str = "", above: str = "", *, bold: bool = False) -> str:
    """A symbol in running text, set as in the equations: functions, which have longer names, upright."""
    kind = ' class="ml-vector"' if bold else ' class="ml-function"' if len(name) > 1 else ""
    marks = "".join(f"<{tag}><var>{escape(text)}</var></{tag}>" for tag, text in (("sub", below), ("sup", above)) if text)
    return f"<var{kind}>{escape(name)}</var>{marks}"


def mi(name: str, *, bold: bool = False) -> str:
    """A variable; bold for a vector or a matrix."""
    if bold:
        return f'<mi mathvariant="normal" class="ml-vector">{escape(name)}</mi>'
    return f"<mi>{escape(name)}</mi>"


def mo(sign: str, *, grows: bool = True) -> str:
    """An operator; brackets grow with what stands beside them, where `grows`."""
    fixed = "" if grows else ' stretchy="false"'
    return f"<mo{fixed}>{escape(sign)}</mo>"


def mtext(words: str) -> str:
    return f"<mtext>{escape(words)}</mtext>"


def lines(*rows: str) -> str:
    """Equations below each other."""
    return f"<mtable>{''.join(f'<mtr><mtd>{one}</mtd></mtr>' for one in rows)}</mtable>"


def gap() -> str:
    return '<mspace width="0.8em"/>'


def row(*parts: str) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def sub(base: str, below: str) -> str:
    return f"<msub>{base}{row(below)}</msub>"


def sup(base: str, above: str) -> str:
    return f"<msup>{base}{row(above)}</msup>"


def subsup(base: str, below: str, above: str) -> str:
    return f"<msubsup>{base}{row(below)}{row(above)}</msubsup>"


def frac(over: str, under: str) -> str:
    shown = (f'<mrow displaystyle="true">{part}</mrow>' for part in (over, under))
    return f"<mfrac>{''.join(shown)}</mfrac>"


def total(below: str, above: str = "") -> str:
    """A sum sign with its range."""
    sign = '<mo largeop="true" movablelimits="false">∑</mo>'
    return f"<munderover>{sign}{row(below)}{row(above)}</munderover>" if above else f"<munder>{sign}{row(below)}</munder>"


def call(name: str, *inside: str) -> str:
    """A function of something in brackets."""
    return row(f'<mi mathvariant="normal">{escape(name)}</mi>', '<mo stretchy="true">(</mo>', *inside, '<mo stretchy="true">)</mo>')
