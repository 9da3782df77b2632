"""Percentiles and their intervals."""

import math
import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.core.statistics import (
    autocorrelation_time,
    fewest_samples,
    is_stationary,
    latency_of,
    paired_ratio,
    percentile,
    quantile_interval,
    quantile_ranks,
    stream_tests,
)
from driftgate.core.statistics.stationarity import bridge_tail


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


def shuffled(samples: Iterable[int], seed: int = 1) -> list[int]:
    found = list(samples)
    random.Random(seed).shuffle(found)
    return found


def test_a_latency_is_in_seconds_and_has_no_interval_for_p99_below_368_samples() -> None:
    latency = latency_of(shuffled(1_000_000 * i for i in range(1, 101)), warmup=20, stopped_by="budget")
    assert latency.p50 == pytest.approx(0.0505)
    assert latency.min == pytest.approx(0.001)
    assert latency.max == pytest.approx(0.1)
    assert latency.ci95["p99"] is None
    assert latency.ci95_notes == {"p99": "100 samples; an interval needs 368"}
    assert latency.ci95["p50"] is not None
    assert latency.tail_ratio == pytest.approx(latency.p99 / latency.p50)
    assert (latency.samples, latency.warmup, latency.stopped_by) == (100, 20, "budget")


def test_samples_that_resemble_their_neighbours_widen_the_interval_and_may_not_suffice_for_p99() -> None:
    quiet, bursts = [1_000 + i % 7 for i in range(380)], [5_000] * 20
    apart = latency_of(shuffled(quiet + bursts), warmup=0, stopped_by="budget")
    together = latency_of(shuffled(quiet) + bursts, warmup=0, stopped_by="budget")
    assert apart.ci95["p99"] is not None
    assert together.ci95["p99"] is None
    assert together.ci95_notes["p99"].startswith("400 samples that resemble their neighbours are worth ")


@pytest.mark.parametrize("q", [0.5, 0.9, 0.95, 0.99, 0.01])
def test_the_fewest_samples_for_an_interval_are_the_fewest(q: float) -> None:
    fewest = fewest_samples(q)
    assert quantile_ranks(fewest, q) is not None
    assert quantile_ranks(fewest - 1, q) is None


