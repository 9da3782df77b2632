"""Comparing two sets of launches by ranks: an exact test, an effect size, and an interval for the ratio of their times.

No assumption about the distribution but that, were there no difference, any order of the launches would be as likely as any other
(Wilcoxon 1945; Mann and Whitney 1947; Hodges and Lehmann 1963). The p-value is exact, ties included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

MOST_EXACT = 120
"""Launches in all up to which the distribution of the rank sum is counted out; beyond, its normal limit is indistinguishable."""

_NORMAL = NormalDist()


@dataclass(frozen=True)
class RankComparison:
    """`p_slower`: how likely ranks at least this high are for `current`, were both sets the same; `p_faster` the other way.

    `superiority` is the share of pairs in which `current` takes longer, ties half: 0.5 means no difference, 1 that every launch of
    it took longer than every one of the baseline.
    """

    p_slower: float
    p_faster: float
    superiority: float


@dataclass(frozen=True)
class RatioEstimate:
    """`ratio` of typical times, current ÷ baseline (Hodges and Lehmann's, on logarithms), and its interval: None where the launches
    are too few for the confidence asked."""

    ratio: float
    interval: tuple[float, float] | None


def compare_ranks(baseline: Sequence[float], current: Sequence[float]) -> RankComparison:
    """Mann and Whitney's test of `current` against `baseline`. Raises ValueError for an empty set."""
    if min(len(baseline), len(current)) == 0:
        raise ValueError("a rank test needs launches on both sides")
    doubled = _doubled_ranks((*baseline, *current))
    observed = int(doubled[len(baseline) :].sum())
    lowest = len(current) * (len(current) + 1)
    pairs = len(baseline) * len(current)
    below, above = _tails(tuple(sorted(doubled.tolist())), len(current), observed)
    return RankComparison(p_slower=above, p_faster=below, superiority=(observed - lowest) / (2 * pairs))


def estimate_ratio(baseline: Sequence[float], current: Sequence[float], confidence: float = 0.95) -> RatioEstimate:
    """The ratio of times, from all pairs of launches. Raises ValueError for an empty set, or a time that is not positive."""
    if min(len(baseline), len(current)) == 0:
        raise ValueError("a ratio needs launches on both sides")
    if min(*baseline, *current) <= 0:
        raise ValueError("a ratio needs times above 0")
    logs = np.sort(np.subtract.outer(np.log(current), np.log(baseline)).reshape(-1))
    outside = _pairs_outside(len(baseline), len(current), (1 - confidence) / 2)
    interval = None if outside is None else (math.exp(logs[outside]), math.exp(logs[logs.size - 1 - outside]))
    return RatioEstimate(math.exp(float(np.median(logs))), interval)


def _doubled_ranks(values: Sequence[float]) -> NDArray[np.int64]:
    """Twice the mid-rank of each value: integers, ties or not."""
    array = np.asarray(values, dtype=np.float64)
    ordered = np.sort(array)
    first, last = np.searchsorted(ordered, array, "left"), np.searchsorted(ordered, array, "right")
    return np.asarray(first + 1 + last, dtype=np.int64)


def _tails(doubled: tuple[int, ...], chosen: int, observed: int) -> tuple[float, float]:
    """The chances of a sum of ranks at most, and at least, as high as the one observed."""
    if len(doubled) > MOST_EXACT:
        return _normal_tails(doubled, chosen, observed)
    ways = _ways(doubled, chosen)
    total = float(ways.sum())
    return float(ways[: observed + 1].sum()) / total, float(ways[observed:].sum()) / total


@lru_cache(maxsize=256)
def _ways(doubled: tuple[int, ...], chosen: int) -> NDArray[np.float64]:
    """In how many ways `chosen` of the ranks add up to each sum (index)."""
    ways = np.zeros((chosen + 1, sum(doubled[len(doubled) - chosen :]) + 1))
    ways[0, 0] = 1.0
    for rank in doubled:
        ways[1:, rank:] += ways[:-1, : ways.shape[1] - rank]
    return np.asarray(ways[chosen])


def _normal_tails(doubled: tuple[int, ...], chosen: int, observed: int) -> tuple[float, float]:
    ranks = np.asarray(doubled, dtype=np.float64)
    n = ranks.size
    mean = chosen * ranks.mean()
    spread = math.sqrt(chosen * (n - chosen) / (n - 1) * ranks.var())
    if spread == 0:
        return 1.0, 1.0
    return _NORMAL.cdf((observed + 1 - mean) / spread), _NORMAL.cdf((mean - observed + 1) / spread)


@lru_cache(maxsize=256)
def _pairs_outside(baseline: int, current: int, tail: float) -> int | None:
    """How many pairwise differences may be left out at each end of an interval; None if none of them is enough."""
    doubled = tuple(range(2, 2 * (baseline + current) + 1, 2))
    if len(doubled) > MOST_EXACT:
        pairs, spread = baseline * current, math.sqrt(baseline * current * (baseline + current + 1) / 12)
        return max(0, math.floor(pairs / 2 + _NORMAL.inv_cdf(tail) * spread - 0.5))
    ways = _ways(doubled, current)[::2][current * (current + 1) // 2 :]
    below = np.cumsum(ways) / ways.sum()
    count = int(np.searchsorted(below, tail, "right"))
    return count - 1 if count else None
