"""How many runs a search among versions takes, and how often it is right, when runs are flaky. Simulated: the search itself, and runs that
say the wrong thing with a chance of 0, 5 or 20 %, either way."""

from __future__ import annotations

import random

from benchmarks.harness import Figure
from driftgate.core.bisection import Bisection, Kind, Outcome, expected_runs, promised_runs

TITLE = "Bisect"
COUNTS = (5, 8, 33, 200)
SEARCHES = 1000


def measure() -> list[Figure]:
    """The most versions run without flakes, the mean number of runs with them, and the share of right answers."""
    return [figure for count in COUNTS for figure in _of(count)]


def _of(count: int) -> list[Figure]:
    steady = [_searched(count, first, 0.0, random.Random(0)) for first in range(1, count)]
    found = f"{count} versions"
    tested, runs = max(one.tested for one in steady), max(one.runs for one in steady)
    figures = [
        Figure(f"{found}, no flaky run: versions run to name it, at most", tested, "runs", promised_runs(count)),
        Figure(f"{found}, no flaky run: with the re-runs, at most", runs, "runs", promised_runs(count) + 4),
    ]
    for flaky in (0.05, 0.2):
        draw = random.Random(1)
        firsts = [draw.randrange(1, count) for _ in range(SEARCHES)]
        ended = [_searched(count, first, flaky, draw) for first in firsts]
        right = sum(one.kind is Kind.FOUND and one.first_bad == first for one, first in zip(ended, firsts, strict=True))
        mean = sum(one.runs for one in ended) / SEARCHES
        about = f"{found}, {flaky:.0%} flaky"
        figures += [
            Figure(f"{about}: runs on average", mean, "runs", expected_runs(count, flaky)),
            Figure(f"{about}: right", right / SEARCHES, "of searches", 0.95, most=False),
        ]
    return figures


def _searched(count: int, first_bad: int, flaky: float, draw: random.Random) -> Outcome:
    search = Bisection(count)
    while (index := search.next()) is not None:
        search.saw(index, bad=(index >= first_bad) ^ (draw.random() < flaky))
    return search.outcome()
