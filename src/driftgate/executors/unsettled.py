"""Which records a resumed run computes once more."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from driftgate.core.records import Cell, StageRecord
from driftgate.core.verdicts import KIND_FACTS, FailureKind


def unsettled(records: Mapping[Cell, StageRecord], upstream: Callable[[Cell], tuple[Cell, ...]]) -> frozenset[Cell]:
    """The cells whose record tells of the machinery alone (network, disk, not run …), and those skipped because of them.

    Such a record says nothing about the model, and what failed then may not fail now.
    """

    def is_open(cell: Cell) -> bool:
        record = records.get(cell)
        if record is None or record.failure is None:
            return False
        if record.failure.kind is FailureKind.UPSTREAM:
            return any(map(is_open, upstream(cell)))
        return KIND_FACTS[record.failure.kind].machinery

    return frozenset(filter(is_open, records))
