"""The paper's claims about its models, asked of any experiments on one plan: effect and interval first, then a corrected test.

A claim is a comparison of two kinds of experiments; every pair that fits is a row. Pairs are compared as `mmer runs compare` does, on the
utterances that both tested. The p values of all rows are corrected together (Holm), since the question is whether any claim holds here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import pandas as pd

from mmer.choices.units import aligned_units
from mmer.errors import DataError
from mmer.experiments.choosing import read_learning
from mmer.experiments.experiment import Experiment
from mmer.experiments.folder.runs import RunFolder
from mmer.experiments.prepare import list_differences, place_paths
from mmer.experiments.report.tables import PAPER_COMBINATION, escape_latex, escape_markdown, find_paper_ua
from mmer.phrasing import say_count
from mmer.scores.metrics import correct_holm
from mmer.scores.pairs import combine_predictions, compare

MOST_PAIRS = 200  # that are compared; more say nothing that a person would read
HEADINGS = ("claim", "said to be better", "than", "difference of UA", "95 % interval", "folds", "paper's", "p", "p, Holm", "says")


@dataclass(frozen=True, eq=False)
class Contender:
    """One experiment, or the combination of two."""

    name: str
    fusion: str  # a key of FUSION_MODELS, or COMBINED
    units: tuple[str, ...]
    predictions: pd.DataFrame
    paper: float | None  # UA on IEMOCAP, percent
    members: tuple[str, ...] = ()  # of a combination, the names


COMBINED = "combined"


@dataclass(frozen=True)
class Claim:
    """What the paper says of two kinds of models."""

    key: str
    text: str
    fits: Callable[[Contender, Contender], bool]  # (better, worse) by the claim


@dataclass(frozen=True)
class ClaimRow:
    """One pair of experiments, as scores.pairs.compare finds it."""

    claim: Claim
    names: tuple[str, str]
    found: Mapping[str, Any]
    paper: float | None  # the paper's difference in UA on IEMOCAP, percentage points
    corrected: float  # the p value, corrected for all rows

    @property
    def verdict(self) -> str:
        """ "holds" or "the reverse" only where the corrected test says so; else what the interval leaves open."""
        if self.corrected <= 0.05:
            return "holds here" if self.found["difference"] > 0 else "the reverse holds here"
        interval = self.found["interval"]
        if interval is None:
            return "open"
        low, high = interval["low"], interval["high"]
        return "open" if low <= 0 <= high else "leans that way" if low > 0 else "leans the other way"


def is_single(one: Contender, other: Contender) -> bool:
    return one.fusion == other.fusion and len(one.units) == len(other.units) == 1


def is_late_of(one: Contender, other: Contender) -> bool:
    return (one.fusion, other.fusion) == ("late", "coattention") and set(one.units) == set(other.units)


CLAIMS = (
    Claim("text", "Text tells more than frames.", lambda a, b: is_single(a, b) and (a.units, b.units) == (("T",), ("F",))),
    Claim(
        "frames", "Frames tell more than segments.", lambda a, b: is_single(a, b) and a.units == ("F",) and b.units[0] in aligned_units()
    ),
    Claim(
        "coattention",
        "Coattention is better than concatenation.",
        lambda a, b: (a.fusion, b.fusion) == ("coattention", "concatenation") and set(a.units) == set(b.units),
    ),
    Claim("late", "Late fusion is better than early fusion.", is_late_of),
    Claim(
        "syllables",
        "Syllables help late fusion.",
        lambda a, b: a.fusion == b.fusion == "late" and "S" not in b.units and set(a.units) == {*b.units, "S"},
    ),
    Claim("combination", "Both fusions together are better than either.", lambda a, b: b.name in a.members),
)


@dataclass(frozen=True, eq=False)
class ClaimReport:
    rows: tuple[ClaimRow, ...]
    asked: tuple[str, ...]  # the experiments
    unasked: tuple[str, ...]  # claims that no pair of them speaks of
    remarks: tuple[str, ...]

    @property
    def sentences(self) -> list[str]:
        found = [f"No pair of these experiments speaks of: {' '.join(self.unasked)}"] if self.unasked else []
        if self.rows:
            least = max(row.found["smallest_p_value"] for row in self.rows)
            groups = self.rows[0].found
            if least * len(self.rows) > 0.05:
                found.append(
                    f"{groups['groups']} {groups['of']} can give no smaller p than {least:.4g}, and {say_count(len(self.rows), 'row')} "
                    f"make {min(1.0, least * len(self.rows)):.4g} of it: no corrected p here can reach 0.05. Read effects and intervals."
                )
            found.append("p is corrected for all rows by Holm's method; the interval is of one row by itself.")
        return [*found, *self.remarks]


def check_claims(folders: Sequence[RunFolder]) -> ClaimReport:
    """Every pair of these experiments that a claim of the paper speaks of.

    Raises DataError for fewer than two finished ones, ones of other data, plans, presets or classes, and for more than MOST_PAIRS pairs.
    """
    finished = sorted((folder for folder in folders if folder.has("results")), key=lambda folder: folder.name)
    remarks = [f"Not finished, so not asked: {folder.name}." for folder in folders if not folder.has("results")]
    if len(finished) < 2:
        raise DataError(f"Claims compare experiments: name two or more that are finished, not {len(finished)}.")
    check_one_plan(finished)
    experiments = {folder.name: folder.read_experiment() for folder in finished}
    remarks += [f"{folder.name}: {short}, and its rows include them." for folder in finished if (short := read_learning(folder).short)]
    contenders = [read_contender(folder, experiments[folder.name]) for folder in finished]
    contenders += list_combinations(contenders)
    pairs = [(claim, a, b) for claim in CLAIMS for a, b in permutations(contenders, 2) if claim.fits(a, b)]
    if len(pairs) > MOST_PAIRS:
        raise DataError(f"{len(pairs):,} pairs of these experiments fit a claim, more than {MOST_PAIRS}; name fewer experiments.")
    remarks += list_unlike(pairs, experiments)
    found = [compare(a.predictions, b.predictions, names=(a.name, b.name)) for _, a, b in pairs]
    corrected = correct_holm([one["p_value"] for one in found])
    rows = tuple(
        ClaimRow(claim, (a.name, b.name), one, None if a.paper is None or b.paper is None else a.paper - b.paper, p)
        for (claim, a, b), one, p in zip(pairs, found, corrected)
    )
    asked = {row.claim.key for row in rows}
    unasked = tuple(claim.text for claim in CLAIMS if claim.key not in asked)
    return ClaimReport(rows, tuple(folder.name for folder in finished), unasked, tuple(remarks))


def check_one_plan(folders: Sequence[RunFolder]) -> None:
    """Raises DataError that names the first experiment which can't stand beside the first one, and in what it differs."""
    first = folders[0]
    for folder in folders[1:]:
        one, other = first.read_experiment(), folder.read_experiment()
        unlike = [
            what
            for what, here, there in (
                ("data", first.read("data")["fingerprint"], folder.read("data")["fingerprint"]),
                ("folds, repetitions, validation or seed", one.plan, other.plan),
                ("preset", one.preset, other.preset),
                ("classes", one.class_names, other.class_names),
            )
            if here != there
        ]
        if unlike:
            raise DataError(f"{folder.name} has other {', '.join(unlike)} than {first.name}; claims are asked of experiments on one plan.")


