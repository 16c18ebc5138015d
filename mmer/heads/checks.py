"""What a head must be before it is used: sizes that can be built, numbers that are numbers, arrays of the shapes that its config says.

A head may have been copied from anywhere, or altered: its hashes say that it is whole, not that it makes sense. A NaN or a normalisation of
another shape would not stop it; it would change what it says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mmer.choices.units import UNITS
from mmer.datasets.classes import FEWEST, LONGEST, MOST, explain_name
from mmer.errors import HeadError

HeadConfig = Any  # head_config's, which imports this module
Groups = Mapping[str, Mapping[str, np.ndarray]]  # model | normalisation | novelty -> name -> array
LARGEST = {"dim": 8192, "hidden": 8192, "heads": 128, "feedforward": 32_768, "blocks": 48}  # of any model that could be meant
MOST_LAYERS, LONGEST_NAME = 200, 60
HOTTEST = 1000.0  # a temperature beyond it makes all classes equal; those that are fitted are 0.05 to 20


def check_config(config: HeadConfig) -> None:
    """Raises HeadError naming the first field that can't be, with its value."""
    for name, largest in LARGEST.items():
        if not 1 <= getattr(config, name) <= largest:
            refuse(config, name, f"it must be from 1 to {largest:,}")
    if config.speech_dim is not None and not 1 <= config.speech_dim <= LARGEST["dim"]:
        refuse(config, "speech_dim", f"it must be from 1 to {LARGEST['dim']:,}, or null")
    if config.has_attention and config.joint_width % config.heads:
        refuse(config, "heads", f"the states' {config.joint_width} dimensions can't be divided evenly among them")
    check_names(config, "units", UNITS.__contains__, at_most=len(UNITS), what=f"different letters of {', '.join(UNITS)}")
    for name in ("text_layers", "speech_layers"):
        if getattr(config, name):
            check_names(config, name, is_name, at_most=MOST_LAYERS, what="the different names of layers")
    can_be = f"{FEWEST} to {MOST} different names of at most {LONGEST} letters"
    check_names(config, "classes", lambda name: not explain_name(name), at_least=FEWEST, at_most=MOST, what=can_be)
    if not 0 <= config.dropout < 1:
        refuse(config, "dropout", "it must be from 0 to below 1")
    if not 0 < config.temperature <= HOTTEST:
        refuse(config, "temperature", f"it must be above 0 and at most {HOTTEST:g}")
    if not 0 <= config.margin <= 2:
        refuse(config, "margin", "it must be a number from 0 to 2")
    if config.novelty_threshold is not None and not (math.isfinite(config.novelty_threshold) and config.novelty_threshold > 0):
        refuse(config, "novelty_threshold", "it must be a number above 0, or null")


def is_name(text: str) -> bool:
    return 0 < len(text) <= LONGEST_NAME and text.isprintable()


def check_names(config: HeadConfig, field: str, fits: Callable[[str], bool], *, at_most: int, what: str, at_least: int = 1) -> None:
    names: Sequence[str] = getattr(config, field)
    if not (at_least <= len(names) <= at_most and len(set(names)) == len(names) and all(map(fits, names))):
        refuse(config, field, f"they must be {what}")


def refuse(config: HeadConfig, field: str, why: str) -> None:
    value = getattr(config, field)
    shown = ", ".join(value) if isinstance(value, tuple) else str(value)
    words = field.replace("_", " ")
    raise HeadError(f"Head {config.name[:80]} has the {words} {shown[:100]}; {why}.")


def check_arrays(config: HeadConfig, groups: Groups, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises HeadError when an array is missing, too many, of another shape, or holds what is no number.

    `shapes`: of the arrays of a model with the config's sizes. All is checked before a model of that size is built.
    """
    others = set(groups) - {"model", "normalisation", "novelty"}
    if others:
        raise HeadError(
            f"Head {config.name} holds weights that no part of the model uses: {', '.join(sorted(others))[:100]}; install it again."
        )
    check_group(config, "model", groups["model"], shapes)
    check_group(config, "normalisation", groups["normalisation"], shape_normalisation(config))
    check_group(config, "novelty", groups["novelty"], shape_novelty(config, groups["novelty"]))
    above = (("normalisation", "deviation"), ("novelty", "scale"), ("novelty", "residual"))
    for group, name in above:
        if name in groups[group] and not (groups[group][name] > 0).all():
            raise HeadError(f"Head {config.name} divides by {group}.{name}, which must be above 0 everywhere; install the head again.")


def check_group(config: HeadConfig, group: str, arrays: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]) -> None:
    wrong = sorted(set(arrays) ^ set(shapes))
    if wrong:
        what = "lacks" if wrong[0] in shapes else "has too much:"
        raise HeadError(f"The weights of head {config.name} do not fit its config.json: it {what} {group}.{wrong[0][:80]}.")
    for name, shape in shapes.items():
        found = arrays[name].shape
        if found != shape:
            raise HeadError(
                f"The weights of head {config.name} do not fit its config.json: {group}.{name[:80]} has the shape {list(found)}, "
                f"not {list(shape)}."
            )
        if not np.isfinite(arrays[name]).all():
            raise HeadError(
                f"Head {config.name} holds values that are not numbers (NaN or infinite) in {group}.{name[:80]}; install it again."
            )


def shape_normalisation(config: HeadConfig) -> dict[str, tuple[int, ...]]:
    """{} for a head that doesn't normalise."""
    shape = (len(config.speech_layers), config.width("F"))
    return dict.fromkeys(("mean", "deviation"), shape) if config.normalised else {}


def shape_novelty(config: HeadConfig, arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """{} for a head without a reference of its training clips."""
    if not arrays:
        return {}
    values = len(config.speech_layers) * config.width("F")
    components = int(arrays["scale"].size) if "scale" in arrays else 0
    return {"mean": (values,), "basis": (components, values), "scale": (components,), "residual": (1,)}
