"""Percentiles and their intervals."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.core.statistics import latency_of, percentile, quantile_interval, quantile_ranks


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50), st.floats(0, 1))
def test_a_percentile_is_what_numpy_says(samples: list[float], q: float) -> None:
    import numpy as np

    assert percentile(sorted(samples), q) == pytest.approx(float(np.quantile(samples, q)), rel=1e-9, abs=1e-6)


def test_no_samples_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 0.5)


@pytest.mark.parametrize(("q", "fewest"), [(0.50, 6), (0.90, 36), (0.95, 72), (0.99, 368)])
def test_an_interval_appears_when_the_samples_suffice_and_not_before(q: float, fewest: int) -> None:
    assert quantile_interval([float(i) for i in range(fewest - 1)], q) is None
    assert quantile_interval([float(i) for i in range(fewest)], q) is not None


@pytest.mark.parametrize("samples", [6, 30, 100, 367, 700])
@pytest.mark.parametrize("q", [0.5, 0.9])
def test_the_ranks_keep_each_tail_at_two_and_a_half_percent_and_no_wider(samples: int, q: float) -> None:
    def tail(successes: int) -> float:
        """P(Binomial(samples, q) < successes), by summing exact fractions' logarithms."""
        logs = (
            math.log(math.comb(samples, k)) + k * math.log(q) + (samples - k) * math.log(1 - q)
            for k in range(successes)
        )
        return math.fsum(math.exp(log) for log in logs)

    ranks = quantile_ranks(samples, q)
    if ranks is None:
        assert samples < 36
        return
    lower, upper = ranks
    assert tail(lower) <= 0.025 < tail(lower + 1)
    assert 1 - tail(upper) <= 0.025 + 1e-9
    assert 1 - tail(upper - 1) > 0.025


def test_intervals_cover_the_true_median_as_often_as_they_promise() -> None:
    numbers = random.Random(1)
    covered = 0
    for _ in range(1000):
        interval = quantile_interval(sorted(numbers.expovariate(1) for _ in range(40)), 0.5)
        assert interval is not None
        covered += interval[0] <= math.log(2) <= interval[1]
    assert covered >= 940


def test_a_latency_is_in_seconds_and_has_no_interval_for_p99_below_368_samples() -> None:
    latency = latency_of([1_000_000 * i for i in range(1, 101)], warmup=20, stopped_by="budget")
    assert latency.p50 == pytest.approx(0.0505)
    assert latency.min == pytest.approx(0.001)
    assert latency.max == pytest.approx(0.1)
    assert latency.ci95["p99"] is None
    assert latency.ci95["p50"] is not None
    assert (latency.samples, latency.warmup, latency.stopped_by) == (100, 20, "budget")
