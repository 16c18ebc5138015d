"""Where a decision comes from: exact sums over what a Prediction holds, in numpy. Sections 2.2 to 2.4 of the paper, read backwards.

Softmax ignores what all classes share, so everything is shown centred over the classes unless the raw values are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmer.choices.units import UNITS, name_unit
from mmer.errors import HeadError
from mmer.results import Analysis, BranchPrediction, CoattentionWeights, Prediction

CAPTION_SUM = "Where the sum comes from, not what the sound caused: each state has already seen its surroundings. The parts add up exactly."
CAPTION_CENTRED = "Centred over the emotions, since softmax ignores what they all share: above 0 speaks for the emotion, below 0 against."
CAPTION_EARLY = "Early fusion mixes words and sound before it decides: its logit is no sum over units, so it is one part here."
CAPTION_ATTENTION = "Attention shows what was read together, not how much it counted in the decision."
CAPTION_MIXED = (
    "Only in layer 1 do words and sounds meet as the encoders gave them. From layer 2 on, each row and column has taken in what it "
    "attended to in the layer before, so it is no pure word or sound any more, only the place of one; “mean” averages over such layers."
)
CAPTION_FLIP = "What the model would say without this part, everything else kept; it was never trained to be asked this."
NO_BRANCH = "{unit}: no branch in this sum. {reason}"


@dataclass(frozen=True)
class ExplanationStep:
    """One step on the way from nothing to a probability; `total` is the one before plus `value`, but for kind "probability"."""

    kind: str  # bias | branch | segment | member | absent | total | temperature | probability
    label: str
    value: float  # what this step adds; 0 for absent and total; the probability itself for the last
    total: float  # logit after it
    unit: str = ""  # of a branch or segment


@dataclass(frozen=True)
class Flip:
    """A part without which the decision would be another."""

    part: str  # a unit ("T", "F", ...), or the role "early" or "late"
    label: str  # what would be said instead


def centre(values: np.ndarray) -> np.ndarray:
    """Values (..., classes) minus their mean over the classes, float64."""
    values = values.astype(np.float64)
    found: np.ndarray = values - values.mean(-1, keepdims=True)
    return found


def pick_class(prediction: Prediction, emotion: str) -> int:
    if emotion not in prediction.classes:
        raise HeadError(f"The head {prediction.head} does not know the emotion {emotion!r}; it knows {', '.join(prediction.classes)}.")
    return prediction.classes.index(emotion)


def read_values(prediction: Prediction, values: np.ndarray, emotion: str, *, centred: bool) -> np.ndarray:
    """The emotion's column of (..., classes), centred over the classes if asked."""
    return (centre(values) if centred else values.astype(np.float64))[..., pick_class(prediction, emotion)]


def find_branch(prediction: Prediction, unit: str) -> BranchPrediction:
    """The branch of a unit. Raises HeadError when the model is no sum of branches, or the clip lacks this one."""
    if prediction.branches is None:
        raise HeadError(f"The {prediction.role} model ({prediction.fusion}) is no sum of branches.")
    for branch in prediction.branches:
        if branch.unit == unit:
            return branch
    name, present = name_unit(unit), ", ".join(UNITS[b.unit].name for b in prediction.branches)
    raise HeadError(f"The {prediction.role} model has no branch for {name} here; it has {present}.")


def decision_steps(
    analysis: Analysis, emotion: str, *, role: str | None = None, centred: bool = True, unit_detail: str | None = None
) -> list[ExplanationStep]:
    """The way from nothing to the emotion's probability, each step with its running total.

    Late: all biases as one part, then each branch without its bias; with `unit_detail`, that branch segment by segment. Early: one part.
    Combined: half of every late part, half of early. Then the temperature, as what dividing by it takes away, and the probability.
    `role` is that of the best prediction unless given. Raises HeadError for a role, emotion or unit that is not there.
    """
    prediction = analysis.best if role is None else find_prediction(analysis, role)
    steps: list[ExplanationStep] = []
    members = prediction.members or (prediction.role,)
    share = 1 / len(members)
    for member in sorted(members, reverse=True):  # late before early
        part = find_prediction(analysis, member) if prediction.members else prediction
        steps += member_steps(analysis, part, emotion, share=share, centred=centred, unit_detail=unit_detail)
    logit = float(sum(step.value for step in steps))
    steps.append(ExplanationStep("total", f"{prediction.role} logit", 0.0, 0.0))
    scaled = logit / prediction.temperature
    steps.append(ExplanationStep("temperature", f"divided by the temperature {prediction.temperature:.2f}", scaled - logit, 0.0))
    steps = add_up(steps)
    probability = float(prediction.probabilities[pick_class(prediction, emotion)])
    return [*steps, ExplanationStep("probability", f"probability of {emotion}", probability, steps[-1].total)]


