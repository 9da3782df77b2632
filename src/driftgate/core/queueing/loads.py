"""At which load a percentile breaks a limit: by bisection, as every model's percentile grows with the load."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from driftgate.core.queueing.simulation import REPLICATIONS, Draws, Estimate, estimate, sojourns

CLOSEST = 0.999
"""The highest utilisation that is tried: from 1 on nothing is within any limit for long."""
ROUNDS = 14


def largest_load(percentile_at: Callable[[float], float], limit: float, capacity: float) -> float | None:
    """The highest rate up to `capacity` at which the percentile stays within `limit`; None if it never does."""
    low, high = 0.0, CLOSEST * capacity
    if percentile_at(capacity * 1e-6) > limit:
        return None
    if percentile_at(high) <= limit:
        return high
    for _ in range(2 * ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if percentile_at(middle) <= limit else (low, middle)
    return low


def simulated_largest_load(draws: Draws, q: float, limit: float, capacity: float, servers: int = 1) -> Estimate | None:
    """The same by simulation, with an interval: each replication is searched by itself, with its own draws at every load.

    None if the bare service times of most replications break the limit already.
    """
    bare = np.quantile(draws.service, q, axis=1)
    if np.median(bare) > limit:
        return None
    low, high = np.zeros(REPLICATIONS), np.full(REPLICATIONS, CLOSEST * capacity)
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        within = np.quantile(sojourns(draws, middle, servers), q, axis=1) <= limit
        low, high = np.where(within, middle, low), np.where(within, high, middle)
    return estimate((low + high) / 2)
