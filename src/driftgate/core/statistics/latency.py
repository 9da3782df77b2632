"""From raw samples to the latency of a record."""

from __future__ import annotations

from collections.abc import Sequence

from driftgate.core.records import Latency
from driftgate.core.statistics.intervals import quantile_interval
from driftgate.core.statistics.percentiles import percentile

PERCENTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}


def latency_of(samples_ns: Sequence[int], *, warmup: int, stopped_by: str) -> Latency:
    """Percentiles, their 95 % intervals, extremes and mean, in seconds. Raises ValueError for no samples."""
    ordered = sorted(nanoseconds * 1e-9 for nanoseconds in samples_ns)
    return Latency(
        **{name: percentile(ordered, q) for name, q in PERCENTILES.items()},
        min=ordered[0],
        max=ordered[-1],
        mean=sum(ordered) / len(ordered),
        ci95={name: quantile_interval(ordered, q) for name, q in PERCENTILES.items()},
        samples=len(ordered),
        warmup=warmup,
        stopped_by=stopped_by,
    )
