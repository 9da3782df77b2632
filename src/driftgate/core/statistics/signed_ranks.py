"""Comparing two things launched pair by pair: an exact test of the pairs' differences by signed ranks, and an interval for the ratio.

Each pair ran within the same minute, so that a slow hour of the machine is in both of it and drops out of their difference. The
assumption is the one that drawing the order by lot makes true: were there no difference, each pair could as well have come out the other
way round (Wilcoxon 1945). The p-value is exact, ties included; pairs without a difference say nothing. The ratio is that of the Walsh
averages (Hodges and Lehmann 1963).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from driftgate.core.statistics.ranks import RatioEstimate
from driftgate.core.statistics.stationarity import mid_ranks

Floats = NDArray[np.float64]


def paired_p_slower(baseline: Sequence[float], current: Sequence[float]) -> float:
    """How likely differences are that lie at least this far to the side of `current`, were both the same. Raises ValueError for sides
    of different length, and for none."""
    differences = _log_ratios(baseline, current)
    differences = differences[differences != 0]
    doubled = np.rint(2 * np.asarray(mid_ranks(np.abs(differences).tolist()))).astype(int)
    ways = _ways(tuple(sorted(doubled.tolist())))
    return float(ways[int(doubled[differences > 0].sum()) :].sum() / ways.sum())


def estimate_paired_ratio(
    baseline: Sequence[float], current: Sequence[float], confidence: float = 0.95
) -> RatioEstimate:
    """The ratio of times, current ÷ baseline, from the pairs. Raises ValueError as `paired_p_slower` does."""
    differences = _log_ratios(baseline, current)
    first, second = np.triu_indices(differences.size)
    walsh = np.sort((differences[first] + differences[second]) / 2)
    outside = _averages_outside(differences.size, (1 - confidence) / 2)
    interval = None if outside is None else (math.exp(walsh[outside]), math.exp(walsh[walsh.size - 1 - outside]))
    return RatioEstimate(math.exp(float(np.median(walsh))), interval)


def _log_ratios(baseline: Sequence[float], current: Sequence[float]) -> Floats:
    if len(baseline) != len(current) or not baseline:
        raise ValueError(f"{len(baseline)} launches and {len(current)} make no pairs")
    if min(*baseline, *current) <= 0:
        raise ValueError("a ratio needs times above 0")
    ratios = np.log(np.asarray(current, dtype=np.float64)) - np.log(np.asarray(baseline, dtype=np.float64))
    return np.asarray(np.round(ratios, 12))  # what ties stays a tie after the logarithm


@lru_cache(maxsize=256)
def _ways(doubled: tuple[int, ...]) -> Floats:
    """In how many ways some of the ranks add up to each sum (index)."""
    ways = np.zeros(sum(doubled) + 1)
    ways[0] = 1.0
    for rank in doubled:
        ways[rank:] += ways[: ways.size - rank].copy()
    return ways


@lru_cache(maxsize=256)
def _averages_outside(pairs: int, tail: float) -> int | None:
    """How many Walsh averages may be left out at each end of an interval; None if none of them is enough."""
    ways = _ways(tuple(range(1, pairs + 1)))
    count = int(np.searchsorted(np.cumsum(ways) / ways.sum(), tail, "right"))
    return count - 1 if count else None
