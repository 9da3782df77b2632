"""Intervals for quantiles from order statistics: exact for any distribution, None where the samples are too few.

The number of samples below the true quantile is binomial; two order statistics enclose the quantile with the
probability that this number lies between their ranks (David and Nagaraja, Order Statistics, 7.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache


def quantile_interval(ordered: Sequence[float], q: float, confidence: float = 0.95) -> tuple[float, float] | None:
    """An interval that holds the true `q` quantile with at least `confidence`, from sorted samples.

    None if there are too few of them: p50 needs 6, p90 36, p95 72, p99 368 (at 95 %).
    """
    ranks = quantile_ranks(len(ordered), q, confidence)
    return None if ranks is None else (ordered[ranks[0] - 1], ordered[ranks[1] - 1])


@lru_cache(maxsize=4096)
def quantile_ranks(samples: int, q: float, confidence: float = 0.95) -> tuple[int, int] | None:
    """The ranks (from 1) of the two order statistics that enclose the `q` quantile, each tail at most half of what
    `confidence` leaves; None if one of them would lie outside the samples."""
    if not 0 < q < 1:
        raise ValueError(f"an interval needs a quantile strictly between 0 and 1, not {q}")
    tail = (1 - confidence) / 2
    lower = _most_below(samples, q, tail)
    upper = samples + 1 - _most_below(samples, 1 - q, tail)
    return (lower, upper) if lower >= 1 and upper <= samples else None


def _most_below(samples: int, q: float, tail: float) -> int:
    """The largest rank r with P(Binomial(samples, q) < r) ≤ tail; 0 if there is none."""
    below = 0.0
    for successes in range(samples):
        below += math.exp(_log_binomial(samples, successes, q))
        if below > tail:
            return successes
    return samples


def _log_binomial(n: int, k: int, p: float) -> float:
    chosen = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return chosen + k * math.log(p) + (n - k) * math.log1p(-p)
