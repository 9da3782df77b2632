"""The latency picture of a model: one row for each cell that took times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from driftgate.core.latency_words import disturbances
from driftgate.core.records import Conditions, InferPayload, Latency, StageRecord
from driftgate.steps.report.svg import BLUE, GREY, ORANGE, WIDTH, box, picture


@dataclass(frozen=True)
class LatencyRow:
    """One target: its column, batch and percentiles, and what is to be known beside them."""

    column: str
    batch: int | None
    latency: Latency
    remarks: tuple[str, ...] = ()


def latency_rows(records: Sequence[StageRecord]) -> tuple[LatencyRow, ...]:
    """The cells that took times, in the order given."""
    return tuple(
        LatencyRow(record.cell.name, payload.batch, payload.latency, _remarks(payload.latency, payload.conditions))
        for record in records
        if isinstance(payload := record.payload, InferPayload) and payload.latency is not None
    )


def _remarks(latency: Latency, conditions: Conditions | None) -> tuple[str, ...]:
    """In few words; the section of the cell has the rest."""
    moved = () if latency.stationary is not False else ("not stationary",)
    return (*moved, *(disturbances(conditions) if conditions else ()))


def scale_end(rows: Sequence[LatencyRow]) -> float:
    """Seconds at the right edge: the largest p99. The scale is linear and starts at 0."""
    return max(row.latency.p99 for row in rows) or 1e-9


def latency_svg(rows: Sequence[LatencyRow]) -> str:
    """Per row: a line from min to p99, a bar from p50 to p95, and the 95 % interval of p50 in orange."""
    end = scale_end(rows)
    return picture([_shapes(row.latency, end) for row in rows])


def _shapes(latency: Latency, end: float) -> str:
    def at(seconds: float) -> float:
        return round(min(seconds / end, 1.0) * WIDTH, 1)

    low, high = latency.ci95.get("p50") or (latency.p50, latency.p50)
    middle = max(at(high) - at(low), 6)
    return (
        box(at(latency.min), at(latency.p99) - at(latency.min), 11, 2, GREY)
        + box(at(latency.p50), at(latency.p95) - at(latency.p50), 7, 10, BLUE)
        + box((at(low) + at(high) - middle) / 2, middle, 4, 16, ORANGE)
    )
