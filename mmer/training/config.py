"""What a training run is told, saved as config.json in its folder."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class PairingMix:
    """How speech and words, which were never recorded together, are brought together; shares of the speech clips of an epoch."""

    same_label: float = 0.4  # (a) the clip with a text of the same label
    own_words: float = 0.15  # (b) the clip with its own transcript, which says nothing of the emotion; needs an English transcript
    # the rest: (c) the clip without any text
    text_alone: float = 1.0  # (c) further examples without any speech, per clip of the epoch
    drop_aligned: float = 0.4  # share of the clips with alignment that are shown without P, S, W, as if it had failed
    drop_frames: float = 0.1  # share of the clips with alignment whose F is left out of late fusion's sum


@dataclass(frozen=True)
class TrainConfig:
    """One model and one run. The defaults are the paper's settings for feed-forward models where it has them."""

    fusion: str = "late"  # one of fusion.FUSIONS
    units: tuple[str, ...] = ("T", "F", "S")
    preset: str = "compact"
    seed: int = 0
    epochs: int = 30  # at most
    patience: int = 4  # epochs without a lower validation loss before the run ends; reference [5]'s value, the paper has none
    batch_size: int = 32  # the paper's
    learning_rate: float = 1e-3  # the paper's; 5e-5 for its transformer models
    layer_rate: float = 1.0  # Equation 1's layer weights learn so many times as fast: four numbers that steps of 1e-3 hardly move
    warmup_steps: int = 0  # steps over which the rate rises to learning_rate
    weight_decay: float = 0.0  # decoupled from the gradient (AdamW; Adam at 0); the layer weights have none
    label_smoothing: float = 0.0
    clip_norm: float = 1.0  # of the gradient; reference [5]'s value
    branch_loss: float = 0.0  # weight of each present branch's own loss beside that of the sum (late fusion only)
    augmented: float = 0.7  # share of the clips taken from an augmented copy
    voice_shift: float = 0.0  # greatest share of the difference between two training voices that is added to a clip's states
    balance_corpora: float = 0.5  # 1: as many clips of each corpus in an epoch, 0: as many as there are; between: powers of the counts
    frame_stride: int = 1  # while training only every n-th frame is read, from a random first one; measured on all of them
    max_seconds: float = 15.0  # longer clips lose their end in training; reference [5]'s value
    bfloat16: bool = False  # matrix products in bfloat16 while training; checked against float32 afterwards
    threads: int = 1
    model: dict = field(default_factory=dict)  # further arguments of the fusion class: hidden, dropout, heads, feedforward, blocks
    mix: PairingMix = field(default_factory=PairingMix)
