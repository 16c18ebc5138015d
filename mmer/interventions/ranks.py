"""Do arithmetic and attention rank the segments as the intervention does? Spearman's rank correlations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import spearmanr

from mmer.errors import EditError
from mmer.explain import centre

if TYPE_CHECKING:
    from mmer.interventions.leave_one_out import LeaveOneOut

FEWEST = 3  # segments, below which there is no ranking to speak of


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
