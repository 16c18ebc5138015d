"""The paper's Tables 1 to 3: which experiment each cell is, what the paper reports there, and both side by side.

Experiments that stand in two tables have one name and are trained once. Table 3's combination is fixed as the paper names it; the paper
found its two members by their test UA (Table 2), so a row whose members are chosen on validation stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mmer.choices.fusion_models import FUSION_MODELS, FusionModel, PaperColumn
from mmer.errors import DataError
from mmer.scores.pairs import choose_by_validation, combine_predictions

TABLE_TITLES = {
    1: "Table 1: single modality",
    2: "Table 2: coattention-based early fusion and late fusion",
    3: "Table 3: the compared fusions and their combination",
}
PAPER_COMBINATION = 76.31
PAPER_UTTERANCES = 5531  # of IEMOCAP's four emotions


@dataclass(frozen=True)
class PaperCell:
    """One figure of a table. Trained itself, or computed from the predictions of other cells (early and late)."""

    name: str  # of its folder in runs/
    row: str  # "T + F + S"
    column: str  # "Late Fusion"
    paper: float | None  # UA in percent; None where the paper has no such row
    fusion: str = ""  # a key of FUSION_MODELS; "" where nothing is trained
    units: tuple[str, ...] = ()
    early: tuple[str, ...] = ()  # cells of which one, chosen on validation where there are more, is combined with one of `late`
    late: tuple[str, ...] = ()

    @property
    def trained(self) -> bool:
        return bool(self.fusion)

    @property
    def members(self) -> tuple[str, ...]:
        return self.early + self.late

    @property
    def fields(self) -> dict[str, Any]:
        """The arguments of Experiment for this cell, beside the data."""
        return {"fusion": self.fusion, "units": self.units}


def _list_column(model: FusionModel, column: PaperColumn) -> list[PaperCell]:
    """Its cells; T is left out of the names of Tables 2 and 3, where it is always there."""
    found = []
    for letters, ua in column.ua.items():
        units = read_units(column, letters)
        name = f"table{column.table}-{model.key}-{letters.lower()}"
        found.append(PaperCell(name, " + ".join(units), model.heading, ua, model.key, units))
    return found


def read_units(column: PaperColumn, letters: str) -> tuple[str, ...]:
    return tuple(letters) if column.table == 1 else ("T", *letters)


def find_paper_ua(fusion: str, units: tuple[str, ...]) -> float | None:
    """The paper's UA on IEMOCAP (percent) for this model and these units; None where it has no such figure."""
    column = FUSION_MODELS[fusion].paper
    return None if column is None else {read_units(column, letters): ua for letters, ua in column.ua.items()}.get(units)


def paper_ua(fusion: str) -> Mapping[str, float]:
    """Letters of the units as the paper's table of this model writes them -> percent; {} where the paper has no such model."""
    column = FUSION_MODELS[fusion].paper
    return {} if column is None else column.ua


def _list_cells() -> dict[int, tuple[PaperCell, ...]]:
    shown = sorted(((model.paper, model) for model in FUSION_MODELS.values() if model.paper), key=lambda one: one[0].place)
    tables = {
        table: tuple(cell for column, model in shown if column.table == table for cell in _list_column(model, column))
        for table in TABLE_TITLES
    }
    second = {cell.name: cell for cell in tables[2]}
    early, late = second["table2-coattention-fp"], second["table2-late-fs"]
    named, both = ("table3-combination", "Coattention and Late Fusion")
    tables[3] = (
        *tables[3],
        early,
        late,
        PaperCell(named, "T + F + P + S", both, PAPER_COMBINATION, early=(early.name,), late=(late.name,)),
        PaperCell(
            "table3-chosen-on-validation",
            "chosen on validation",
            both,
            None,
            early=tuple(cell.name for cell in tables[2] if FUSION_MODELS[cell.fusion].role == "early"),
            late=tuple(cell.name for cell in tables[2] if FUSION_MODELS[cell.fusion].role == "late"),
        ),
    )
    return tables


