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
    """Terms (number with its sign, label below) in a row that wraps on a phone, then what they make."""
    spaced = [(re.sub(r">([+−])(?=\d)", ">\\1\u2009", number) if i else number, name) for i, (number, name) in enumerate(terms)]
    parts = [f'<span class="ml-term">{number}<small>{name}</small></span>' for number, name in spaced]
    if result:
        parts.append(f'<span class="ml-term ml-result"><span class="ml-equals">=</span> {result}<small>{label}</small></span>')
    return f'<p class="ml-sum">{"".join(parts)}</p>'


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


def mi(name: str, *, bold: bool = False) -> str:
    """A variable; bold for a vector or a matrix."""
    if bold:
        return f'<mi mathvariant="normal" class="ml-vector">{escape(name)}</mi>'
    return f"<mi>{escape(name)}</mi>"


def mn(value: str) -> str:
    return f"<mn>{escape(value)}</mn>"


def mo(sign: str) -> str:
    return f"<mo>{escape(sign)}</mo>"


def mtext(words: str) -> str:
    return f"<mtext>{escape(words)}</mtext>"


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
