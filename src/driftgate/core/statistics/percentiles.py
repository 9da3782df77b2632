"""Percentiles of samples, by linear interpolation between order statistics (numpy's default, Hyndman and Fan's type 7)."""

from __future__ import annotations

from collections.abc import Sequence


def percentile(ordered: Sequence[float], q: float) -> float:
    """The `q` quantile (0…1) of samples that are already sorted. Raises ValueError for no samples or a `q` outside 0…1."""
    if not ordered:
        raise ValueError("no samples, no percentile")
    if not 0 <= q <= 1:
        raise ValueError(f"a quantile lies between 0 and 1, not at {q}")
    position = q * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    low, high = ordered[below], ordered[above]
    return low + (high - low) * (position - below)
