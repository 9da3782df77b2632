"""Units in the last place: how many representable numbers of their own dtype lie between two floats, and percentiles of that.

Distances are counted in one pass and a fixed amount of memory: exactly up to 4,095, beyond that by their 12 leading bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftgate.core.records import Ulps

Array = NDArray[Any]

_STEPS = 1 << 11
"""Cells per power of two: what the 11 bits after the leading one can be."""


def ulp_distances(left: Array, right: Array) -> Array:
    """Unsigned distances of two finite arrays of one floating dtype (any IEEE-like one of 1, 2, 4 or 8 bytes). +0 and −0 are equal."""
    first, second = _ordered(left), _ordered(right)
    unsigned = f"u{left.dtype.itemsize}"
    # the difference of two signed integers of a width fits an unsigned one, modulo that width
    difference: Array = np.maximum(first, second).view(unsigned) - np.minimum(first, second).view(unsigned)
    return difference


class UlpHistogram:
    """Distances by size, filled chunk by chunk."""

    def __init__(self) -> None:
        self._counts = np.zeros(0, np.int64)
        self._max = 0

    def add(self, left: Array, right: Array) -> None:
        """Count the elements of two finite arrays of one floating dtype."""
        distances = ulp_distances(left, right)
        largest = int(distances.max(initial=0))
        self._max = max(self._max, largest)
        keys = distances if largest < 2 * _STEPS else _keys(distances)
        counted = np.bincount(keys.astype(np.intp), minlength=len(self._counts))
        counted[: len(self._counts)] += self._counts
        self._counts = counted

    def ulps(self) -> Ulps | None:
        """Nearest-rank percentiles and the exact maximum; None without any element."""
        total = int(self._counts.sum())
        if not total:
            return None
        reached = np.cumsum(self._counts)

        def percentile(percent: int) -> int:
            rank = -(-total * percent // 100)
            return _value(int(np.searchsorted(reached, rank)))

        return Ulps(p50=percentile(50), p99=percentile(99), max=self._max)


def _ordered(array: Array) -> Array:
    """Integers in the order of the floats: sign and magnitude become two's complement."""
    bits = array.view(f"i{array.dtype.itemsize}")
    return np.where(bits < 0, np.iinfo(bits.dtype).min - bits, bits)


def _keys(distances: Array) -> Array:
    """The cell of each distance: itself below 4,096, then its exponent and the 11 bits below the leading one."""
    wide = distances.astype(np.uint64)
    # what float64 cannot hold would be rounded up into the next cell
    exact = np.where(wide >> np.uint64(53), wide & ~np.uint64(0x7FF), wide)
    leading = (exact.astype(np.float64).view(np.int64) >> 41) - ((1023 + 11) << 11) + _STEPS
    return np.where(wide < _STEPS, wide.astype(np.int64), leading)


def _value(key: int) -> int:
    """The smallest distance of a cell."""
    if key < 2 * _STEPS:
        return key
    exponent, rest = divmod(key - _STEPS, _STEPS)
    return (_STEPS + rest) << exponent