def member_steps(
    analysis: Analysis, prediction: Prediction, emotion: str, *, share: float, centred: bool, unit_detail: str | None
) -> list[ExplanationStep]:
    """Steps of one model, each value times share; totals are filled in later."""
    half = "" if share == 1 else f" / {round(1 / share)}"

    def read(values: np.ndarray) -> np.ndarray:
        return share * read_values(prediction, values, emotion, centred=centred)

    if prediction.branches is None:
        return [ExplanationStep("member", f"{prediction.role} model, one part{half}", float(read(prediction.logits)), 0.0)]
    biases = read(np.stack([b.bias for b in prediction.branches]))
    steps = [ExplanationStep("bias", f"bias{half}", float(biases.sum()), 0.0)]
    for branch in prediction.branches:
        values, name = read(branch.contributions), UNITS[branch.unit].name
        if branch.unit == unit_detail:
            labels = analysis.labels[branch.unit]
            steps += [ExplanationStep("segment", f"{label}{half}", float(v), 0.0, branch.unit) for label, v in zip(labels, values)]
        else:
            steps.append(ExplanationStep("branch", f"{name}{half}", float(values.sum()), 0.0, branch.unit))
    for unit in UNITS:
        if unit in analysis.unavailable and unit not in prediction.units:
            label = NO_BRANCH.format(unit=UNITS[unit].name, reason=analysis.unavailable[unit])
            steps.append(ExplanationStep("absent", label, 0.0, 0.0, unit))
    return steps


def add_up(steps: list[ExplanationStep]) -> list[ExplanationStep]:
    """The steps with their running totals."""
    totals = np.cumsum([s.value for s in steps])
    return [ExplanationStep(s.kind, s.label, s.value, float(total), s.unit) for s, total in zip(steps, totals)]


def find_prediction(analysis: Analysis, role: str) -> Prediction:
    if role not in analysis.predictions:
        reason = analysis.unavailable.get(role, f"there are {', '.join(analysis.predictions)}.")
        raise HeadError(f"This analysis has no {role} prediction: {reason}")
    return analysis.predictions[role]


def list_removable(analysis: Analysis, *, role: str | None = None) -> dict[str, np.ndarray]:
    """Part -> the logits without it: single branches, and for the combination each whole model.

    Empty where the prediction is one part: without it nothing would be said, so whether it decides alone can't be asked.
    """
    prediction = analysis.best if role is None else find_prediction(analysis, role)
    logits = prediction.logits.astype(np.float64)
    parts: dict[str, np.ndarray] = {}
    share = 1 / len(prediction.members or (prediction.role,))
    for member in prediction.members or (prediction.role,):
        model = find_prediction(analysis, member) if prediction.members else prediction
        if prediction.members:
            parts[member] = logits - share * model.logits
        branches = model.branches or ()
        if len(branches) > 1 or prediction.members:  # without its only branch a model says nothing
            parts |= {b.unit: logits - share * b.logits for b in branches}
    return parts


def flipping_part(analysis: Analysis, *, role: str | None = None) -> tuple[Flip, ...]:
    """The parts whose removal from the sum changes the decision. None of them is not the same as no part: see list_removable."""
    prediction = analysis.best if role is None else find_prediction(analysis, role)
    labels = [(name, prediction.classes[int(np.argmax(rest))]) for name, rest in list_removable(analysis, role=role).items()]
    return tuple(Flip(name, label) for name, label in labels if label != prediction.label)


def share_overlap(starts: np.ndarray, ends: np.ndarray, parts_starts: np.ndarray, parts_ends: np.ndarray) -> np.ndarray:
    """(segments, parts) what share of each part's time lies in each segment; 0 where a segment's times are NaN."""
    overlap = np.minimum(ends[:, None], parts_ends[None]) - np.maximum(starts[:, None], parts_starts[None])
    lengths = np.maximum(parts_ends - parts_starts, 1e-9)[None]
    found: np.ndarray = np.nan_to_num(np.clip(overlap, 0, None) / lengths)
    return found


def speech_attention(maps: CoattentionWeights, segments: int) -> np.ndarray:
    """(segments,) attention that each speech segment gets from the text, mean over layers, heads and word pieces; they sum to 1."""
    cells = maps.text_to_speech.astype(np.float64).mean((0, 1, 2))
    held = count_held(len(cells), segments, maps.segments_per_cell)
    return np.repeat(cells / held, held)


def text_attention(maps: CoattentionWeights, segments: int) -> np.ndarray:
    """(tokens,) attention that each word piece gets from the speech, mean over layers, heads and segments; they sum to 1."""
    rows = maps.speech_to_text.astype(np.float64).mean((0, 1))  # (cells, tokens)
    held = count_held(len(rows), segments, maps.segments_per_cell)
    found: np.ndarray = (rows * held[:, None]).sum(0) / segments
    return found


def count_held(cells: int, segments: int, per_cell: int) -> np.ndarray:
    """(cells,) how many segments share each cell; the last holds what is left."""
    return np.minimum(per_cell, segments - per_cell * np.arange(cells))
