"""The timing loop, driven by a clock that does not tick by itself."""

import gc
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    assert bench.runs == samples.warmup + len(samples.nanoseconds) + samples.discarded
    assert samples.warmup == len(samples.warmup_nanoseconds)
    return samples


MS = 1_000_000


def test_a_steady_model_stops_at_the_floors() -> None:
    samples = measured(repeat(MS), StoppingRule())
    assert (samples.warmup, samples.warmup_ended_by) == (50, "steady")  # 50 ms
    assert (len(samples.nanoseconds), samples.stopped_by, samples.discarded) == (100, "precision", 0)


def test_a_fast_model_is_measured_for_a_tenth_of_a_second() -> None:
    samples = measured(repeat(MS // 20), StoppingRule())
    assert sum(samples.warmup_nanoseconds) >= 50 * MS
    assert sum(samples.nanoseconds) >= 98 * MS  # the runs that were discarded are part of the tenth


def test_warming_up_goes_on_until_the_median_has_settled() -> None:
    slow_start = chain((MS * (100 - i) // 10 for i in range(90)), repeat(MS))
    samples = measured(slow_start, StoppingRule())
    assert samples.warmup > 90
    assert set(samples.nanoseconds) == {MS}


def test_noise_alone_does_not_keep_a_model_warming_up() -> None:
    numbers = random.Random(5)
    noisy = (int(MS * numbers.uniform(0.7, 1.3)) for _ in range(10**6))
    samples = measured(noisy, StoppingRule())
    assert samples.warmup <= 100
    assert samples.warmup_ended_by == "steady"


def test_a_model_that_never_settles_is_warmed_up_two_hundred_times_at_most() -> None:
    growing = (MS + i * MS // 5 for i in range(10**6))
    samples = measured(growing, StoppingRule(budget=1000))
    assert (samples.warmup, samples.warmup_ended_by) == (200, "ceiling")


def test_p99_is_waited_for_where_it_is_asked_for() -> None:
    def times() -> Iterator[int]:
        numbers = random.Random(7)
        while True:
            yield int(MS * (1 + numbers.expovariate(50)))

    assert len(measured(times(), StoppingRule(budget=1000)).nanoseconds) < 368
    both = measured(times(), StoppingRule(budget=1000, p99_precision=0.1))
    assert both.stopped_by == "precision"
    assert len(both.nanoseconds) >= 368


def test_samples_that_resemble_their_neighbours_are_taken_for_longer_than_independent_ones() -> None:
    def times(seed: int, stays: float) -> Iterator[int]:
        numbers, level = random.Random(seed), 0.0
        while True:
            level = stays * level + numbers.gauss(0, 0.05 * (1 - stays**2) ** 0.5)
            yield int(MS * (1 + level))

    def taken(stays: float) -> int:
        return sum(len(measured(times(seed, stays), StoppingRule(budget=1000)).nanoseconds) for seed in range(5))

    assert taken(0.9) > 2 * taken(0)


def test_the_run_after_each_look_at_the_samples_is_not_recorded() -> None:
    """Looking sorts them, which fills the processor's caches."""
    spread = (MS * (1 + i % 2) for i in range(10**6))
    samples = measured(spread, StoppingRule(budget=1000, precision=1e-6, most_samples=200))
    assert samples.stopped_by == "iterations"
    assert samples.discarded == 4  # at 100, 126, 158, 198; then the ceiling


def test_what_watches_the_machine_is_entered_after_the_warm_up_and_left_after_the_last_sample() -> None:
    bench, seen = Bench(repeat(MS)), []

    @contextmanager
    def steady() -> Iterator[None]:
        seen.append(bench.runs)
        yield
        seen.append(bench.runs)

    samples = collect(bench.run, StoppingRule(), bench.clock, steady())
    assert seen == [samples.warmup, samples.warmup + len(samples.nanoseconds)]


def test_a_noisy_model_is_measured_until_the_budget_is_used_up() -> None:
    noisy = (MS * (1 + 9 * (i % 2)) for i in range(10**6))
    samples = measured(noisy, StoppingRule(budget=2, precision=0.001))
    assert samples.stopped_by == "budget"
    assert sum(samples.nanoseconds) <= 2e9 + 10 * MS


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
