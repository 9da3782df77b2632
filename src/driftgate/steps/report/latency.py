"""The latency picture of a model: one SVG file whose rows the page shows one by one (`FILE.svg#r0`), beside the numbers.

Drawn with presentation attributes alone, because a strict content policy blocks styles; without words, because words in a
picture can be neither resized nor read aloud. The colours keep 3:1 on white and on the dark page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from driftgate.core.records import InferPayload, Latency, StageRecord

WIDTH, HEIGHT = 1000, 24
_RANGE, _BODY, _MEDIAN, _GRID = "#828a96", "#3f7fd6", "#d9730d", "#828a96"


@dataclass(frozen=True)
class LatencyRow:
    """One target: its column, batch and percentiles."""

    column: str
    batch: int | None
    latency: Latency


def latency_rows(records: Sequence[StageRecord]) -> tuple[LatencyRow, ...]:
    """The cells that took times, in the order given."""
    return tuple(
        LatencyRow(record.cell.name, payload.batch, payload.latency)
        for record in records
        if isinstance(payload := record.payload, InferPayload) and payload.latency is not None
    )


def scale_end(rows: Sequence[LatencyRow]) -> float:
    """Seconds at the right edge: the largest p99. The scale is linear and starts at 0."""
    return max(row.latency.p99 for row in rows) or 1e-9


def latency_svg(rows: Sequence[LatencyRow]) -> str:
    """Per row: a line from min to p99, a bar from p50 to p95, and the 95 % interval of p50 in orange."""
    end = scale_end(rows)
    height = HEIGHT * len(rows)
    body = "\n".join(_row(index, row.latency, end) for index, row in enumerate(rows))
    head = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return f'<svg {head} preserveAspectRatio="none">\n{body}\n</svg>\n'


def _row(index: int, latency: Latency, end: float) -> str:
    top = index * HEIGHT

    def at(seconds: float) -> float:
        return round(min(seconds / end, 1.0) * WIDTH, 1)

    low, high = latency.ci95.get("p50") or (latency.p50, latency.p50)
    grid = "".join(_box(x, 2, top, HEIGHT, _GRID, 0.25) for x in range(0, WIDTH + 1, WIDTH // 4))
    middle = max(at(high) - at(low), 6)
    return (
        f'<view id="r{index}" viewBox="0 {top} {WIDTH} {HEIGHT}" preserveAspectRatio="none"/>{grid}'
        + _box(at(latency.min), at(latency.p99) - at(latency.min), top + 11, 2, _RANGE)
        + _box(at(latency.p50), at(latency.p95) - at(latency.p50), top + 7, 10, _BODY)
        + _box((at(low) + at(high) - middle) / 2, middle, top + 4, 16, _MEDIAN)
    )


def _box(x: float, width: float, y: float, height: float, fill: str, opacity: float = 1) -> str:
    left = min(max(x, 0), WIDTH - width)
    return (
        f'<rect x="{left:.1f}" y="{y}" width="{width:.1f}" height="{height}" fill="{fill}" fill-opacity="{opacity}"/>'
    )
