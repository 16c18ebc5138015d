"""Predictions of an experiment's runs -> its scores: UA, WA, macro F1, their spread, intervals, and comparisons of experiments.

A predictions frame has one row per run and utterance of its validation and test part (COLUMNS, and logit.<emotion> per class). Recall,
accuracy and F1 are scikit-learn's; paper, Section 3.2, for UA and the 25 runs; docs/metrics.md says what is resampled and why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from mmer.errors import DataError
from mmer.results import EMOTIONS
from mmer.scores.metrics import mean_recall, mean_where, measure_counts

RUN = ["fold", "repetition"]
KEYS = ["part", *RUN, "utterance"]  # of a row
COLUMNS = (*KEYS, "speaker", "session", "gender", "label", "predicted")
LOGITS = [f"logit.{emotion}" for emotion in EMOTIONS]
LEVEL = 0.95
RESAMPLES = 2000
SEED = 0  # of all resampling: the same predictions have the same interval
EXACT_SPEAKERS = 12  # up to so many speakers or sessions, all sign patterns are tried
SIGN_PATTERNS = 10_000  # random ones beyond


# counts: every score is computed from confusion counts, (..., classes, classes) with rows what it is and columns what was said


CHANCE_DEVIATIONS = 1.645  # above chance, in standard errors, above which a UA is more than chance: 5 to 7 of 100 guessing runs get there
SLICE = "slice of the metadata"  # a column of their own for the values of others, whatever those are called


def select_part(predictions: pd.DataFrame, part: str = "test") -> pd.DataFrame:
    """The rows of one part. Raises DataError when columns are missing, a label is unknown, or an utterance stands in a repetition twice."""
    missing = [name for name in COLUMNS if name not in predictions]
    if missing:
        raise DataError(f"The predictions lack the columns {', '.join(missing)}; they are not those of an experiment.")
    rows = predictions[predictions["part"].astype(str) == part]
    if rows.empty:
        raise DataError(f"The predictions have no rows of the {part} part; no run of this experiment has finished.")
    for column in ("label", "predicted"):
        unknown = set(rows[column].astype(str)) - set(EMOTIONS)
        if unknown:
            raise DataError(f"The predictions have the {column} {sorted(unknown)[0]!r}; known ones are {', '.join(EMOTIONS)}.")
    once = ["repetition", "utterance"] if part == "test" else KEYS
    twice = rows[rows.duplicated(once)]
    if len(twice):
        name, repetition = twice.iloc[0][["utterance", "repetition"]]
        raise DataError(f"Utterance {name} stands twice in the {part} part of repetition {repetition + 1}; each is predicted once there.")
    return rows


def count_groups(rows: pd.DataFrame, columns: str | Sequence[str]) -> tuple[np.ndarray, list]:
    """(repetitions, groups, classes, classes) int confusion counts, and the groups' names: what stands in the column(s), sorted."""
    repetition, _ = pd.factorize(rows["repetition"], sort=True)
    names = rows[columns] if isinstance(columns, str) else pd.MultiIndex.from_frame(rows[list(columns)])
    group, groups = pd.factorize(names, sort=True)
    label, said = (pd.Categorical(rows[column].astype(str), categories=EMOTIONS).codes for column in ("label", "predicted"))
    counts = np.zeros((repetition.max() + 1, len(groups), len(EMOTIONS), len(EMOTIONS)), np.int64)
    np.add.at(counts, (repetition, group, label, said), 1)
    return counts, groups.tolist()


def _mean_known(values: np.ndarray, axis: int = 0) -> np.ndarray:
    return mean_where(values, ~np.isnan(values), axis)


