"""The command that repeats a cell, ready to paste."""

from __future__ import annotations

import shlex

from driftgate.core.records import Cell


def repeat_command(run_id: str, cell: Cell) -> str:
    """`driftgate STAGE --run RUN --model SLUG [--target T]`, quoted for a shell."""
    words = ["driftgate", cell.stage, "--run", run_id, "--model", cell.model]
    if cell.target:
        words += ["--target", cell.target]
    return shlex.join(words)
