"""The commands that the report shows: what they call its run, and those that need no Driftgate."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from driftgate.core.records import Cell
from driftgate.machine.store import RunStore

USUAL_FOLDER = "outputs"
"""Where `--run` looks for an id, unless told otherwise."""


def name_for_commands(store: RunStore) -> str:
    """The run's id, or its folder's path where `--run ID` would not find it."""
    return store.run_id if store.root.parent.name == USUAL_FOLDER else str(store.root)


@dataclass(frozen=True)
class ScriptLink:
    """A script that repeats a cell without Driftgate: `href` from the run's folder, and how to call it."""

    href: str
    command: str


def script_links(store: RunStore, cell: Cell) -> tuple[ScriptLink, ...]:
    """The scripts of a cell, one for each exporter that failed."""
    root = Path(USUAL_FOLDER, store.run_id) if store.root.parent.name == USUAL_FOLDER else store.root
    names = [script.relative_to(store.root) for script in store.repro_scripts(cell)]
    return tuple(ScriptLink(name.as_posix(), script_command(root / name)) for name in names)


def script_command(script: Path) -> str:
    """How a script is called in an environment that has its packages."""
    return shlex.join(["python", str(script)])
