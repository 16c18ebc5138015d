"""The JSON schema (draft 2020-12) of everything that mmer writes as JSON; its text is export_schema.json beside this file.

What can be one of several is filled in from the rows of `mmer.choices`.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from mmer.choices.fusion_models import COMBINATION, FUSION_MODELS
from mmer.choices.units import UNITS, aligned_by_name, speech_units
from mmer.errors import DataError
from mmer.exports.formats import EXPORTS

KINDS = ("analysis", "intervention", "leave-one-out", "comparison", "transcript", "alignment", "batch", "export")


def read_schema(kind: str = "analysis") -> dict[str, Any]:
    """The schema of format "mmer-<kind>". Raises DataError for a kind that there is none of."""
    if kind not in KINDS:
        raise DataError(f"There is no format {kind!r}; choose one of: {', '.join(KINDS)}.")
    schema = json.loads(files(__package__).joinpath("export_schema.json").read_text(encoding="utf-8"))
    choices = {"fusion": [*FUSION_MODELS, COMBINATION], "unit": list(UNITS), "speech_unit": list(speech_units())}
    choices |= {"tier": list(aligned_by_name()), "target_tier": [unit.one for unit in aligned_by_name().values()]}
    choices["export"] = list(EXPORTS)
    for part, keys in choices.items():
        schema["$defs"][part]["enum"] = keys
    name = f"mmer-{kind}"
    version = schema["$defs"][name]["properties"]["version"]["const"]
    return {**schema, "$id": f"urn:{name}:{version}", "title": f"{name}, version {version}", "$ref": f"#/$defs/{name}"}
