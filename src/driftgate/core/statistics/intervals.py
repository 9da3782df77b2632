"""Intervals for quantiles from order statistics: exact for any distribution, None where the samples are too few.

The number of samples below the true quantile is binomial; two order statistics enclose the quantile with the
probability that this number lies between their ranks (David and Nagaraja, Order Statistics, 7.1). That holds for independent
samples; where neighbours resemble each other, the ranks move apart by the square root of the autocorrelation time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

CONFIDENCE = 0.95
REPEATED = 0.975
"""What stands for 95 % where the stream was looked at more than once and stopped when it looked well: a second chance to be wrong.
With a clearly bimodal stream, 95 % would hold the truth in 91 of 100 only (docs/benchmarks.md)."""

_NEGLIGIBLE_SPREADS = 12
"""So many standard deviations below its mean a binomial has no weight that a float could tell from none."""


def quantile_interval(
    ordered: Sequence[float], q: float, confidence: float = CONFIDENCE, *, autocorrelation_time: float = 1.0
) -> tuple[float, float] | None:
    """An interval that holds the true `q` quantile with at least `confidence`, from sorted samples.

    None if there are too few of them: p50 needs 6, p90 36, p95 72, p99 368 (at 95 %, independent ones). `autocorrelation_time` is
    that of the samples in the order taken, see `dependence`.
    """
    ranks = quantile_ranks(len(ordered), q, confidence)
    if ranks is not None and autocorrelation_time > 1:
        ranks = _moved_apart(ranks, len(ordered), q, math.sqrt(autocorrelation_time))
    return None if ranks is None else (ordered[ranks[0] - 1], ordered[ranks[1] - 1])


def _moved_apart(ranks: tuple[int, int], samples: int, q: float, factor: float) -> tuple[int, int] | None:
    middle = samples * q + 0.5
    lower = math.floor(middle - (middle - ranks[0]) * factor)
    upper = math.ceil(middle + (ranks[1] - middle) * factor)
    return (lower, upper) if lower >= 1 and upper <= samples else None


def fewest_samples(q: float, confidence: float = CONFIDENCE) -> int:
    """How many independent samples an interval for the `q` quantile needs: as many as make one beyond it certain enough."""
    return math.ceil(math.log((1 - confidence) / 2) / math.log(max(q, 1 - q)))


@lru_cache(maxsize=4096)
def quantile_ranks(samples: int, q: float, confidence: float = CONFIDENCE) -> tuple[int, int] | None:
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
    start = max(0, int(samples * q - _NEGLIGIBLE_SPREADS * math.sqrt(samples * q * (1 - q))))
    below = 0.0
    for successes in range(start, samples):
        below += math.exp(_log_binomial(samples, successes, q))
        if below > tail:
            return successes
    return samples


def _log_binomial(n: int, k: int, p: float) -> float:
    chosen = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return chosen + k * math.log(p) + (n - k) * math.log1p(-p)
