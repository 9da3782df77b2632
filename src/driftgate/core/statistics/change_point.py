"""When did it begin? The night from which on a series takes longer than before, by ranks, with a permutation p-value.

    U(t) = Σ over earlier nights i ≤ t and later nights j > t of sign(xⱼ − xᵢ), over √(t (n − t))

is largest where the later nights stand out most from the earlier ones: Pettitt's statistic (1979), with each place held to its own
spread, for otherwise a change of a few nights ago is put into the middle of the window. Ranks alone count, so that one wild
night moves nothing. How large it becomes by luck is found by shuffling the nights (seeded: the same window, the same answer).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from driftgate.core.statistics.stationarity import mid_ranks

Floats = NDArray[np.float64]

FEWEST = 8
"""Nights below which no order of them is unusual enough."""
ALPHA = 0.01
SHUFFLES = 1999
_BLOCK = 256


@dataclass(frozen=True)
class ChangePoint:
    """The series takes `ratio` times as long from night `at` on (index into what was given); `p` is how likely a window without any
    change looks like that."""

    at: int
    ratio: float
    p: float


def change_point(times: Sequence[float], *, alpha: float = ALPHA, seed: int = 0) -> ChangePoint | None:
    """Where the series became slower, oldest night first, NaN for a night without a launch; None if nowhere with p ≤ `alpha`.

    What a night did to all series alike (a busy machine) is to be taken away first: `without_offsets`.
    """
    values = np.asarray(times, dtype=np.float64)
    nights = np.flatnonzero(np.isfinite(values))
    if nights.size < FEWEST:
        return None
    known = values[nights]
    ranks = np.asarray(mid_ranks(known.tolist()))
    sums = _later_excess(ranks[None, :])[0]
    place = int(np.argmax(sums)) + 1
    p = _chance(ranks, float(sums[place - 1]), np.random.default_rng(seed))
    ratio = float(np.median(known[place:]) / np.median(known[:place]))
    return ChangePoint(int(nights[place]), ratio, p) if p <= alpha and ratio > 1 else None


def without_offsets(window: Floats) -> Floats:
    """A window of times (a row for each series, a column for each night) without what each night did to all of its series. A night in
    which nothing was timed stays NaN."""
    relative = window / _medians(window, 1)
    return np.asarray(window / _medians(relative, 0))


def _medians(values: Floats, axis: int) -> Floats:
    """Of each row or column, as such; NaN for one without a number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all-NaN slices
        return np.asarray(np.nanmedian(values, axis=axis, keepdims=True))


def _later_excess(ranks: Floats) -> Floats:
    """U of every place, row by row, halved: how far the ranks up to it fall short of their share."""
    n = ranks.shape[1]
    earlier = np.arange(1, n)
    short = -np.cumsum(ranks - (n + 1) / 2, axis=1)[:, :-1]
    return np.asarray(short / np.sqrt(earlier * (n - earlier)))


def _chance(ranks: Floats, observed: float, draw: np.random.Generator) -> float:
    as_large, left = 1, SHUFFLES
    while left:
        rows = min(_BLOCK, left)
        shuffled = draw.permuted(np.tile(ranks, (rows, 1)), axis=1)
        as_large += int((_later_excess(shuffled).max(axis=1) >= observed - 1e-9).sum())
        left -= rows
    return as_large / (SHUFFLES + 1)
