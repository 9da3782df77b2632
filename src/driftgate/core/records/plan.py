"""The cells of a run: what is scheduled, written before anything runs (`plan.json`)."""

from __future__ import annotations

import re

from driftgate.core.records.base import SCHEMA_VERSION, Record

_NAME = re.compile(r"(?P<stage>[a-z_]+)(\.(?P<target>[a-z0-9-]+))?(@(?P<variant>[a-z0-9-]+))?")


class Cell(Record):
    """One square of the matrix: a model, a stage, and where it applies a target and a variant."""

    model: str
    stage: str
    target: str | None = None
    variant: str | None = None

    @property
    def name(self) -> str:
        """`STAGE[.TARGET][@VARIANT]`, the stem of the record's file and the column of the matrix."""
        target = f".{self.target}" if self.target else ""
        variant = f"@{self.variant}" if self.variant else ""
        return f"{self.stage}{target}{variant}"

    def __str__(self) -> str:
        return f"{self.model}/{self.name}"


def cell_named(model: str, name: str) -> Cell | None:
    """The cell that a record's file stem stands for, or None if it is no such name."""
    match = _NAME.fullmatch(name)
    return Cell(model=model, **match.groupdict()) if match else None


class Plan(Record):
    """`plan.json`: every scheduled cell, in the order of models and stages."""

    schema_version: int = SCHEMA_VERSION
    run_id: str
    fleet: str
    cells: tuple[Cell, ...]
