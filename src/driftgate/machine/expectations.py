"""Reading `expectations.yaml`, with file, line and key for every mistake."""

from __future__ import annotations

from pathlib import Path

from driftgate.core.expectations import Expectations
from driftgate.machine.settings.load import load_rows, read_text
from driftgate.machine.store import RunStore

NAME = "expectations.yaml"
"""The copy that a run carries: what it is judged by."""


def expectations_in(store: RunStore) -> Expectations:
    """The rows that were put into the run when it began; none if there were none."""
    return load_expectations(store.root / NAME) if store.has(NAME) else Expectations()


def load_expectations(path: Path) -> Expectations:
    """The rows of the file. Raises UsageError."""
    return expectations_from(read_text(path), name=str(path))


def expectations_from(text: str, name: str) -> Expectations:
    """The rows of a text, a list or a mapping with the key `expectations`. Raises UsageError; `name` is where the text is from."""
    return load_rows(Expectations, "expectations", text, name)[1]
