"""Reading `gate.yaml`, with file, line and key for every mistake."""

from __future__ import annotations

from pathlib import Path

from driftgate.core.gate_settings import GateSettings
from driftgate.machine.settings.load import load_yaml, read_text, validate
from driftgate.machine.store import RunStore

NAME = "gate.yaml"
"""The copy that a run carries: what it is judged by."""


def load_gate_settings(path: Path) -> GateSettings:
    """The settings of the file. Raises UsageError."""
    return validate(GateSettings, load_yaml(read_text(path), name=str(path)))


def gate_settings_in(store: RunStore) -> GateSettings:
    """Those that were put into the run when it began; the defaults if there were none."""
    return load_gate_settings(store.root / NAME) if store.has(NAME) else GateSettings()
