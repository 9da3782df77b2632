"""The one timing loop: warm up until the median has settled, then sample until p50 is known well enough.

    warm-up    at least 20 runs, until the medians of two halves of the last 20 agree; at most 200 runs or a quarter of the budget
    samples    at least 30, until the 95 % interval of p50 is within ±precision, or the budget is used up, or 10,000 are taken

A budget that doesn't allow the floors wins over them: there is always one sample. The garbage collector is held off, so that
no sample pays for the allocations of others.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from driftgate.core.statistics import percentile, quantile_interval

Clock = Callable[[], int]
"""Nanoseconds, monotonic."""


@dataclass(frozen=True)
class StoppingRule:
    """When enough was measured. `budget` in seconds, warm-up included; `precision` relative to p50."""

    budget: float = 20.0
    precision: float = 0.02
    fewest_warmups: int = 20
    most_warmups: int = 200
    fewest_samples: int = 30
    most_samples: int = 10_000


@dataclass(frozen=True)
class Samples:
    """Raw times in nanoseconds, in the order taken; `stopped_by` is precision, budget or iterations."""

    nanoseconds: tuple[int, ...]
    warmup: int
    stopped_by: str


def collect(run: Callable[[], None], rule: StoppingRule, clock: Clock = time.perf_counter_ns) -> Samples:
    """Call `run` until the rule is met. `run` returns when its work is done (devices synchronised)."""
    deadline = clock() + int(rule.budget * 1e9)
    with _no_collection():
        warmup = _warm_up(run, rule, clock)
        taken: list[int] = []
        check_at = rule.fewest_samples
        while True:
            taken.append(_timed(run, clock))
            if len(taken) >= rule.most_samples:
                return Samples(tuple(taken), warmup, "iterations")
            if len(taken) >= check_at:
                if _precise(taken, rule.precision):
                    return Samples(tuple(taken), warmup, "precision")
                check_at = len(taken) + max(
                    1, len(taken) // 10
                )  # sorting after every sample would cost more than it saves
            if clock() >= deadline:
                return Samples(tuple(taken), warmup, "budget")


def _warm_up(run: Callable[[], None], rule: StoppingRule, clock: Clock) -> int:
    """Run without keeping times; returns how often."""
    deadline = clock() + int(rule.budget * 1e9 / 4)
    recent: list[int] = []
    count = 0
    while count < rule.most_warmups:
        recent = [*recent[-(rule.fewest_warmups - 1) :], _timed(run, clock)]
        count += 1
        if clock() >= deadline or (count >= rule.fewest_warmups and _settled(recent, rule.precision)):
            break
    return count


def _settled(recent: list[int], precision: float) -> bool:
    half = len(recent) // 2
    earlier, later = median(recent[:half]), median(recent[half:])
    return abs(later - earlier) <= precision * later


def _precise(taken: list[int], precision: float) -> bool:
    ordered = sorted(taken)
    interval, middle = quantile_interval(ordered, 0.5), percentile(ordered, 0.5)
    return interval is not None and max(interval[1] - middle, middle - interval[0]) <= precision * middle


def _timed(run: Callable[[], None], clock: Clock) -> int:
    began = clock()
    run()
    return clock() - began


@contextmanager
def _no_collection() -> Iterator[None]:
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