def slow_autocorrelation_time(below: list[int]) -> float:
    """The definition: Geyer's initial monotone sequence over sample autocorrelations."""
    n, mean = len(below), sum(below) / len(below)
    spread = sum((x - mean) ** 2 for x in below)
    rho = [sum((below[i] - mean) * (below[i + k] - mean) for i in range(n - k)) / spread for k in range(n // 4 + 2)]
    total, smallest = -1.0, math.inf
    for lag in range(0, max(2, n // 4), 2):
        pair = rho[lag] + rho[lag + 1]
        if pair <= 0:
            break
        smallest = min(smallest, pair)
        total += 2 * smallest
    return max(1.0, total)


@given(st.lists(st.integers(0, 1), min_size=8, max_size=60).filter(lambda row: 0 < sum(row) < len(row)))
def test_the_autocorrelation_time_of_a_row_of_bits_is_that_of_the_definition(row: list[int]) -> None:
    above = [1 - bit for bit in row]
    assert autocorrelation_time(above, 0.5) == pytest.approx(slow_autocorrelation_time(row))


def test_independent_samples_are_worth_what_they_are_and_constant_ones_too() -> None:
    numbers = random.Random(4)
    assert autocorrelation_time([numbers.random() for _ in range(5000)], 0.5) < 1.2
    assert autocorrelation_time([7.0] * 100, 7.0) == 1.0


def test_an_autoregressive_stream_is_worth_as_little_as_theory_says() -> None:
    """For correlations φ^k of gaussians, those of "above the median" are 2/π·asin(φ^k)."""
    numbers, level, stream = random.Random(8), 0.0, []
    for _ in range(20_000):
        level = 0.8 * level + numbers.gauss(0, 1)
        stream.append(level)
    theory = 1 + 2 * sum(2 / math.pi * math.asin(0.8**k) for k in range(1, 100))
    assert autocorrelation_time(stream, 0.0) == pytest.approx(theory, rel=0.15)


def kinds_flagged(stream: list[float]) -> set[str]:
    return {test.name for test in stream_tests(stream) if test.flagged}


def noise(seed: int, count: int = 300, spread: float = 0.02) -> list[float]:
    numbers = random.Random(seed)
    return [1 + numbers.gauss(0, spread) for _ in range(count)]


def test_a_steady_stream_is_stationary() -> None:
    assert kinds_flagged(noise(1)) == set()
    assert is_stationary(stream_tests(noise(1))) is True


def test_a_drift_a_shift_and_neighbours_are_each_called_by_their_name() -> None:
    drift = [x * (1 + 0.06 * i / 300) for i, x in enumerate(noise(2))]
    shift = [x * (1.05 if i >= 120 else 1) for i, x in enumerate(noise(3))]
    pairs = [x for x in noise(4) for _ in (0, 1)]
    assert kinds_flagged(drift) >= {"trend", "level shift"}
    assert kinds_flagged(pairs) == {"neighbours", "clusters"}
    (found,) = (test for test in stream_tests(shift) if test.name == "level shift")
    assert found.flagged
    assert found.at == pytest.approx(120, abs=5)
    assert found.effect == pytest.approx(0.05, abs=0.01)


def test_a_movement_smaller_than_what_was_asked_for_is_not_worth_a_flag() -> None:
    drift = [x * (1 + 0.004 * i / 5000) for i, x in enumerate(noise(5, 5000, 0.005))]
    (trend, *_) = stream_tests(drift, precision=0.02)
    assert trend.p_value < 1e-6
    assert not trend.flagged
    (trend, *_) = stream_tests(drift, precision=0.001)
    assert trend.flagged


def test_too_few_samples_are_neither_stationary_nor_not() -> None:
    assert stream_tests([1.0] * 49) == ()
    assert is_stationary(()) is None
    assert is_stationary(stream_tests([1.0] * 50)) is True


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0]), min_size=50, max_size=80))
def test_streams_of_a_coarse_clock_and_of_zeros_are_judged_without_fault(stream: list[float]) -> None:
    for test in stream_tests(stream):
        assert 0 <= test.p_value <= 1
        assert math.isfinite(test.effect)


def test_the_bridge_has_the_critical_values_of_kolmogorov() -> None:
    assert bridge_tail(1.358) == pytest.approx(0.05, abs=2e-4)
    assert bridge_tail(1.628) == pytest.approx(0.01, abs=1e-4)


def in_turn(ratio: float, rounds: int, seed: int, drift: float) -> tuple[list[list[float]], list[list[float]]]:
    """Blocks of two arms, AB BA AB …, on a machine that becomes slower by `drift` a block."""
    numbers, level = random.Random(seed), 1.0
    arms: tuple[list[list[float]], list[list[float]]] = ([], [])
    for number in range(rounds):
        for arm in (0, 1) if number % 2 == 0 else (1, 0):
            level *= 1 + drift
            arms[arm].append([level * ratio**arm * math.exp(numbers.gauss(0, 0.03)) for _ in range(9)])
    return arms


@pytest.mark.parametrize("drift", [0.0, 0.01])
def test_the_ratio_of_a_pair_is_covered_while_the_machine_drifts(drift: float) -> None:
    covered = 0
    for seed in range(400):
        interval = paired_ratio(*in_turn(1.05, 20, seed, drift)).interval
        assert interval is not None
        covered += interval[0] <= 1.05 <= interval[1]
    assert covered >= 372  # 93 %


def test_five_rounds_make_no_interval_and_unequal_ones_no_ratio() -> None:
    assert paired_ratio(*in_turn(1.0, 5, 1, 0)).interval is None
    assert paired_ratio([[2, 2]], [[3, 3]]).ratio == pytest.approx(1.5)
    with pytest.raises(ValueError, match="make no rounds"):
        paired_ratio([[1]], [])
    with pytest.raises(ValueError, match="above 0"):
        paired_ratio([[1]], [[0]])
