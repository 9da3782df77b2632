"""What later cells, and a resumed run, need to know of a cell that has its record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from driftgate.core.records import Cell, StageRecord
from driftgate.core.verdicts import KIND_FACTS, FailureKind
from driftgate.executors.shelf import Files

Upstream = Callable[[Cell], tuple[Cell, ...]]


@dataclass(frozen=True, slots=True)
class Done:
    """A few hundred bytes of a record: a fleet's records themselves would not fit into the parent."""

    passed: bool
    kind: FailureKind | None
    files: Files

    @classmethod
    def of(cls, record: StageRecord) -> Done:
        """What of the record matters to others."""
        kind = record.failure.kind if record.failure else None
        return cls(record.passed, kind, tuple((a.name, a.sha256) for a in record.artifacts))


def with_upstream(cells: Iterable[Cell], upstream: Upstream) -> tuple[Cell, ...]:
    """The cells and everything that they need."""
    found: dict[Cell, None] = {}
    todo = list(cells)
    while todo:
        cell = todo.pop()
        if cell not in found:
            found[cell] = None
            todo.extend(upstream(cell))
    return tuple(found)


def unsettled(done: Mapping[Cell, Done], upstream: Upstream) -> frozenset[Cell]:
    """The cells whose record tells of the machinery alone (network, disk, not run …), and those that were skipped though nothing
    they need has failed for good.

    Such a record says nothing about the model, and what failed then may not fail now.
    """

    def failed_for_good(cell: Cell) -> bool:
        known = done.get(cell)
        return known is not None and not known.passed and not is_open(cell)

    def is_open(cell: Cell) -> bool:
        known = done.get(cell)
        if known is None or known.kind is None:
            return False
        if known.kind is FailureKind.UPSTREAM:
            return not any(map(failed_for_good, upstream(cell)))
        return KIND_FACTS[known.kind].machinery

    return frozenset(filter(is_open, done))
