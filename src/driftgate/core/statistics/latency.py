"""From raw samples to the latency of a record."""

from __future__ import annotations

import math
from collections.abc import Sequence

from driftgate.core.records import Latency
from driftgate.core.statistics.dependence import autocorrelation_time
from driftgate.core.statistics.intervals import fewest_samples, quantile_interval
from driftgate.core.statistics.percentiles import percentile
from driftgate.core.statistics.samples import Samples
from driftgate.core.statistics.stationarity import is_stationary, stream_tests
from driftgate.core.text import plural

PERCENTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}


def latency_of(samples_ns: Sequence[int], *, warmup: int, stopped_by: str) -> Latency:
    """The latency of times that somebody else's loop took (a browser's, a server's), in the order taken."""
    return latency_of_samples(Samples(tuple(samples_ns), warmup, stopped_by))


def latency_of_samples(samples: Samples) -> Latency:
    """Everything that a record says of one stream, in seconds; the same again from the samples that were kept of it.

    Raises ValueError for no samples.
    """
    taken = [nanoseconds * 1e-9 for nanoseconds in samples.nanoseconds]
    ordered = sorted(taken)
    points = {name: percentile(ordered, q) for name, q in PERCENTILES.items()}
    times = {name: autocorrelation_time(taken, point) for name, point in points.items()}
    intervals = {
        name: quantile_interval(ordered, q, samples.confidence(name), autocorrelation_time=times[name])
        for name, q in PERCENTILES.items()
    }
    tests = stream_tests(taken, samples.precision)
    return Latency(
        **points,
        min=ordered[0],
        max=ordered[-1],
        mean=math.fsum(ordered) / len(ordered),
        ci95=intervals,
        samples=len(ordered),
        warmup=samples.warmup,
        stopped_by=samples.stopped_by,
        ci95_notes={name: _why_none(samples, name, times[name]) for name in intervals if intervals[name] is None},
        tail_ratio=points["p99"] / points["p50"] if points["p50"] else None,
        effective_samples=max(1, int(len(taken) / times["p50"])),
        stationary=is_stationary(tests),
        stream_tests=tests,
        warmup_ended_by=samples.warmup_ended_by or None,
        discarded=samples.discarded,
    )


def _why_none(samples: Samples, name: str, autocorrelation: float) -> str:
    count, fewest = len(samples.nanoseconds), fewest_samples(PERCENTILES[name], samples.confidence(name))
    if count < fewest:
        return f"{plural(count, 'sample')}; an interval needs {fewest}"
    return f"{count} samples that resemble their neighbours are worth {int(count / autocorrelation)}; an interval needs {fewest}"
