"""Comparing two things that were measured in turn, so that what the machine did meanwhile did it to both.

Each round is a block of the one and a block of the other; the order is swapped from round to round (AB BA AB …), so that a steady
drift pushes one round's ratio up and the next one's down, and their median stays put. The unit is the round: samples inside a block
resemble each other far more than blocks do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from driftgate.core.statistics.intervals import quantile_interval


@dataclass(frozen=True)
class PairedRatio:
    """`ratio` of typical times, second ÷ first, and its interval: None below 6 rounds (at 95 %)."""

    ratio: float
    interval: tuple[float, float] | None
    rounds: int


def paired_ratio(
    first: Sequence[Sequence[float]], second: Sequence[Sequence[float]], confidence: float = 0.95
) -> PairedRatio:
    """The median over rounds of the ratio of the blocks' medians, with its order-statistic interval.

    Raises ValueError for no rounds, for unequal numbers of them, and for a block that is empty or not above 0.
    """
    if len(first) != len(second) or not first:
        raise ValueError(f"{len(first)} blocks of the one and {len(second)} of the other make no rounds")
    ratios = sorted(_ratio(one, other) for one, other in zip(first, second, strict=True))
    interval = quantile_interval(ratios, 0.5, confidence)
    return PairedRatio(math.exp(median(map(math.log, ratios))), interval, len(ratios))


def _ratio(one: Sequence[float], other: Sequence[float]) -> float:
    if not one or not other or min(*one, *other) <= 0:
        raise ValueError("a block needs times above 0")
    return median(other) / median(one)
