"""Many tests in one night: which of them still mean something."""

from __future__ import annotations

from collections.abc import Sequence


def q_values(p_values: Sequence[float], tests: int | None = None) -> tuple[float, ...]:
    """Benjamini and Hochberg's adjusted p-values (1995), in the order given.

    Rejecting where q ≤ α keeps the expected share of false ones among the rejected at α; where nothing is true, the chance of any
    rejection at all. `tests` is how many were made, if more than are given here (those left out are taken as p = 1).
    """
    count = max(len(p_values), tests or 0)
    adjusted = [1.0] * len(p_values)
    smallest = 1.0
    for rank, index in sorted(enumerate(sorted(range(len(p_values)), key=p_values.__getitem__), 1), reverse=True):
        smallest = min(smallest, p_values[index] * count / rank)
        adjusted[index] = smallest
    return tuple(adjusted)
