"""The timing loop, driven by a clock that does not tick by itself."""

import gc
from collections.abc import Callable, Iterator
from itertools import chain, repeat

import pytest

from driftgate.targets.timing import Samples, StoppingRule, collect


class Bench:
    """A clock, and a run that takes as long as the next duration says."""

    def __init__(self, durations: Iterator[int]) -> None:
        self.now, self.durations, self.runs = 0, durations, 0

    def clock(self) -> int:
        return self.now

    def run(self) -> None:
        self.runs += 1
        self.now += next(self.durations)


def measured(durations: Iterator[int], rule: StoppingRule, during: Callable[[], None] = lambda: None) -> Samples:
    bench = Bench(durations)

    def run() -> None:
        bench.run()
        during()

    samples = collect(run, rule, bench.clock)
    assert bench.runs == samples.warmup + len(samples.nanoseconds)
    return samples


MS = 1_000_000


def test_a_steady_model_stops_at_the_floors() -> None:
    samples = measured(repeat(MS), StoppingRule())
    assert (samples.warmup, len(samples.nanoseconds), samples.stopped_by) == (20, 30, "precision")


def test_warming_up_goes_on_until_the_median_has_settled() -> None:
    slow_start = chain((MS * (100 - i) // 10 for i in range(90)), repeat(MS))
    samples = measured(slow_start, StoppingRule())
    assert samples.warmup > 90
    assert set(samples.nanoseconds) == {MS}


def test_a_model_that_never_settles_is_warmed_up_two_hundred_times_at_most() -> None:
    growing = (MS + i * MS // 5 for i in range(10**6))
    assert measured(growing, StoppingRule(budget=1000)).warmup == 200


def test_a_noisy_model_is_measured_until_the_budget_is_used_up() -> None:
    noisy = (MS * (1 + 9 * (i % 2)) for i in range(10**6))
    samples = measured(noisy, StoppingRule(budget=2, precision=0.001))
    assert samples.stopped_by == "budget"
    assert sum(samples.nanoseconds) <= 2e9


def test_a_fast_and_noisy_model_stops_at_ten_thousand_samples() -> None:
    noisy = (1000 * (1 + 9 * (i % 2)) for i in range(10**6))
    samples = measured(noisy, StoppingRule(budget=1000, precision=1e-6))
    assert (len(samples.nanoseconds), samples.stopped_by) == (10_000, "iterations")


def test_a_model_slower_than_the_budget_is_still_measured_once() -> None:
    samples = measured(repeat(60_000 * MS), StoppingRule(budget=20))
    assert (samples.warmup, len(samples.nanoseconds), samples.stopped_by) == (1, 1, "budget")


def test_a_quarter_of_the_budget_is_the_most_that_warming_up_takes() -> None:
    samples = measured(repeat(1000 * MS), StoppingRule(budget=20))
    assert samples.warmup == 5
    assert len(samples.nanoseconds) == 15


def test_the_garbage_collector_is_held_off_and_comes_back() -> None:
    seen = set()
    measured(repeat(MS), StoppingRule(), during=lambda: seen.add(gc.isenabled()))
    assert seen == {False}
    assert gc.isenabled()


def test_the_collector_comes_back_when_the_model_raises() -> None:
    def broken() -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        collect(broken, StoppingRule())
    assert gc.isenabled()
