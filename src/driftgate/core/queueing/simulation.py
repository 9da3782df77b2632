"""The queue, request by request: Poisson arrivals, first come first served, service times drawn again from measured ones.

Several replications with draws of their own give every figure an interval. The same draws at another load (common random numbers: only
the gaps between arrivals shrink) make every percentile grow with the load, request by request, so that a search by
bisection finds the one load where a limit breaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

REPLICATIONS = 20
T_95 = 2.093
"""Student's t, two-sided 95 %, for 19 degrees of freedom: one less than the replications."""
REQUESTS = 100_000
REQUESTS_FOR_MANY = 20_000
"""Per replication; fewer where there are several servers, because those are followed one request at a time."""
WARMUP = 0.2
"""The share of requests, from the empty start on, that is left out."""
SPANS = 50
"""How many times the queue's memory a replication must reach for its quantiles to be nearly without bias."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval over the replications."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Draws:
    """What chance decides: gaps between arrivals at one request per second, and service times; one row per replication."""

    gaps: Floats
    service: Floats

    @classmethod
    def of(cls, measured: Sequence[float] | Floats, *, seed: int = 0, requests: int = REQUESTS) -> Draws:
        """Draw service times from measured ones, with replacement: what order they came in is not kept."""
        random = np.random.default_rng(seed)
        shape = (REPLICATIONS, requests)
        return cls(random.exponential(1.0, shape), random.choice(np.asarray(measured, dtype=np.float64), shape))


def is_long_enough(utilisation: float, variation: float, requests: int) -> bool:
    """Whether a replication of so many requests spans the queue's memory often enough for intervals over replications to hold.

    A queue remembers (1 + cv²) / (1 − ρ)² requests in heavy traffic (Whitt 1989, Planning queueing simulations).
    """
    return (1 - WARMUP) * requests * (1 - utilisation) ** 2 >= SPANS * (1 + variation)


def sojourns(draws: Draws, rate: float | Floats, servers: int = 1) -> Floats:
    """Seconds from arrival to answer of every request after the warm-up, one row per replication.

    `rate` in requests per second, one for all or one per replication.
    """
    gaps = draws.gaps / np.reshape(np.asarray(rate, dtype=np.float64), (-1, 1))
    waits = _waits_for_one(gaps, draws.service) if servers == 1 else _waits_for_any(gaps, draws.service, servers)
    return np.asarray((waits + draws.service)[:, int(WARMUP * gaps.shape[1]) :])


def _waits_for_one(gaps: Floats, service: Floats) -> Floats:
    """Lindley's recursion wait' = max(0, wait + service − gap), as a running sum less its smallest value so far."""
    change = np.zeros_like(gaps)
    change[:, 1:] = service[:, :-1] - gaps[:, 1:]
    total = np.cumsum(change, axis=1)
    return np.asarray(total - np.minimum.accumulate(total, axis=1))


def _waits_for_any(gaps: Floats, service: Floats, servers: int) -> Floats:
    """Kiefer and Wolfowitz: the work left at each server when a request comes; the least loaded one takes it."""
    waits = np.empty_like(gaps)
    left = np.zeros((gaps.shape[0], servers))
    rows = np.arange(gaps.shape[0])
    for request in range(gaps.shape[1]):
        left = np.maximum(left - gaps[:, request, None], 0.0)
        least = left.argmin(axis=1)
        waits[:, request] = left[rows, least]
        left[rows, least] += service[:, request]
    return waits


def estimates(times: Floats, quantiles: Sequence[float]) -> tuple[Estimate, ...]:
    """The mean, then each quantile, of sojourns with one row per replication.

    A quantile is that of all rows together: in a queue long waits come in clusters, which makes the quantiles of single rows too
    small. Its interval has the width that the rows' own quantiles suggest.
    """
    rows = np.quantile(times, quantiles, axis=1)
    together = np.quantile(times, quantiles)
    of_quantiles = (_around(float(value), row) for value, row in zip(together, rows, strict=True))
    return (estimate(times.mean(axis=1)), *of_quantiles)


def estimate(per_replication: Floats) -> Estimate:
    """Mean and 95 % interval (Student's t) of one figure per replication."""
    return _around(float(per_replication.mean()), per_replication)


def _around(value: float, per_replication: Floats) -> Estimate:
    half = T_95 * float(per_replication.std(ddof=1)) / len(per_replication) ** 0.5
    return Estimate(value, max(value - half, 0.0), value + half)
