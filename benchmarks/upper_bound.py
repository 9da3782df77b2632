"""How high a share may be, after so many cases were counted."""

from __future__ import annotations

import math


def upper_bound(count: int, of: int, confidence: float = 0.95) -> float:
    """The one-sided upper bound of Clopper and Pearson."""
    low, high = count / of, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        at_most = sum(math.exp(_log_binomial(of, k, middle)) for k in range(count + 1))
        low, high = (middle, high) if at_most > 1 - confidence else (low, middle)
    return high


def _log_binomial(n: int, k: int, p: float) -> float:
    chosen = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return chosen + k * math.log(p) + (n - k) * math.log1p(-p)
