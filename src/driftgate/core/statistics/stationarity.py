"""Is a stream of samples one and the same thing from its first to its last? Four tests of its ranks, none assuming a distribution.

    trend         Spearman's correlation of the samples with time
    level shift   the largest sum of centred ranks up to any sample, against the Brownian bridge (Pettitt 1979)
    neighbours    the correlation of each rank with the next (Wald and Wolfowitz 1943; Bartels 1982)
    clusters      correlations up to ten runs apart, those nearer weighing more (Bartlett's weights)

A long stream makes any trifle significant, so that a flag needs two things: a p-value that luck does not explain, and an effect
that matters: the median moved by more than half the precision asked for, neighbours correlate by more than 0.2, or clusters leave
less than two thirds of the samples' worth (below that the intervals, which allow for autocorrelation, say all there is to say).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from driftgate.core.records import StreamTest
from driftgate.core.statistics.dependence import correlation

FEWEST = 50
"""Samples below which the tests would miss what matters more often than not."""
ALPHA = 0.005
"""Of each test, so that about 2 % of steady streams are flagged."""
MATERIAL_CORRELATION = 0.2
MATERIAL_CLUSTERS = 0.5
_REACH = 10


def stream_tests(samples: Sequence[float], precision: float = 0.02) -> tuple[StreamTest, ...]:
    """The four tests, on samples in the order taken; none where there are fewer than `FEWEST`.

    `precision` is how well p50 was to be known, relative to it.
    """
    if len(samples) < FEWEST:
        return ()
    ranks = mid_ranks(samples)
    return (
        _trend(samples, ranks, precision / 2),
        _shift(samples, ranks, precision / 2),
        _neighbours(ranks),
        _clusters(ranks),
    )


def is_stationary(tests: Sequence[StreamTest]) -> bool | None:
    """Whether no test is flagged; None where there was none."""
    return not any(test.flagged for test in tests) if tests else None


def mid_ranks(samples: Sequence[float]) -> list[float]:
    """The rank of each sample, from 1; equal ones share the mean of their ranks."""
    order = sorted(range(len(samples)), key=samples.__getitem__)
    ranks = [0.0] * len(samples)
    begin = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or samples[order[end]] != samples[order[begin]]:
            for position in range(begin, end):
                ranks[order[position]] = (begin + 1 + end) / 2
            begin = end
    return ranks


def _trend(samples: Sequence[float], ranks: Sequence[float], material: float) -> StreamTest:
    """The effect is by how much the median of the last third exceeds that of the first, relative to p50."""
    n = len(ranks)
    middle = (n + 1) / 2
    time_spread = n * (n * n - 1) / 12
    shared = sum((position - middle) * (rank - middle) for position, rank in enumerate(ranks, 1))
    spread = sum((rank - middle) ** 2 for rank in ranks)
    with_time = shared / math.sqrt(spread * time_spread) if spread else 0.0
    p = _both_tails(with_time * math.sqrt(n - 1))
    return _test("trend", p, _moved(samples, n // 3, n - n // 3), material)


def _shift(samples: Sequence[float], ranks: Sequence[float], material: float) -> StreamTest:
    """The effect is by how much the median after the most likely place exceeds the one before it, relative to p50."""
    n = len(ranks)
    middle = (n + 1) / 2
    total, largest, place = 0.0, 0.0, 1
    for position, rank in enumerate(ranks[:-1], 1):
        total += rank - middle
        if abs(total) > abs(largest):
            largest, place = total, position
    spread = math.sqrt(sum((rank - middle) ** 2 for rank in ranks))
    p = bridge_tail(abs(largest) / spread) if spread else 1.0
    return _test("level shift", p, _moved(samples, place, place), material, at=place)


def _neighbours(ranks: Sequence[float]) -> StreamTest:
    n, found = len(ranks), correlation(ranks, 1)
    return _test("neighbours", _both_tails((found + 1 / n) * math.sqrt(n)), found, MATERIAL_CORRELATION)


def _clusters(ranks: Sequence[float]) -> StreamTest:
    """The effect is the share by which clusters lengthen the autocorrelation time."""
    n, weights = len(ranks), [1 - lag / (_REACH + 1) for lag in range(1, _REACH + 1)]
    excess = sum(weight * (correlation(ranks, lag) + 1 / n) for lag, weight in enumerate(weights, 1))
    p = _upper_tail(excess * math.sqrt(n / sum(weight * weight for weight in weights)))
    return _test("clusters", p, 2 * excess, MATERIAL_CLUSTERS)


def _both_tails(z: float) -> float:
    return math.erfc(abs(z) / math.sqrt(2))


def _upper_tail(z: float) -> float:
    return math.erfc(z / math.sqrt(2)) / 2


def _test(name: str, p: float, effect: float, material: float, *, at: int | None = None) -> StreamTest:
    flagged = p < ALPHA and abs(effect) > material
    return StreamTest(name=name, p_value=p, effect=effect, at=at, flagged=flagged)


def _moved(samples: Sequence[float], before: int, after: int) -> float:
    """Median of `samples[after:]` less that of `samples[:before]`, relative to the median of all; 0 where that is 0."""
    level = median(samples)
    return (median(samples[after:]) - median(samples[:before])) / level if level else 0.0


def bridge_tail(x: float) -> float:
    """P(the largest |value| of a Brownian bridge > x): Kolmogorov's distribution."""
    if x < 0.2:  # the series has not converged there, and the answer is 1 to ten digits
        return 1.0
    return min(1.0, max(0.0, 2 * sum(math.copysign(math.exp(-2 * (k * x) ** 2), k % 2 - 0.5) for k in range(1, 20))))
