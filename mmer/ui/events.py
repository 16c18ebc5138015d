"""How the tabs' events are wired alike, and how much one call may ask of the models where strangers wait."""

from __future__ import annotations

import math
from typing import Any

HIDDEN: dict[str, Any] = {"api_visibility": "undocumented"}  # callable, but not part of the described API
QUIET: dict[str, Any] = {"show_progress": "hidden", **HIDDEN}
POLL: dict[str, Any] = {"queue": False, **QUIET}  # looks don't wait behind analyses
MODEL_QUEUE: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1}  # visitors wait for each other and see their place
IMPORT_QUEUE: dict[str, Any] = {"concurrency_id": "import", "concurrency_limit": 1}  # a large file takes memory while it is read
# is_public -> seconds of sound that one leave-one-out may encode: 40 words of a 25 s clip, twice
MOST_SECONDS = {False: math.inf, True: 2000.0}
