"""Do arithmetic and attention rank the segments as the intervention does? Spearman's rank correlations, and what chance makes of them.

Whoever puts a rank correlation into words takes them from `describe_agreement`, so that nobody praises what chance reaches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import erfc, sqrt

import numpy as np
from scipy.stats import norm, spearmanr

from mmer.errors import EditError
from mmer.explain.steps import centre
from mmer.interventions.curves import LeaveOneOut

FEWEST = 3  # segments, below which there is no ranking to speak of
UNLIKELY = 0.05  # a rank correlation counts as agreement when chance gives one as strong less often
STRONG, WEAK = 0.7, 0.4  # beyond chance: from where on ranks agree well, and in part
SHUFFLES = 9999  # of the ranks, to see what chance gives
MANY = 50  # segments beyond which the normal approximation is used instead
TOO_FEW = "there is nothing to rank: too few segments, or all are equal"
BY_CHANCE = "the ranks are no more alike than chance could make them"


@dataclass(frozen=True)
class Agreement:
    """One rank correlation between two of the three."""

    one: str  # drop | contribution
    other: str  # contribution | attention
    role: str  # whose drop
    baseline: str
    emotion: str
    sizes: bool  # True: of absolute values, since attention has no sign
    rho: float | None  # None: too few segments, or all of one are equal
    n: int  # segments


def rank_agreements(result: LeaveOneOut, emotion: str, *, role: str, baseline: str) -> tuple[Agreement, ...]:
    """Drop against contribution (signed, centred over the classes), and both against attention (by size, since it has no sign).

    Only what is there and explains this role is compared: late fusion's drops with contributions, early fusion's with attention, those of
    the combined model with both. Raises EditError for an emotion, role or baseline that is not.
    """
    drops = result.curve(baseline).drops
    if emotion not in result.classes or role not in drops:
        raise EditError(f"There is no {role} curve for {emotion!r}; there are {', '.join(drops)} for {', '.join(result.classes)}.")
    column = result.classes.index(emotion)
    drop = centre(drops[role])[:, column]
    explained = explain_role(result, column, role=role)
    contribution, attention = explained.get("contribution"), explained.get("attention")
    pairs: list[tuple[str, str, np.ndarray, np.ndarray, bool]] = []
    if contribution is not None:
        pairs.append(("drop", "contribution", drop, contribution, False))
    if attention is not None:
        pairs.append(("drop", "attention", np.abs(drop), attention, True))
        if contribution is not None:
            pairs.append(("contribution", "attention", np.abs(contribution), attention, True))
    return tuple(Agreement(one, other, role, baseline, emotion, sizes, correlate(x, y), len(x)) for one, other, x, y, sizes in pairs)


def explain_role(result: LeaveOneOut, column: int, *, role: str) -> dict[str, np.ndarray]:
    """ "contribution" and "attention", (segments,), as far as the role has them; see read_columns."""
    found = {}
    if result.contributions is not None and role != "early":
        found["contribution"] = centre(result.contributions)[:, column] * (0.5 if role == "combined" else 1.0)
    if result.attention is not None and role != "late":
        found["attention"] = result.attention
    return found


def correlate(x: np.ndarray, y: np.ndarray) -> float | None:
    """Spearman's rho; None for fewer than three pairs or where all of one side are equal."""
    if len(x) < FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(spearmanr(x, y).statistic)


def describe_agreement(rho: float | None, n: int) -> str:
    """What a rank correlation of n segments says, as a clause: agreement is claimed only beyond what chance gives."""
    if rho is None:
        return TOO_FEW
    if chance_of(rho, n) >= UNLIKELY:
        return BY_CHANCE
    if rho < 0:
        return "the ranks point the other way"
    return f"the ranks agree {'well' if rho >= STRONG else 'in part' if rho >= WEAK else 'a little'}"


def chance_of(rho: float, n: int) -> float:
    """How often shuffled ranks of n segments give a correlation at least as strong, either way."""
    if n > MANY:
        return erfc(abs(rho) * sqrt(n - 1) / sqrt(2))
    return float((1 + np.sum(chance_correlations(n) >= abs(rho) - 1e-9)) / (1 + SHUFFLES))


def strongest_by_chance(n: int) -> float:
    """The largest |rho| of n segments that `describe_agreement` still puts down to chance; 1 where no ranking could be more."""
    if n > MANY:
        return float(norm.isf(UNLIKELY / 2)) / sqrt(n - 1)
    if n < FEWEST:
        return 1.0
    found = np.unique(np.round(chance_correlations(n), 9))
    return float(max(rho for rho in found if chance_of(rho, n) >= UNLIKELY))


@cache
def chance_correlations(n: int) -> np.ndarray:
    """(SHUFFLES,) absolute rank correlations of n ranks with shuffled ones; the same every time."""
    ranks = np.arange(n) - (n - 1) / 2
    shuffled = np.random.default_rng(0).permuted(np.tile(ranks, (SHUFFLES, 1)), axis=1)
    found: np.ndarray = np.abs(shuffled @ ranks) / (ranks @ ranks)
    return found


def read_columns(result: LeaveOneOut, emotion: str, *, role: str) -> dict[str, np.ndarray]:
    """Name -> (segments,): the role's drop against each baseline and what explains it, its contributions or its attention.

    Drops and contributions are the emotion's, centred over the classes. A combined sum takes half of late fusion's contributions; early
    fusion has none, late fusion has no attention.
    """
    column = result.classes.index(emotion)
    columns = {f"drop ({curve.baseline})": centre(curve.drops[role])[:, column] for curve in result.curves}
    return columns | explain_role(result, column, role=role)
