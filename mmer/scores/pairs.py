"""Experiments that tested the same utterances: their difference and its test, their combination, the choice among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from mmer.errors import DataError
from mmer.scores.intervals import RESAMPLES, SEED, draw_weights, jackknife_interval, read_interval, resample_ua
from mmer.scores.metrics import mean_known, mean_where, measure_counts
from mmer.scores.predictions import COLUMNS, KEYS, RUN, count_groups, have_session_folds, list_logits, read_classes, select_part
from mmer.scores.scores import score_runs

EXACT_SPEAKERS = 12  # up to so many speakers or sessions, all sign patterns are tried
SIGN_PATTERNS = 10_000  # random ones beyond


def compare(
    a: pd.DataFrame, b: pd.DataFrame, *, names: tuple[str, str] = ("first", "second"), resamples: int = RESAMPLES
) -> dict[str, Any]:
    """Pooled UA of `a` minus that of `b` over the utterances that both tested, its interval and the p value of a randomisation test.

    "per_fold" has each fold's own UA of both. Speakers are what is drawn and swapped; where a session is a fold its speakers share one
    model, so there whole sessions are, with jackknife_interval. The test tries all 2^n ways up to EXACT_SPEAKERS of them, SIGN_PATTERNS
    random ones beyond. Raises DataError when they tested other folds, repetitions, labels or speakers, or no utterance in common.
    """
    rows_a, rows_b, alone = pair_tests(a, b, names=names)
    of = "sessions" if have_session_folds(rows_a) else "speakers"
    (counts_a, groups), (counts_b, _) = (count_groups(rows, of.removesuffix("s")) for rows in (rows_a, rows_b))
    ua_a, ua_b = (float(mean_known(measure_counts(counts.sum(1))["ua"])) for counts in (counts_a, counts_b))
    shares = share_difference(counts_a, counts_b)
    p_value, patterns = swap_groups(shares)
    exact = len(groups) <= EXACT_SPEAKERS
    return {
        "names": list(names),
        "ua": [ua_a, ua_b],  # pooled
        "difference": ua_a - ua_b,
        "utterances": int(rows_a["utterance"].nunique()),
        "alone": alone,  # utterances that only one of them tested, and that are left out
        "interval": _compare_interval(counts_a, counts_b, of, resamples),
        "p_value": p_value,
        "patterns": patterns,
        "exact": exact,
        "smallest_p_value": 2 / patterns if exact else 1 / (patterns + 1),
        "of": of,  # what is drawn and swapped
        "groups": len(groups),
        "speakers": int(rows_a["speaker"].nunique()),
        "shared_model": of == "speakers" and bool((rows_a.groupby("fold")["speaker"].nunique() > 1).any()),
        "per_fold": compare_folds(rows_a, rows_b, of),
        f"per_{of.removesuffix('s')}": [{"value": name, "share": float(share)} for name, share in zip(groups, shares)],
        "same_validation": _find_mismatch(a, b, ("validation",), names) is None,
    }


def _compare_interval(counts_a: np.ndarray, counts_b: np.ndarray, of: str, resamples: int) -> dict[str, Any] | None:
    if counts_a.shape[1] < 2:
        return None
    if of == "sessions":
        return jackknife_interval(counts_a, counts_b, of=of)
    weights = draw_weights(np.ones(counts_a.shape[1], int), resamples=resamples)
    return read_interval(resample_ua(counts_a, weights) - resample_ua(counts_b, weights), of)


def compare_folds(rows_a: pd.DataFrame, rows_b: pd.DataFrame, of: str) -> list[dict[str, Any]]:
    """[{"value", "fold", "ua", "difference"}] per fold: both UAs, pooled within each repetition and averaged over them."""
    (counts_a, folds), (counts_b, _) = (count_groups(rows, "fold") for rows in (rows_a, rows_b))
    sessions = dict(zip(rows_a["fold"], rows_a["session"].astype(str)))
    found = []
    for i, fold in enumerate(folds):
        ua = [float(mean_known(measure_counts(counts[:, i])["ua"])) for counts in (counts_a, counts_b)]
        name = f"session {sessions[fold]}" if of == "sessions" else f"fold {fold + 1}"
        found.append({"value": name, "fold": int(fold), "ua": ua, "difference": ua[0] - ua[1]})
    return found


def pair_tests(a: pd.DataFrame, b: pd.DataFrame, *, names: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame, list[int]]:
    """The test rows of utterances that both have, and how many utterances only `a` and only `b` has: a unit may be missing in some.

    Raises DataError when they have other folds or repetitions, an utterance in another fold, with another label or speaker, or none in
    common.
    """
    check_same_classes(a, b, names=names)
    rows_a, rows_b = select_part(a), select_part(b)
    known_a, known_b = set(rows_a["utterance"]), set(rows_b["utterance"])
    shared = known_a & known_b
    if not shared:
        raise DataError(f"The experiments {names[0]} and {names[1]} have no test utterance in common; give both the same data.")
    both_a, both_b = (rows[rows["utterance"].isin(shared)] for rows in (rows_a, rows_b))
    mismatch = _find_mismatch(both_a, both_b, ("test",), names)
    if mismatch:
        raise DataError(f"The experiments {names[0]} and {names[1]} can't be paired: {mismatch} Give both the same data, folds and seed.")
    return both_a, both_b, [len(known_a - shared), len(known_b - shared)]


def share_difference(counts_a: np.ndarray, counts_b: np.ndarray) -> np.ndarray:
    """(groups,) each speaker's or session's part in the difference of the pooled UA; they sum to it, and swapping one turns its sign.

    Both experiments tested the same utterances, so the class totals are the same whoever is swapped: the difference is linear.
    """
    totals = counts_a.sum((1, 3))[:, None]  # (repetitions, 1, classes)
    hits = np.diagonal(counts_a - counts_b, axis1=-2, axis2=-1)  # (repetitions, groups, classes)
    return mean_known(
        mean_where(np.divide(hits, totals, out=np.zeros(hits.shape), where=totals > 0), np.broadcast_to(totals > 0, hits.shape))
    )


def swap_groups(shares: np.ndarray, *, seed: int = SEED) -> tuple[float, int]:
    """(p value, patterns tried): how often a random choice of swapped speakers or sessions gives a difference as large, either way."""
    if len(shares) <= EXACT_SPEAKERS:
        signs = np.array(list(product((1.0, -1.0), repeat=len(shares))))
    else:
        signs = np.random.default_rng([seed, len(shares)]).choice((1.0, -1.0), size=(SIGN_PATTERNS, len(shares)))
    as_large = int((np.abs(signs @ shares) >= abs(shares.sum()) - 1e-12).sum())
    if len(shares) <= EXACT_SPEAKERS:
        return as_large / len(signs), len(signs)
    return (as_large + 1) / (len(signs) + 1), len(signs)  # the observed pattern is one of those that could have been drawn


def check_paired(a: pd.DataFrame, b: pd.DataFrame, *, parts: Sequence[str] = ("validation", "test"), names: Sequence[str]) -> None:
    """Raises DataError that names the first thing in which two experiments' runs differ."""
    check_same_classes(a, b, names=names)
    for part in parts:
        select_part(a, part)
        select_part(b, part)
    mismatch = _find_mismatch(a, b, parts, names)
    if mismatch:
        raise DataError(f"The experiments {names[0]} and {names[1]} can't be paired: {mismatch} Give both the same data, folds and seed.")