TABLES = _list_cells()


def cells(table: int) -> tuple[PaperCell, ...]:
    """The cells of Table 1, 2 or 3, column by column. Raises DataError for another number."""
    if table not in TABLES:
        raise DataError(f"The paper has Tables {', '.join(map(str, TABLES))}, not {table}.")
    return TABLES[table]


def find_cell(name: str) -> PaperCell:
    """The cell of that name. Raises DataError where there is none."""
    for cell in (cell for table in TABLES.values() for cell in table):
        if cell.name == name:
            return cell
    raise DataError(f"{name!r} is no cell of the paper's tables.")


def trained_cells(table: int) -> tuple[PaperCell, ...]:
    """What has to be trained for every figure of a table, in its order; members of combinations last. Table 3 needs all of Table 2."""
    names = [cell.name for cell in cells(table)] + [name for cell in cells(table) for name in cell.members]
    return tuple(cell for cell in map(find_cell, dict.fromkeys(names)) if cell.trained)


def derive_predictions(cell: PaperCell, predictions: Mapping[str, pd.DataFrame]) -> tuple[pd.DataFrame, dict[str, list[dict[str, Any]]]]:
    """A combination's predictions from its members', and what was chosen per run ({"early", "late"}: see choose_by_validation).

    Raises DataError when a member is missing or they have other splits.
    """
    missing = [name for name in cell.members if name not in predictions]
    if missing:
        raise DataError(f"{cell.name} combines {', '.join(cell.members)}; not trained yet: {', '.join(missing)}.")
    early, chosen_early = choose_by_validation({name: predictions[name] for name in cell.early})
    late, chosen_late = choose_by_validation({name: predictions[name] for name in cell.late})
    return combine_predictions(early, late), {"early": chosen_early, "late": chosen_late}


# printed

NOT_YET = "not yet"
HEADINGS = ("embeddings", "model", "paper", "UA", "sd folds", "sd reps", "pooled UA [95 %]", "difference", "runs", "tested")
LEGEND = (
    "Figures are percent. paper: UA on IEMOCAP with wav2vec2-base and BERT-base. UA: mean over runs. sd folds: of the folds' means over "
    "repetitions. sd reps: of the repetitions' means over folds.",
    "pooled UA: over all folds of a repetition together, mean over repetitions; its interval is by session where a session is a fold, "
    "else by speaker. difference: UA minus the paper's, in points, where the data is IEMOCAP. runs: finished, of those that the protocol "
    "asks for. tested: utterances, of those in the data; the others lack what the model reads.",
)
CHOSEN_LEGEND = "chosen on validation: per run, the coattention and the late model of Table 2 with the highest validation UA are combined."


@dataclass(frozen=True)
class TableCaveats:
    """How a table is to be read beside the paper's: what here is not as there."""

    title: str = ""  # the data, preset and seed
    deviations: tuple[str, ...] = ()  # "120 of 5,531 utterances (2.2 %)", "epochs 3 instead of 100"
    further: tuple[str, ...] = ()  # sentences: runs that never learnt, cells that are not shown, parts that are too small
    same_data: bool = True  # whether it is the paper's corpus, so that a difference to its figures says anything
    utterances: int | None = None  # in the data; None where that isn't known
    runs: int | None = None  # that the protocol asks for

    @property
    def sentences(self) -> tuple[str, ...]:
        """Above the legend."""
        sentences = [f"Not the paper's experiment: {'; '.join(self.deviations)}."] if self.deviations else []
        if sentences and not self.same_data:
            sentences.append("Its figures stand beside these for orientation; they can't be compared.")
        elif sentences:
            sentences.append("A difference to its figures may come of these as well as of anything else.")
        return tuple(filter(None, (self.title, *sentences, *self.further)))