def _spread(values: Sequence[float]) -> float | None:
    """Sample standard deviation; None of a single value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


# one experiment


def score_runs(predictions: pd.DataFrame, *, part: str = "test") -> list[dict[str, Any]]:
    """[{"fold", "repetition", "utterances", "ua", "wa", "macro_f1", "at_chance"}] per run, repetition by repetition."""
    rows = select_part(predictions, part)
    counts, runs = count_groups(rows, ["repetition", "fold"])
    counts = counts.sum(0)  # a run is of one repetition
    found = measure_counts(counts)
    return [
        {"fold": int(fold), "repetition": int(repetition), "utterances": int(counts[i].sum())}
        | {k: float(v[i]) for k, v in found.items()}
        | {"at_chance": is_at_chance(counts[i])}
        for i, (repetition, fold) in enumerate(runs)
    ]


def is_at_chance(counts: np.ndarray) -> bool:
    """Whether a UA is no higher than guessing could give: confusion counts (classes, classes) of one run.

    Guessing is right with 1 / classes in each class; the UA then has the standard error of a mean of so many binomial shares. False where
    fewer than two classes occur: whoever always says the same is right there.
    """
    totals = counts.sum(-1)
    totals = totals[totals > 0]
    if len(totals) < 2:
        return False
    chance = 1 / len(totals)
    error = float(np.sqrt((chance * (1 - chance) / totals).sum())) / len(totals)
    return float(measure_counts(counts)["ua"]) <= chance + CHANCE_DEVIATIONS * error


def summarise(
    predictions: pd.DataFrame, *, metadata: Mapping[str, Mapping[str, str]] | None = None, resamples: int = RESAMPLES
) -> dict[str, Any]:
    """JSON: every score of the test predictions at hand; the runs need not all be finished.

    "ua", "wa", "macro_f1" are means over runs, as the paper's. "pooled_ua" is computed over all folds of a repetition together, then
    averaged over repetitions; "interval" is its interval (see measure_interval). `metadata` adds slices: column -> utterance -> value.
    """
    rows = select_part(predictions)
    runs = score_runs(predictions)
    by_fold = [float(np.mean([r["ua"] for r in runs if r["fold"] == fold])) for fold in sorted({r["fold"] for r in runs})]
    repetitions = sorted({r["repetition"] for r in runs})
    by_repetition = [float(np.mean([r["ua"] for r in runs if r["repetition"] == repetition])) for repetition in repetitions]
    counts, speakers = count_groups(rows, "speaker")
    return {
        "runs": len(runs),
        "folds": len(by_fold),
        "repetitions": len(repetitions),
        "utterances": int(rows["utterance"].nunique()),
        "speakers": len(speakers),
        **{name: float(np.mean([r[name] for r in runs])) for name in ("ua", "wa", "macro_f1")},
        "ua_over_runs_sd": _spread([r["ua"] for r in runs]),
        "ua_over_folds_sd": _spread(by_fold),
        "ua_over_repetitions_sd": _spread(by_repetition),
        **{f"pooled_{name}": float(_mean_known(values)) for name, values in measure_counts(counts.sum(1)).items()},
        "interval": measure_interval(rows, resamples=resamples),
        "per_repetition": [{"value": r, "ua": ua} for r, ua in zip(repetitions, by_repetition)],
        **{f"per_{column}": score_groups(rows, column, resamples=resamples) for column in ("fold", "session", "speaker")},
        "confusion": average_confusion(rows),
        "slices": {
            **{column: score_slices(rows, column, resamples=resamples) for column in ("gender", "label")},
            **{
                name: score_slices(rows.assign(**{SLICE: rows["utterance"].map(values).fillna("")}), SLICE, resamples=resamples)
                for name, values in (metadata or {}).items()
            },
        },
    }


def average_confusion(rows: pd.DataFrame) -> dict[str, Any]:
    """{"classes", "counts": summed over repetitions, "rows": each row's shares, mean over repetitions; a class that never occurs has 0}."""
    counts = count_groups(rows, "label")[0].sum(1)  # (repetitions, classes, classes)
    totals = counts.sum(-1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    return {"classes": list(EMOTIONS), "counts": counts.sum(0).tolist(), "rows": np.nan_to_num(_mean_known(shares)).tolist()}


def score_groups(rows: pd.DataFrame, column: str, *, resamples: int = RESAMPLES) -> list[dict[str, Any]]:
    """The scores of each fold, session or speaker: pooled within each repetition, mean over repetitions; unnamed ones are left out.

    Their intervals resample utterances within each class: they speak of these speakers alone.
    """
    return _score_each(rows, column, lambda own: bootstrap_utterances(own, resamples=resamples))


def score_slices(rows: pd.DataFrame, column: str, *, resamples: int = RESAMPLES) -> list[dict[str, Any]]:
    """The scores of each value of a column (gender, label, improvised or scripted ...), with measure_interval's intervals."""
    by_session = have_session_folds(rows)
    return _score_each(rows, column, lambda own: measure_interval(own, resamples=resamples, by_session=by_session))


def _score_each(rows: pd.DataFrame, column: str, bootstrap) -> list[dict[str, Any]]:
    found = []
    for value, own in rows.groupby(column, sort=True, observed=True):
        if value == "":
            continue
        counts = count_groups(own, "label")[0].sum(1)  # (repetitions, classes, classes)
        scores = measure_counts(counts)
        row: dict[str, Any] = {"value": value if isinstance(value, str) else int(value), "utterances": int(own["utterance"].nunique())}
        row |= {"speakers": int(own["speaker"].nunique()), "repetitions": len(counts)}
        row |= {name: float(np.mean(values)) for name, values in scores.items()}
        found.append(row | {"ua_over_repetitions_sd": _spread(scores["ua"].tolist()), "interval": bootstrap(own)})
    return found


# intervals


def resample_ua(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(resamples,) pooled UA when group g counts weights[:, g] times; counts (repetitions, groups, classes, classes)."""
    hits, totals = np.diagonal(counts, axis1=-2, axis2=-1).astype(float), counts.sum(-1).astype(float)
    return _mean_known(mean_recall(weights @ hits, weights @ totals))  # (repetitions, resamples, classes) each


def draw_weights(sizes: Sequence[int] | np.ndarray, *, resamples: int, seed: int = SEED) -> np.ndarray:
    """(resamples, groups): how often each of `sizes` equal things per group is drawn, with replacement, as many as there are."""
    sizes = np.asarray(sizes)
    return np.random.default_rng([seed, len(sizes)]).multinomial(sizes.sum(), sizes / sizes.sum(), size=resamples)


def measure_interval(rows: pd.DataFrame, *, resamples: int = RESAMPLES, by_session: bool | None = None) -> dict[str, Any] | None:
    """Interval of the pooled UA: by session where a session is a fold, since its speakers share one model, else by speaker.

    None with a single one. `by_session` says which for a slice of the rows.
    """
    if have_session_folds(rows) if by_session is None else by_session:
        return jackknife_interval(count_groups(rows, "session")[0], of="sessions")
    return bootstrap_speakers(rows, resamples=resamples)


def bootstrap_speakers(rows: pd.DataFrame, *, resamples: int = RESAMPLES, seed: int = SEED) -> dict[str, Any] | None:
    """Percentile interval of the pooled UA over speakers drawn with replacement; None with a single speaker."""
    counts, speakers = count_groups(rows, "speaker")
    if len(speakers) < 2:
        return None
    return _read_interval(resample_ua(counts, draw_weights(np.ones(len(speakers), int), resamples=resamples, seed=seed)), "speakers")


def bootstrap_utterances(rows: pd.DataFrame, *, resamples: int = RESAMPLES, seed: int = SEED) -> dict[str, Any] | None:
    """Percentile interval of the pooled UA over utterances drawn with replacement within each class; None with a single utterance.

    An utterance brings the answers of all repetitions. Utterances of one class with the same answers are drawn as one group.
    """
    counts, utterances = count_groups(rows, "utterance")
    if len(utterances) < 2:
        return None
    hits, totals = np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(-1)
    _, first, sizes = np.unique(np.concatenate([hits, totals]).transpose(1, 0, 2), axis=0, return_index=True, return_counts=True)
    label = totals[:, first].sum(0).argmax(-1)  # (groups,)
    weights = np.zeros((resamples, len(first)))
    for c in np.unique(label):
        weights[:, label == c] = draw_weights(sizes[label == c], resamples=resamples, seed=seed + int(c))
    return _read_interval(resample_ua(counts[:, first], weights), "utterances")


def _read_interval(values: np.ndarray, of: str) -> dict[str, Any]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"low": float(low), "high": float(high), "level": LEVEL, "resamples": len(values), "of": of}


def jackknife_interval(counts: np.ndarray, minus: np.ndarray | None = None, *, of: str) -> dict[str, Any] | None:
    """Interval of the pooled UA (or of its difference to that of `minus`) from leaving out one group after the other; None with one group.

    counts (repetitions, groups, classes, classes). Tukey's pseudo-values with Student's t, which has groups - 1 degrees of freedom: for few
    groups, of which the percentiles of a bootstrap are too narrow.
    """
    groups = counts.shape[1]
    if groups < 2:
        return None
    weights = np.concatenate([np.ones((1, groups)), 1 - np.eye(groups)])
    values = resample_ua(counts, weights) - (0.0 if minus is None else resample_ua(minus, weights))
    pseudo = groups * values[0] - (groups - 1) * values[1:]
    reach = float(student.ppf((1 + LEVEL) / 2, groups - 1) * pseudo.std(ddof=1) / np.sqrt(groups))
    low, high = float(values[0]) - reach, float(values[0]) + reach
    if minus is None:
        low, high = max(0.0, low), min(1.0, high)
    return {"low": low, "high": high, "level": LEVEL, "resamples": groups, "of": of}


# two experiments


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
    ua_a, ua_b = (float(_mean_known(measure_counts(counts.sum(1))["ua"])) for counts in (counts_a, counts_b))
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
    return _read_interval(resample_ua(counts_a, weights) - resample_ua(counts_b, weights), of)


def have_session_folds(rows: pd.DataFrame) -> bool:
    """Whether every fold tests one session of its own, as in the paper's protocol."""
    pairs = rows[["fold", "session"]].astype({"session": str}).drop_duplicates()
    named = bool((pairs["session"] != "").all())
    return named and pairs["fold"].is_unique and pairs["session"].is_unique and len(pairs) > 1


def compare_folds(rows_a: pd.DataFrame, rows_b: pd.DataFrame, of: str) -> list[dict[str, Any]]:
    """[{"value", "fold", "ua", "difference"}] per fold: both UAs, pooled within each repetition and averaged over them."""
    (counts_a, folds), (counts_b, _) = (count_groups(rows, "fold") for rows in (rows_a, rows_b))
    sessions = dict(zip(rows_a["fold"], rows_a["session"].astype(str)))
    found = []
    for i, fold in enumerate(folds):
        ua = [float(_mean_known(measure_counts(counts[:, i])["ua"])) for counts in (counts_a, counts_b)]
        name = f"session {sessions[fold]}" if of == "sessions" else f"fold {fold + 1}"
        found.append({"value": name, "fold": int(fold), "ua": ua, "difference": ua[0] - ua[1]})
    return found


def pair_tests(a: pd.DataFrame, b: pd.DataFrame, *, names: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame, list[int]]:
    """The test rows of utterances that both have, and how many utterances only `a` and only `b` has: a unit may be missing in some.

    Raises DataError when they have other folds or repetitions, an utterance in another fold, with another label or speaker, or none in
    common.
    """
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
    return _mean_known(
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
    for part in parts:
        select_part(a, part)
        select_part(b, part)
    mismatch = _find_mismatch(a, b, parts, names)
    if mismatch:
        raise DataError(f"The experiments {names[0]} and {names[1]} can't be paired: {mismatch} Give both the same data, folds and seed.")


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


# predictions from predictions


def combine_predictions(early: pd.DataFrame, late: pd.DataFrame, *, names: tuple[str, str] = ("early", "late")) -> pd.DataFrame:
    """The paper's combination (Section 2.4): the mean of the two models' logits, paired by part, fold, repetition and utterance.

    Raises DataError when the two have other runs, other test or other validation utterances.
    """
    check_paired(early, late, names=names)
    rows = early[[*COLUMNS, *LOGITS]].reset_index(drop=True)
    other = rows[KEYS].merge(late[[*KEYS, *LOGITS]], on=KEYS, how="left")  # keeps the left's order
    logits = (rows[LOGITS].to_numpy(np.float64) + other[LOGITS].to_numpy(np.float64)) / 2
    rows[LOGITS] = logits.astype(np.float32)
    rows["predicted"] = np.array(EMOTIONS)[logits.argmax(1)]
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
