"""What pairs.compare found -> sentences, the same in the shell and on the page: effect, folds, what was left out, then the test.

The shares in `word_cover` are benchmarks/interval_coverage.py's; see docs/metrics.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmer.phrasing import say_count

OTHER_VALIDATION = "Their validation parts differ, so their runs stopped on different utterances."


def word_pairing(found: Mapping[str, Any]) -> str:
    """ "Over the 665 utterances that both tested; left out are 7 that only f has." """
    alone = [f"{count:,} that only {name} has" for name, count in zip(found["names"], found["alone"]) if count]
    left_out = f"left out are {' and '.join(alone)}" if alone else "neither has any other"
    return f"Over the {say_count(found['utterances'], 'utterance')} that both tested; {left_out}."


def word_folds(found: Mapping[str, Any]) -> str:
    """ "late is better in 4 of 5 sessions." """
    folds, first = found["per_fold"], found["names"][0]
    better = sum(fold["difference"] > 0 for fold in folds)
    return f"{first} is better in {better} of {len(folds)} {'sessions' if found['of'] == 'sessions' else 'folds'}."


def word_test(found: Mapping[str, Any]) -> str:
    """The p value with the smallest that so few groups can give."""
    ways = f"{'all' if found['exact'] else 'random'} {say_count(found['patterns'], 'way')} to swap whole {found['of']}"
    least, groups = found["smallest_p_value"], found["groups"]
    smallest = f"2/2^{groups} = {least:.4g}" if found["exact"] else f"{least:.4f}"
    text = f"p = {found['p_value']:.4f} ({ways}; {groups} {found['of']} can give no smaller p than {smallest})."
    if least > 0.05:
        text += f" So it can't reach 0.05 with {groups} {found['of']}, however large the difference is: read the effect and its interval."
    return text


def word_cover(found: Mapping[str, Any]) -> str:
    """How often such an interval held the truth in made-up experiments; "" where no two speakers share a model."""
    if found["of"] == "sessions":
        return (
            "The speakers of a session share one model, so sessions are compared. In made-up experiments of five sessions whose truth is "
            "known this interval, of 95 %, held it in 95 of 100; one by speaker, in 78 to 89."
        )
    if not found["shared_model"]:
        return ""
    return (
        "The speakers of a fold share one model, and this interval and p don't know that: in made-up experiments of five folds of five "
        "speakers, whose models differ by 3 points by chance, the interval of 95 % held the truth in 77 of 100, and 19 of 100 equal "
        "models had p up to 0.05."
    )