def read_contender(folder: RunFolder, experiment: Experiment) -> Contender:
    units = experiment.units
    return Contender(folder.name, experiment.fusion, units, folder.read_predictions(), find_paper_ua(experiment.fusion, units))


def list_combinations(contenders: Sequence[Contender]) -> Iterator[Contender]:
    """The paper's (Section 2.4): coattention of T, F, P with late fusion of T, F, S."""
    for early in contenders:
        for late in contenders:
            named = (early.fusion, set(early.units), late.fusion, set(late.units))
            if named == ("coattention", set("TFP"), "late", set("TFS")):
                predictions = combine_predictions(early.predictions, late.predictions, names=(early.name, late.name))
                name = f"{early.name} + {late.name}"
                yield Contender(name, COMBINED, tuple("TFPS"), predictions, PAPER_COMBINATION, (early.name, late.name))


def list_unlike(pairs: Sequence[tuple[Claim, Contender, Contender]], experiments: Mapping[str, Experiment]) -> list[str]:
    """Sentences on pairs whose settings differ in more than the model."""
    found = {}
    for _, a, b in pairs:
        if a.name not in experiments or b.name not in experiments:
            continue
        one, other = experiments[a.name], experiments[b.name]
        same = replace(other, fusion=one.fusion, units=one.units, model=one.model, data=one.data, features=one.features)
        if different := list_differences(place_paths(one), same):
            found[a.name, b.name] = f"{a.name} has {'; '.join(different)} in {b.name}."
    return list(found.values())


# as text


def list_cells(report: ClaimReport) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for row in report.rows:
        found, interval = row.found, row.found["interval"]
        better = sum(fold["difference"] > 0 for fold in found["per_fold"])
        rows.append(
            (
                row.claim.text,
                *row.names,
                f"{found['difference']:+.3f}",
                f"{interval['low']:+.3f} to {interval['high']:+.3f}" if interval else "",
                f"{better} of {len(found['per_fold'])}",
                "" if row.paper is None else f"{row.paper / 100:+.3f}",
                f"{found['p_value']:.4f}",
                f"{row.corrected:.4f}",
                row.verdict,
            )
        )
    return rows


def write_text(report: ClaimReport) -> str:
    """Claim by claim, what is found indented below it; sentences at the end."""
    lines: list[str] = []
    last = ""
    for row, cells in zip(report.rows, list_cells(report)):
        if row.claim.text != last:
            lines += ["", row.claim.text]
            last = row.claim.text
        paper = f"; the paper's {cells[6]}" if cells[6] else ""
        lines.append(
            f"  {cells[9]}: {cells[1]} over {cells[2]}: {cells[3]} UA ({cells[4] or 'no interval'}), better in {cells[5]} folds{paper}; "
            f"p {cells[7]}, corrected {cells[8]}"
        )
    return "\n".join([*lines[1:], "", *report.sentences, ""])


def write_markdown(report: ClaimReport) -> str:
    head, *rows = ["| " + " | ".join(map(escape_markdown, cells)) + " |" for cells in [HEADINGS, *list_cells(report)]]
    notes = [text for line in report.sentences for text in ("", escape_markdown(line))]
    return "\n".join([head, "|" + "---|" * len(HEADINGS), *rows, *notes, ""])


def write_latex(report: ClaimReport) -> str:
    """A LaTeX table (booktabs), the sentences in its caption."""
    head, *rows = [" & ".join(map(escape_latex, cells)) + r" \\" for cells in [HEADINGS, *list_cells(report)]]
    caption = escape_latex(" ".join(report.sentences))
    top = [r"% needs \usepackage{booktabs}", r"\begin{table}", rf"\caption{{{caption}}}", rf"\begin{{tabular}}{{{'l' * len(HEADINGS)}}}"]
    return "\n".join([*top, r"\toprule", head, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def write_csv(report: ClaimReport) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([HEADINGS, *list_cells(report)])
    return file.getvalue()


WRITERS: Mapping[str, Callable[[ClaimReport], str]] = {".csv": write_csv, ".md": write_markdown, ".tex": write_latex}
