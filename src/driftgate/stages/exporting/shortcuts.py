"""All that takes a cost off an export without changing what comes out of it. Each is made once per process, and lives in the forks."""

from __future__ import annotations

from driftgate.stages.exporting.matching import keep_to_candidates
from driftgate.stages.exporting.operators import look_up_once
from driftgate.stages.exporting.registry import keep_registry


def take_shortcuts() -> None:
    """Idempotent. Raises MachineryError where torch or onnxscript is not what a shortcut was written for."""
    keep_registry()
    look_up_once()
    keep_to_candidates()
