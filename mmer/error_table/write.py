"""A table of utterances as a file: CSV, Parquet, or one HTML page that needs nothing else."""

from __future__ import annotations

import csv
import io
from html import escape
from pathlib import Path

from mmer.batch.table import guard_text
from mmer.error_table.table import NUMBER, UtteranceTable, write_number
from mmer.errors import DataError

MOST_ROWS = 20_000  # of an HTML page, which a browser draws at once
STYLE = """:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem; }
table { border-collapse: collapse; }
th, td { padding: .2rem .6rem; text-align: left; border-bottom: 1px solid #8886; vertical-align: top; }
th { position: sticky; top: 0; background: Canvas; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
dt { font-weight: 600; }"""


def write_table(table: UtteranceTable, suffix: str) -> bytes:
    """The content of a file whose name ends so: .csv, .parquet or .html. Raises DataError for another one."""
    writers = {".csv": write_csv, ".parquet": write_parquet, ".html": write_html}
    if suffix.lower() not in writers:
        raise DataError(f"A table is written as {', '.join(writers)}, not as {suffix[:20]!r}; name such a file.")
    return writers[suffix.lower()](table)


def check_suffix(path: Path) -> None:
    """Before any work. Raises DataError as write_table does."""
    if path.suffix.lower() not in (".csv", ".parquet", ".html"):
        raise DataError(f"{path} ends in none of .csv, .parquet and .html, the forms that a table is written in.")


def write_csv(table: UtteranceTable) -> bytes:
    """UTF-8 in which no spreadsheet finds a formula."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([guard_text(column.name) for column in table.columns])
    for row in table.frame[[column.name for column in table.columns]].itertuples(index=False):
        writer.writerow([write_number(v) if c.kind == NUMBER else guard_text(str(v)) for c, v in zip(table.columns, row)])
    return text.getvalue().encode("utf-8", errors="backslashreplace")


def write_parquet(table: UtteranceTable) -> bytes:
    """Texts and float64 columns, as the table has them."""
    content = io.BytesIO()
    names = [column.name for column in table.columns if column.kind != NUMBER]
    table.frame.astype(dict.fromkeys(names, str)).to_parquet(content, engine="pyarrow", index=False)
    return content.getvalue()


def write_html(table: UtteranceTable) -> bytes:
    """A page with the notes, the meaning of every column, and the rows."""
    head = "".join(f'<th scope="col" title="{escape(c.meaning)}">{escape(c.name)}</th>' for c in table.columns)
    lines = []
    for row in table.frame[[column.name for column in table.columns]].head(MOST_ROWS).itertuples(index=False):
        cells = (
            f'<td class="n">{write_number(v)}</td>' if c.kind == NUMBER else f"<td>{escape(str(v))}</td>"
            for c, v in zip(table.columns, row)
        )
        lines.append(f"<tr>{''.join(cells)}</tr>")  # fmt: skip
    more = len(table.frame) - MOST_ROWS
    notes = [*table.notes, *([f"{more:,} more rows are left out here; a .csv or .parquet holds all."] if more > 0 else [])]
    said = "".join(f"<p>{escape(note)}</p>" for note in notes)
    units = (f"<dt>{escape(c.name)}</dt><dd>{escape(c.meaning)}{f' ({escape(c.unit)})' if c.unit else ''}</dd>" for c in table.columns)
    title = escape(table.title)
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style></head><body>'
        f"<h1>{title}</h1>{said}<details><summary>What the columns hold</summary><dl>{''.join(units)}</dl></details>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></body></html>\n"
    )
    return page.encode("utf-8", errors="backslashreplace")
