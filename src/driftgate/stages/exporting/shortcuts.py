"""All that takes a cost off explain and export without changing what comes out of it. Each is made once per process, lives in the forks.

A shortcut knows internals of torch or onnxscript, and refuses a release in which they look different. Such a release is then judged
without it, more slowly and with a line in the cell's log: nothing that comes out depends on a shortcut.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from driftgate.core.errors import MachineryError
from driftgate.stages.exporting.matching import keep_to_candidates
from driftgate.stages.exporting.operators import look_up_once
from driftgate.stages.exporting.registry import keep_registry


def take_shortcuts() -> None:
    """Those of an export. Idempotent."""
    for shortcut in (keep_registry, look_up_once, keep_to_candidates):
        take(shortcut)


def take(shortcut: Callable[[], None]) -> None:
    """One of them, where it fits."""
    try:
        shortcut()
    except (MachineryError, ImportError, AttributeError) as error:
        print(f"driftgate: goes on without a shortcut: {error}", file=sys.stderr)  # noqa: T201