def check_same_classes(a: pd.DataFrame, b: pd.DataFrame, *, names: Sequence[str]) -> None:
    """Raises DataError when two experiments tell other classes apart: their scores are of other questions."""
    one, other = read_classes(a), read_classes(b)
    if one != other:
        raise DataError(
            f"The experiments {names[0]} and {names[1]} tell other classes apart ({', '.join(one)}; {', '.join(other)}), "
            "so they can't be compared. Give both the same data and classes."
        )


def _find_mismatch(a: pd.DataFrame, b: pd.DataFrame, parts: Sequence[str], names: Sequence[str]) -> str | None:
    a, b = (frame[frame["part"].isin(parts)].astype({"part": str}) for frame in (a, b))
    runs_a, runs_b = (set(map(tuple, frame[RUN].drop_duplicates().to_numpy().tolist())) for frame in (a, b))
    if runs_a != runs_b:
        fold, repetition = sorted(runs_a ^ runs_b)[0]
        only = names[0] if (fold, repetition) in runs_a else names[1]
        where = f"fold {fold + 1}, repetition {repetition + 1}, only in {only}"
        return f"only one of them has {len(runs_a ^ runs_b)} of the runs, the first is {where}."
    both = a.merge(b, on=KEYS, how="outer", indicator=True, suffixes=("", "_b"))
    alone = both[both["_merge"] != "both"]
    if len(alone):
        row = alone.iloc[0]
        only = names[0] if row["_merge"] == "left_only" else names[1]
        return f"only one of them has {len(alone)} of the rows, the first is {_name_row(row)}, only in {only}."
    for column in ("label", "speaker"):
        other = both[both[column].astype(str) != both[f"{column}_b"].astype(str)]
        if len(other):
            row = other.iloc[0]
            return f"{_name_row(row)} has the {column} {row[column]!r} in {names[0]} and {row[f'{column}_b']!r} in {names[1]}."
    return None


