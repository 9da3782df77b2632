"""How much of a stream of samples is news: its autocorrelation time, in samples.

Samples that resemble their neighbours carry less information than independent ones: n of them know a quantile as well as n/τ would.
τ is estimated for each quantile from the only thing its estimate depends on, whether each sample lies below it (Geyer's initial
monotone sequence, 1992). A row of bits is one Python integer, so that a lag costs one shift and one population count.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul


def autocorrelation_time(samples: Sequence[float], threshold: float) -> float:
    """τ of the row of "is at most `threshold`" (or "is below", where the first holds for all), at least 1: 1 for independent
    samples, and for equal ones."""
    row = _Row([sample <= threshold for sample in samples])
    if not row.varies:
        row = _Row([sample < threshold for sample in samples])
    if not row.varies:
        return 1.0
    total, smallest = -1.0, float("inf")
    for lag in range(0, max(2, row.length // 4), 2):
        pair = row.correlation(lag) + row.correlation(lag + 1)
        if pair <= 0:
            break
        smallest = min(smallest, pair)
        total += 2 * smallest
    return max(1.0, total)


class _Row:
    """Zeros and ones, the first sample in the highest bit."""

    def __init__(self, row: Sequence[bool]) -> None:
        self.length = len(row)
        self._bits = int("".join("1" if bit else "0" for bit in row) or "0", 2)
        self._ones = self._bits.bit_count()
        self._mean = self._ones / max(1, self.length)

    @property
    def varies(self) -> bool:
        return 0 < self._ones < self.length

    def correlation(self, lag: int) -> float:
        """The sample autocorrelation at this lag (the biased estimate, whose sums stay finite)."""
        rest, mean = self.length - lag, self._mean
        both = (self._bits & (self._bits >> lag)).bit_count()
        first, last = (self._bits >> lag).bit_count(), (self._bits & ((1 << rest) - 1)).bit_count()
        covariance = both - mean * (first + last) + rest * mean * mean
        return covariance / (self.length * mean * (1 - mean))


def correlation(ranks: Sequence[float], lag: int) -> float:
    """The sample autocorrelation at a lag; 0 where nothing varies."""
    mean = sum(ranks) / len(ranks)
    around = [rank - mean for rank in ranks]
    spread = sum(map(mul, around, around))
    return sum(map(mul, around, around[lag:])) / spread if spread else 0.0
