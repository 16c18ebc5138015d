"""The fusion models that can be trained and asked. Loads none of them: torch is slow to import, and help and forms need names alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from mmer.choices.rows import Rows, load_named

TEXT = "T"
COMBINATION = "combination"  # of an early and a late model: no model of its own
FEEDFORWARD_RATE, TRANSFORMER_RATE = 1e-3, 5e-5  # the paper's learning rates
FEEDFORWARD = ("hidden",)
ATTENTION = ("heads", "feedforward", "blocks")


@dataclass(frozen=True)
class PaperColumn:
    """One model's column in a table of the paper."""

    table: int  # 1 to 3
    place: int  # among the columns of that table, from 0
    ua: Mapping[str, float]  # letters of the units as the table writes them -> percent on IEMOCAP; Tables 2 and 3 leave out T


@dataclass(frozen=True)
class FusionModel:
    """One fusion model: what it may read, which sizes it has, how it is trained and named."""

    key: str
    title: str  # within a sentence: "late fusion"
    constructor: str  # "module:Class"; takes the units and, by keyword, fusion.InputSizes, classes, dropout and `sizes`
    role: str  # late: a sum over units that does without those that a clip lacks; early: the units meet before, so it needs all of them
    sizes: tuple[str, ...]  # fields of HeadConfig that it takes beside those of every model
    rate: float = FEEDFORWARD_RATE  # the learning rate unless another is asked for
    fewest_units: int = 1
    most_units: int | None = None
    needs_text: bool = False  # T always is one of its units
    paper: PaperColumn | None = None  # None: the paper has no such model

    @property
    def label(self) -> str:
        """At the start of a line: "Late fusion"."""
        return self.title[:1].upper() + self.title[1:]

    @property
    def heading(self) -> str:
        """Of a column: "Late Fusion"."""
        return self.title.title()

    @property
    def reads_one_unit(self) -> bool:
        return self.most_units == 1

    @property
    def has_attention(self) -> bool:
        return "heads" in self.sizes

    def refuse_units(self, units: Sequence[str], speech: Sequence[str]) -> str:
        """Why it can't read these units, as one sentence, or ""; `speech` lists the units that there are beside T."""
        shown = " ".join(units)
        if self.reads_one_unit and len(units) != 1:
            return f"The {self.key} model reads one unit, not {shown}."
        enough = len(units) >= self.fewest_units and (self.most_units is None or len(units) <= self.most_units)
        if enough and (TEXT in units or not self.needs_text):
            return ""
        if self.needs_text and self.fewest_units <= 2 and self.most_units is None:
            return f"{self.label} needs T and at least one of {', '.join(speech)}, not {shown}."
        most = f"to {self.most_units} " if self.most_units else "or more "
        return f"{self.label} reads {self.fewest_units} {most}units{', T among them' if self.needs_text else ''}, not {shown}."

    def offer_units(self, units: Iterable[str]) -> tuple[str, ...]:
        """Those of `units` that a person chooses among: without T where it is always there."""
        return tuple(unit for unit in units if not (self.needs_text and unit == TEXT))

    def choose_units(self, chosen: Iterable[str], units: Iterable[str]) -> tuple[str, ...]:
        """What it reads when a person chose these, in the order of `units`."""
        wanted = {*chosen, *((TEXT,) if self.needs_text else ())}
        return tuple(unit for unit in units if unit in wanted)

    def load(self) -> Any:
        """The class of the model."""
        return load_named(self.constructor)


FUSION_MODELS: Rows[FusionModel] = Rows(
    FusionModel(
        key="linear",
        title="Linear",
        constructor="mmer.fusion:Linear",
        role="late",
        sizes=FEEDFORWARD,
        most_units=1,
        paper=PaperColumn(1, 0, MappingProxyType({"T": 68.12, "F": 65.44, "P": 64.24, "S": 63.86, "W": 64.48})),
    ),
    FusionModel(
        key="transformer",
        title="Transformer Encoder",
        constructor="mmer.fusion:TransformerEncoder",
        role="late",
        sizes=FEEDFORWARD + ATTENTION,
        rate=TRANSFORMER_RATE,
        most_units=1,
        paper=PaperColumn(1, 1, MappingProxyType({"T": 67.29, "F": 62.85, "P": 62.79, "S": 63.26, "W": 62.38})),
    ),
    FusionModel(
        key="late",
        title="late fusion",
        constructor="mmer.fusion:LateFusion",
        role="late",
        sizes=FEEDFORWARD,
        paper=PaperColumn(
            2,
            1,
            MappingProxyType({"F": 74.88, "FP": 75.15, "FS": 75.80, "FW": 75.22, "FPS": 74.67, "FPW": 75.52, "FSW": 75.59, "FPSW": 74.60}),
        ),
    ),
    FusionModel(
        key="coattention",
        title="coattention",
        constructor="mmer.fusion:Coattention",
        role="early",
        sizes=ATTENTION,
        rate=TRANSFORMER_RATE,
        fewest_units=2,
        needs_text=True,
        paper=PaperColumn(
            2,
            0,
            MappingProxyType({"F": 74.28, "FP": 74.57, "FS": 74.05, "FW": 74.27, "FPS": 73.35, "FPW": 73.96, "FSW": 73.53, "FPSW": 73.64}),
        ),
    ),
    FusionModel(
        key="concatenation",
        title="concatenation",
        constructor="mmer.fusion:Concatenation",
        role="early",
        sizes=FEEDFORWARD,
        paper=PaperColumn(3, 0, MappingProxyType({"FP": 71.29})),
    ),
)
