"""What an executor must know of a stage to run its cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from driftgate.core.records import Cell, CellResult, LockEntry
from driftgate.machine.settings import Settings

PartResult = tuple[str, CellResult, float]
"""A part's name (an exporter), how it ended, and the seconds it took."""


def _whole(settings: Settings) -> tuple[str | None, ...]:
    del settings
    return (None,)


def _nothing(settings: Settings) -> dict[str, Any]:
    del settings
    return {}


def _warmed(cell: Cell, entry: LockEntry) -> bool:
    del cell, entry
    return False


def _always(settings: Settings) -> bool:
    del settings
    return True


def _there(entry: LockEntry, models: Path) -> bool:
    del entry, models
    return True


def _only(results: list[PartResult]) -> CellResult:
    return results[0][1]


def _all(result: CellResult) -> CellResult:
    return result


def _failed(result: CellResult) -> bool:
    return result.failure is not None


@dataclass(frozen=True)
class CellStage:
    """One stage of the pipeline.

    `function` is "module:name" of a plain function from a Job to a payload, imported in the worker only. `fresh` tells which cells
    need an interpreter of their own. `parts` names the jobs that a cell is split into, tried in order for as long as `goes_on`
    says so of the last result, by default until one succeeds (all of them, with `every_part`); `join` makes one result of
    them. `part_functions` are those of parts that `function` does not do.

    For the cache: `reads` are the settings that the result depends on, `reuse` whether a kept result will do under these
    settings, `keeps` what of a result is kept, `there` whether what a kept result speaks of is still on disk.
    """

    name: str
    function: str
    fresh: Callable[[Cell, LockEntry], bool] = _warmed
    parts: Callable[[Settings], tuple[str | None, ...]] = _whole
    part_functions: Mapping[str, str] = field(default_factory=dict)
    every_part: Callable[[Settings], bool] = lambda settings: False
    goes_on: Callable[[CellResult], bool] = _failed
    join: Callable[[list[PartResult]], CellResult] = _only
    reads: Callable[[Settings], dict[str, Any]] = _nothing
    reuse: Callable[[Settings], bool] = _always
    keeps: Callable[[CellResult], CellResult] = _all
    there: Callable[[LockEntry, Path], bool] = _there

    def function_of(self, part: str | None) -> str:
        """Which function does a part."""
        return self.part_functions.get(part or "", self.function)
