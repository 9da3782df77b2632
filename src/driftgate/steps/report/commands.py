"""What a command that the report shows calls its run."""

from __future__ import annotations

from driftgate.machine.store import RunStore

USUAL_FOLDER = "outputs"
"""Where `--run` looks for an id, unless told otherwise."""


def name_for_commands(store: RunStore) -> str:
    """The run's id, or its folder's path where `--run ID` would not find it."""
    return store.run_id if store.root.parent.name == USUAL_FOLDER else str(store.root)
