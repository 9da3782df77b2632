"""The one timing loop: warm up until times are steady, then sample until p50 (and p99, where asked) is known well enough.

    warm-up    at least 20 runs and 50 ms, until the medians of two halves of the last 20 agree within the precision or their own
               noise; at most 200 runs (or 50 ms, if that takes more of them), or a quarter of the budget
    samples    at least 100 and 100 ms, until the 95 % interval of p50 is within ±precision (and that of p99 within ±p99_precision),
               or the budget is used up, or 10,000 are taken

A budget that doesn't allow the floors wins over them: there is always one sample. Whether to stop is asked only each time the samples
have grown by a quarter, and from the second time on of an interval that is a little wider: stopping at the first lucky moment would
leave intervals that hold the truth too seldom (docs/benchmarks.md has the coverage with the rule at work). Sorting fills the
processor's caches, so that the run after it is not recorded. The garbage collector is held off, so that no
sample pays for the allocations of others.
"""

from __future__ import annotations

import gc
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from statistics import median

from driftgate.core.statistics import Samples, autocorrelation_time, percentile, quantile_interval
from driftgate.core.statistics.intervals import CONFIDENCE, REPEATED

__all__ = ["Clock", "Run", "Samples", "StoppingRule", "collect", "take", "warm_up"]

Clock = Callable[[], int]
"""Nanoseconds, monotonic."""
Run = Callable[[], object]
"""One inference; returns when its work is done (devices synchronised). What it returns is dropped at once."""

GROWTH = 1.25
WINDOW = 20
_MAD_TO_SIGMA = 1.4826
_SPREAD_OF_HALVES = 0.56
"""Standard deviation of the difference between the medians of two times ten samples, in those of one."""


@dataclass(frozen=True)
class StoppingRule:
    """When enough was measured. `budget` in seconds, warm-up included; `precision` relative to p50, `p99_precision` to p99 (None: p99
    is as well known as it happens to be). `least_*_s` are floors in seconds: a processor takes a moment to raise its clock."""

    budget: float = 20.0
    precision: float = 0.02
    fewest_warmups: int = 20
    most_warmups: int = 200
    fewest_samples: int = 100
    most_samples: int = 10_000
    p99_precision: float | None = None
    least_warmup_s: float = 0.05
    least_sampling_s: float = 0.1


def collect(
    run: Run,
    rule: StoppingRule,
    clock: Clock = time.perf_counter_ns,
    steady: AbstractContextManager[object] | None = None,
) -> Samples:
    """Call `run` until the rule is met. `steady` is entered before the first sample and left after the last one."""
    with _no_collection():
        deadline = clock() + int(rule.budget * 1e9)
        warmups, ended_by = warm_up(run, rule, clock)
        with steady or nullcontext():
            taken, stopped_by, discarded = _sample(run, rule, clock, deadline)
    return Samples(
        nanoseconds=tuple(taken),
        warmup=len(warmups),
        stopped_by=stopped_by,
        precision=rule.precision,
        p99_precision=rule.p99_precision,
        warmup_nanoseconds=tuple(warmups),
        warmup_ended_by=ended_by,
        discarded=discarded,
    )


def warm_up(run: Run, rule: StoppingRule, clock: Clock = time.perf_counter_ns) -> tuple[array[int], str]:
    """Run until times are steady: the times, and whether `steady`, `ceiling` or `budget` ended it."""
    began = clock()
    deadline, floor = began + int(rule.budget * 1e9 / 4), began + int(rule.least_warmup_s * 1e9)
    times: array[int] = array("q")
    wanted = rule.fewest_warmups
    while take(run, wanted - len(times), clock, deadline, times):
        if clock() >= floor:
            if _settled(times[-WINDOW:], rule.precision):
                return times, "steady"
            if len(times) >= rule.most_warmups:
                return times, "ceiling"
        wanted = len(times) + WINDOW // 2
    return times, "budget"


def take(run: Run, count: int, clock: Clock, deadline: int, into: array[int]) -> bool:
    """Append the times of `count` runs. False if the deadline came first; at least one run is made. Nothing but the clock stands
    between two runs."""
    append = into.append
    for _ in range(count):
        began = clock()
        run()
        ended = clock()
        append(ended - began)
        if ended >= deadline:
            return False
    return True


def _sample(run: Run, rule: StoppingRule, clock: Clock, deadline: int) -> tuple[array[int], str, int]:
    """The samples, what ended them, and how many runs were discarded."""
    taken: array[int] = array("q")
    floor = clock() + int(rule.least_sampling_s * 1e9)
    wanted, discarded = rule.fewest_samples, 0
    while take(run, min(wanted, rule.most_samples) - len(taken), clock, deadline, taken):
        may_stop = clock() >= floor
        if may_stop and _known(taken, rule, REPEATED if discarded else CONFIDENCE):
            return taken, "precision", discarded
        if len(taken) >= rule.most_samples:
            return taken, "iterations", discarded
        wanted = int(len(taken) * GROWTH) + 1
        if may_stop:
            run()
            discarded += 1
    return taken, "budget", discarded


def _settled(recent: array[int], precision: float) -> bool:
    """Whether two halves have the same median, within the precision or within what their own spread allows."""
    half = len(recent) // 2
    earlier, later = recent[:half], recent[half:]
    levels = median(earlier), median(later)
    spread = median([*(abs(x - levels[0]) for x in earlier), *(abs(x - levels[1]) for x in later)]) * _MAD_TO_SIGMA
    return abs(levels[1] - levels[0]) <= max(precision * levels[1], _SPREAD_OF_HALVES * spread)


def _known(taken: array[int], rule: StoppingRule, confidence: float) -> bool:
    wanted = [(0.5, rule.precision)] + ([(0.99, rule.p99_precision)] if rule.p99_precision else [])
    ordered = sorted(taken)
    return all(_within(taken, ordered, q, precision, confidence) for q, precision in wanted)


def _within(taken: array[int], ordered: list[int], q: float, precision: float, confidence: float) -> bool:
    point = percentile(ordered, q)
    interval = quantile_interval(ordered, q, confidence, autocorrelation_time=autocorrelation_time(taken, point))
    return interval is not None and max(interval[1] - point, point - interval[0]) <= precision * point


@contextmanager
def _no_collection() -> Iterator[None]:
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