def list_rows(table: int, results: Mapping[str, Mapping[str, Any]], reading: TableCaveats = TableCaveats()) -> list[tuple[str, ...]]:
    """One row of texts per cell under HEADINGS; `results` maps a cell's name to scores.summarise's answer."""
    rows: list[tuple[str, ...]] = []
    for cell in cells(table):
        found = results.get(cell.name)
        paper = "–" if cell.paper is None else f"{cell.paper:.2f}"
        if found is None:
            rows.append((cell.row, cell.column, paper, NOT_YET, *[""] * 4, _count(0, reading.runs), ""))
            continue
        difference = "–" if cell.paper is None or not reading.same_data else f"{100 * found['ua'] - cell.paper:+.2f}"
        spreads = (_percent(found["ua_over_folds_sd"]), _percent(found["ua_over_repetitions_sd"]))
        counts = (_count(found["runs"], reading.runs), _count(found["utterances"], reading.utterances))
        rows.append((cell.row, cell.column, paper, _percent(found["ua"]), *spreads, _pooled(found), difference, *counts))
    return rows


def _count(number: int, whole: int | None) -> str:
    """ "25 of 25": a count with its whole where that is known."""
    return f"{number:,}" if whole is None else f"{number:,} of {whole:,}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f}"


def _pooled(found: Mapping[str, Any]) -> str:
    interval = found["interval"]
    bounds = f" [{_percent(interval['low'])}, {_percent(interval['high'])}]" if interval else ""
    return _percent(found["pooled_ua"]) + bounds


def _list_notes(table: int, reading: TableCaveats) -> list[str]:
    return [*reading.sentences, *LEGEND, *([CHOSEN_LEGEND] if table == 3 else [])]


def format_table(table: int, results: Mapping[str, Mapping[str, Any]], reading: TableCaveats = TableCaveats()) -> str:
    """Plain text: a table beside the paper's figures; cells without a result say so."""
    rows = [HEADINGS, *list_rows(table, results, reading)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADINGS))]
    lines = ["  ".join(text.ljust(w) if i < 2 else text.rjust(w) for i, (text, w) in enumerate(zip(row, widths))).rstrip() for row in rows]
    rule = "-" * max(len(line) for line in lines)
    return "\n".join([TABLE_TITLES[table], "", lines[0], rule, *lines[1:], "", *_list_notes(table, reading)])


def to_markdown(table: int, results: Mapping[str, Mapping[str, Any]], reading: TableCaveats = TableCaveats()) -> str:
    """The same as a Markdown table."""
    lines = ["| " + " | ".join(map(escape_markdown, row)) + " |" for row in [HEADINGS, *list_rows(table, results, reading)]]
    aligned = "|" + "|".join(["---", "---", *["---:"] * (len(HEADINGS) - 2)]) + "|"
    notes = [text for line in _list_notes(table, reading) for text in ("", escape_markdown(line))]
    return "\n".join([f"**{TABLE_TITLES[table]}**", "", lines[0], aligned, *lines[1:], *notes])


def to_latex(table: int, results: Mapping[str, Mapping[str, Any]], reading: TableCaveats = TableCaveats()) -> str:
    """The same as a LaTeX table (booktabs), with what is not as in the paper in its caption."""
    head, *rows = [" & ".join(map(escape_latex, row)) + r" \\" for row in [HEADINGS, *list_rows(table, results, reading)]]
    caption = escape_latex(" ".join([f"{TABLE_TITLES[table]}.", *reading.sentences, *_list_notes(table, TableCaveats())]))
    columns = "ll" + "r" * (len(HEADINGS) - 2)
    body = [r"\toprule", head, r"\midrule", *rows, r"\bottomrule"]
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            r"\begin{table}",
            rf"\caption{{{caption}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            *body,
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "\n": " ",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def escape_latex(text: str) -> str:
    """What a data set's or an experiment's name may hold can't become a command."""
    return "".join(LATEX.get(character, character) for character in text)


def escape_markdown(text: str) -> str:
    return "".join(f"\\{character}" if character in "|\\`*<" else character for character in text)
