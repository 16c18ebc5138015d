"""The paper's tables: the cells are those of the paper, they can be trained, and what is printed is what was found."""

import pytest
from planted_predictions import plant_predictions

from mmer.errors import DataError
from mmer.experiments.experiment import Experiment
from mmer.experiments.report import tables
from mmer.scores.pairs import choose_by_validation, combine_predictions
from mmer.scores.scores import summarise

# typed from the paper's tables, row by row
PAPER = {
    1: "T 68.12 67.29 F 65.44 62.85 P 64.24 62.79 S 63.86 63.26 W 64.48 62.38",
    2: "F 74.28 74.88 F+P 74.57 75.15 F+S 74.05 75.80 F+W 74.27 75.22 F+P+S 73.35 74.67 "
    "F+P+W 73.96 75.52 F+S+W 73.53 75.59 F+P+S+W 73.64 74.60",
}
COLUMNS = {1: ("linear", "transformer"), 2: ("coattention", "late")}


@pytest.mark.parametrize("table", [1, 2])
def test_cells_and_figures_are_the_papers(table):
    values = PAPER[table].split()
    expected = {}
    for units, *figures in zip(values[::3], values[1::3], values[2::3]):
        for fusion, figure in zip(COLUMNS[table], figures):
            expected[(fusion, tuple((units if table == 1 else f"T+{units}").split("+")))] = float(figure)
    assert {(cell.fusion, cell.units): cell.paper for cell in tables.cells(table)} == expected


def test_table_3_is_as_the_paper_names_it():
    concatenation, early, late, combination, chosen = tables.cells(3)
    assert (concatenation.fusion, concatenation.units, concatenation.paper) == ("concatenation", ("T", "F", "P"), 71.29)
    assert (early.name, early.paper, late.name, late.paper) == ("table2-coattention-fp", 74.57, "table2-late-fs", 75.8)
    assert (combination.early, combination.late, combination.paper) == ((early.name,), (late.name,), 76.31)
    assert not combination.trained and not chosen.trained and chosen.paper is None
    assert (len(chosen.early), len(chosen.late)) == (8, 8)


def test_every_cell_is_an_experiment_under_one_name():
    for table in tables.TABLES:
        assert len({cell.name for cell in tables.cells(table)}) == len(tables.cells(table))
        for cell in tables.trained_cells(table):
            assert Experiment("data", "features", **cell.fields).units == cell.units
            assert tables.find_cell(cell.name) == cell
    every = {cell.name for table in tables.TABLES for cell in tables.trained_cells(table)}
    assert len(every) == 10 + 16 + 1  # what Tables 2 and 3 share is trained once
    assert {cell.name for cell in tables.trained_cells(2)} < {cell.name for cell in tables.trained_cells(3)}


def test_unknown_tables_and_cells_are_refused():
    with pytest.raises(DataError, match="Tables 1, 2, 3, not 4"):
        tables.cells(4)
    with pytest.raises(DataError, match="'table9-x' is no cell"):
        tables.find_cell("table9-x")


def test_combination_is_of_its_two_members():
    cell = tables.find_cell("table3-combination")
    early, late = plant_predictions(seed=1), plant_predictions(seed=2)
    found, chosen = tables.derive_predictions(cell, {"table2-coattention-fp": early, "table2-late-fs": late, "other": early})
    assert found.equals(combine_predictions(early, late))
    assert {choice["name"] for choice in chosen["early"]} == {"table2-coattention-fp"}


def test_chosen_row_combines_what_validation_chooses():
    cell = tables.find_cell("table3-chosen-on-validation")
    predictions = {name: plant_predictions(seed=n, strength=0.5) for n, name in enumerate(cell.members)}
    predictions["table2-late-fw"] = plant_predictions(seed=99, strength=4)
    found, chosen = tables.derive_predictions(cell, predictions)
    assert {choice["name"] for choice in chosen["late"]} == {"table2-late-fw"}
    assert len({choice["name"] for choice in chosen["early"]}) > 1
    early, _ = choose_by_validation({name: predictions[name] for name in cell.early})
    keys = ["part", "fold", "repetition", "utterance"]
    expected = combine_predictions(early, predictions["table2-late-fw"])
    assert found.sort_values(keys, ignore_index=True).equals(expected.sort_values(keys, ignore_index=True))
    del predictions["table2-late-fw"]
    with pytest.raises(DataError, match=r"not trained yet: table2-late-fw\."):
        tables.derive_predictions(cell, predictions)


