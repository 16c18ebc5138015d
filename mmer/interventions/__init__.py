"""Test an explanation: change a clip or its words, ask the models again, and see what differs (docs/interventions.md)."""

from mmer.interventions.curves import Curve, LeaveOneOut
from mmer.interventions.differences import Difference, Intervention
from mmer.interventions.edits import (
    ChangeLoudness,
    ChangePitch,
    ChangeTempo,
    CorrectWords,
    Edit,
    Isolate,
    Mute,
    Remove,
    SwapVoice,
    SwapWords,
    Target,
    edit_from_json,
    edit_to_json,
    parse_target,
)
from mmer.interventions.intervene import intervene, intervention_to_json
from mmer.interventions.leave_one_out import leave_one_out, leave_one_out_to_json
from mmer.interventions.ranks import Agreement, describe_agreement, rank_agreements

__all__ = [
    "Agreement",
    "ChangeLoudness",
    "ChangePitch",
    "ChangeTempo",
    "CorrectWords",
    "Curve",
    "Difference",
    "Edit",
    "Intervention",
    "Isolate",
    "LeaveOneOut",
    "Mute",
    "Remove",
    "SwapVoice",
    "SwapWords",
    "Target",
    "describe_agreement",
    "edit_from_json",
    "edit_to_json",
    "intervene",
    "intervention_to_json",
    "leave_one_out",
    "leave_one_out_to_json",
    "parse_target",
    "rank_agreements",
]
