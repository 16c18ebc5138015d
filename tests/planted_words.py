"""An analysis whose words own segments that can be counted by hand. Frames are 100 ms long, values are small whole numbers.

time     0.0  0.1       0.3  0.34          0.6                1.0
words         | Oh      |no | stop          |                       "it" is written, and was not found in the sound
phones        |OW   |N     |OW|S            |  |HH |                 N goes over the edge of "Oh" and "no", the second OW over that
frames   |0   |1   |2   |3   |4   |5        |6  |7  |8  |9           of "no" and "stop"; no frame's centre lies in "no"
"""

import numpy as np

from mmer.choices.emotions import EMOTIONS
from mmer.results import Alignment, Analysis, BranchPrediction, Clip, HeadInfo, Prediction, Segment, Transcript, Word

TEXT = "Oh, no stop it?"
WORDS = (Segment("Oh", 0.1, 0.3, 0), Segment("no", 0.3, 0.34, 1), Segment("stop", 0.34, 0.6, 2))
PHONES = (
    Segment("OW", 0.1, 0.24, -1),  # the aligner gives no word: its middle lies in "Oh"
    Segment("N", 0.24, 0.33, 1),  # the aligner says "no", although its middle lies in "Oh"
    Segment("OW", 0.33, 0.36, -1),  # its middle lies in "stop"
    Segment("S", 0.36, 0.6, 2),
    Segment("HH", 0.7, 0.8, -1),  # between words
)
SYLLABLES = (Segment("OW", 0.1, 0.3, 0), Segment("N OW", 0.3, 0.34, 1), Segment("S T AA P", 0.34, 0.6, 2))
PIECES = (("oh", 0, 2), (",", 2, 3), ("no", 4, 6), ("sto", 7, 10), ("##p", 10, 11), ("it", 12, 14), ("?", 14, 15))
VALUES = {  # what each segment adds to anger, in hundredths of a logit; as much is taken from neutral
    "T": (10, 1, -20, 30, -7, 40, 2),
    "F": (1, 2, 4, 8, 16, 32, 64, -100, 3, 5),
    "P": (100, 200, -50, 25, 7),
    "S": (11, -22, 33),
    "W": (-60, 70, 80),
}
BIAS = {"T": 3, "F": -5, "P": 2, "S": 0, "W": 1}
DIRECTION = np.array([1.0, 0.0, 0.0, -1.0]) / 100  # anger, happiness, sadness, neutral


def plant_words(units: str = "TFPSW", *, aligned: bool = True, early: bool = False) -> Analysis:
    """Late fusion of these units; with `early` its mean with another model too. Without alignment T and F are all there is."""
    units = "".join(unit for unit in units if aligned or unit in "TF")
    alignment = Alignment(WORDS, SYLLABLES, PHONES, "planted") if aligned else None
    tiers = {unit: alignment.tier(unit) for unit in "PSW" if unit in units} if alignment else {}
    edges = np.arange(11) / 10
    labels = {"T": tuple(piece for piece, _, _ in PIECES), "F": tuple(f"{t + 0.05:.2f} s" for t in edges[:-1])}
    return Analysis(
        clip=Clip("planted.wav", (0.1 * np.sin(np.arange(16000) / 20)).astype(np.float32), "0" * 64),
        transcript=plant_transcript(),
        alignment=alignment,
        labels=labels | {unit: tuple(s.label for s in tier) for unit, tier in tiers.items()},
        starts={"F": edges[:-1]} | {unit: np.array([s.start for s in tier]) for unit, tier in tiers.items()},
        ends={"F": edges[1:]} | {unit: np.array([s.end for s in tier]) for unit, tier in tiers.items()},
        words={"T": np.array([0, -1, 1, 2, 2, 3, -1]), "F": np.zeros(10, int)}  # the stored ones are not asked for frames
        | {unit: np.array([s.word for s in tier]) for unit, tier in tiers.items()},
        token_offsets=np.array([[start, end] for _, start, end in PIECES]),
        predictions=plant_predictions(units, early),
        unavailable={} if aligned else dict.fromkeys("PSW", "There is no alignment."),
        preset="compact",
        heads=(HeadInfo("planted", "Planted", "compact", "nothing", "none", "", "1" * 64),),
        encoders={},
    )


def plant_transcript() -> Transcript:
    places = [(0, 2), (4, 6), (7, 11), (12, 14)]
    return Transcript(TEXT, tuple(Word(TEXT[a:b], a, b, (TEXT[a:b].lower(),)) for a, b in places), "typed")


def plant_predictions(units: str, early: bool) -> dict[str, Prediction]:
    branches = tuple(plant_branch(unit) for unit in units)
    late = predict("late", sum(branch.logits for branch in branches), units, branches)
    if not early:
        return {"late": late}
    other = predict("early", np.array([1.0, 0.5, 0.0, -0.5]), units)
    combined = predict("combined", (late.logits + other.logits) / 2, units, members=("late", "early"))
    return {"late": late, "early": other, "combined": combined}


def plant_branch(unit: str) -> BranchPrediction:
    contributions, bias = np.outer(VALUES[unit], DIRECTION), BIAS[unit] * DIRECTION
    return BranchPrediction(unit, contributions.sum(0) + bias, bias, contributions)


def predict(role, logits, units, branches=None, *, members=(), temperature=2.0) -> Prediction:
    powers = np.exp(logits / temperature)
    fusion = {"late": "late", "early": "coattention", "combined": "combination"}[role]
    return Prediction(
        role, "planted", "1" * 64, fusion, tuple(units), EMOTIONS, logits, temperature, powers / powers.sum(), branches, {}, members=members
    )