def test_printed_table_stands_beside_the_papers():
    summary = summarise(plant_predictions(), resamples=50)
    text = tables.format_table(3, {"table2-late-fs": summary}, tables.TableCaveats("RAVDESS, compact preset"))
    (row,) = [line for line in text.splitlines() if line.startswith("T + F + S  ")]
    interval = summary["interval"]
    assert row.split()[:7] == ["T", "+", "F", "+", "S", "Late", "Fusion"]
    assert row.split()[7:] == [
        "75.80",
        f"{100 * summary['ua']:.2f}",
        f"{100 * summary['ua_over_folds_sd']:.2f}",
        f"{100 * summary['ua_over_repetitions_sd']:.2f}",
        f"{100 * summary['pooled_ua']:.2f}",
        f"[{100 * interval['low']:.2f},",
        f"{100 * interval['high']:.2f}]",
        f"{100 * summary['ua'] - 75.8:+.2f}",
        "6",
        "144",
    ]
    assert text.count("not yet") == 4
    assert "RAVDESS, compact preset" in text and "chosen on validation: per run" in text


def test_single_runs_have_no_spread_and_the_chosen_row_no_paper_figure():
    one = summarise(plant_predictions(speakers=1, folds=1, repetitions=1, share=0.0).query("part == 'test'"), resamples=10)
    (row,) = [row for row in tables.list_rows(3, {"table3-chosen-on-validation": one}) if row[0] == "chosen on validation"]
    assert (row[2], row[4], row[5], row[6], row[7]) == ("–", "–", "–", f"{100 * one['pooled_ua']:.2f}", "–")


def test_markdown_has_as_many_columns_in_every_row():
    lines = [line for line in tables.to_markdown(2, {}, tables.TableCaveats("nothing yet")).splitlines() if line.startswith("|")]
    assert len(lines) == 16 + 2
    assert {line.count("|") for line in lines} == {len(tables.HEADINGS) + 1}


PART = tables.TableCaveats(
    "Here: iemocap, 120 utterances, preset compact, seed 0.",
    ("120 of 5,531 utterances (2.2%)", "epochs 3 instead of 100"),
    ("table2-late-fs: 2 of 6 runs stopped before learning and stand in its mean.",),
    utterances=150,
    runs=25,
)


@pytest.mark.parametrize("write", [tables.format_table, tables.to_markdown, tables.to_latex])
def test_what_is_not_as_in_the_paper_is_stated_in_every_form(write):
    text = write(2, {"table2-late-fs": summarise(plant_predictions(), resamples=10)}, PART)
    plain = text.replace("\\%", "%")
    assert "Not the paper's experiment: 120 of 5,531 utterances (2.2%); epochs 3 instead of 100." in plain
    assert "2 of 6 runs stopped before learning" in plain
    assert "6 of 25" in plain and "144 of 150" in plain and "0 of 25" in plain  # counts with their whole


def test_other_data_has_no_difference_to_the_paper_s_figures():
    results = {"table2-late-fs": summarise(plant_predictions(), resamples=10)}
    other = tables.TableCaveats("Here: ravdess.", ("672 utterances of ravdess instead of IEMOCAP's 5,531",), same_data=False)
    (row,) = [row for row in tables.list_rows(2, results, other) if row[3] != tables.NOT_YET]
    assert row[7] == "–" and "can't be compared" in tables.format_table(2, results, other)


def test_latex_has_as_many_columns_in_every_row_and_escapes_names():
    text = tables.to_latex(1, {}, tables.TableCaveats(r"Here: \input{x}_50%|<b>, 3 & 4."))
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 10 + 1 and {line.count("&") - line.count(r"\&") for line in rows} == {len(tables.HEADINGS) - 1}
    assert (
        r"\textbackslash{}input\{x\}\_50\%" in text
        and r"3 \& 4" in text
        and text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    )
    assert r"50%\|\<b>" in tables.to_markdown(1, {}, tables.TableCaveats("50%|<b>"))
