"""What the Errors tab remembers of one visitor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmer.error_table.table import UtteranceTable


@dataclass(eq=False)
class ErrorsSession:
    """What one visitor looks at; lives in gr.State."""

    table: UtteranceTable | None = None
    sources: tuple[str, ...] = ()  # the keys of the experiments that the table is of; () for a visitor's own table
    notes: Path | None = None  # the file of the notes of what is shown; None: the browser keeps them
    opened: dict[str, Any] | None = None  # what the Explore tab says of the clip that was opened last
    opened_as: str = ""  # which analysis that is