def _name_row(row: pd.Series) -> str:
    return f"utterance {row['utterance']} in the {row['part']} part of fold {row['fold'] + 1}, repetition {row['repetition'] + 1}"


def combine_predictions(early: pd.DataFrame, late: pd.DataFrame, *, names: tuple[str, str] = ("early", "late")) -> pd.DataFrame:
    """The paper's combination (Section 2.4): the mean of the two models' logits, paired by part, fold, repetition and utterance.

    Raises DataError when the two have other runs, other test or other validation utterances.
    """
    check_paired(early, late, names=names)
    columns = list_logits(early)
    rows = early[[*COLUMNS, *columns]].reset_index(drop=True)
    other = rows[KEYS].merge(late[[*KEYS, *columns]], on=KEYS, how="left")  # keeps the left's order
    logits = (rows[columns].to_numpy(np.float64) + other[columns].to_numpy(np.float64)) / 2
    rows[columns] = logits.astype(np.float32)
    rows["predicted"] = np.array(read_classes(early))[logits.argmax(1)]
    return rows


def choose_by_validation(candidates: Mapping[str, pd.DataFrame]) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Per fold and repetition the rows of the candidate with the highest validation UA (the first of equals), and what was chosen.

    Each run chooses by its own validation part alone. A choice by the mean over all runs would see test utterances: one fold's validation
    utterances are another's test utterances. Raises DataError when the candidates have other splits.
    """
    if not candidates:
        raise DataError("There is no candidate to choose from.")
    first, *others = candidates
    for name in others:
        check_paired(candidates[first], candidates[name], names=(first, name))
    runs = {name: score_runs(frame, part="validation") for name, frame in candidates.items()}
    chosen = []
    for i, run in enumerate(runs[first]):
        best = max(runs, key=lambda name: runs[name][i]["ua"])
        chosen.append({"fold": run["fold"], "repetition": run["repetition"], "name": best, "validation_ua": runs[best][i]["ua"]})
    rows = []
    for name, frame in candidates.items():
        own = pd.DataFrame([choice for choice in chosen if choice["name"] == name], columns=RUN)
        if len(own):
            rows.append(frame.merge(own, on=RUN))
    return pd.concat(rows, ignore_index=True), chosen
