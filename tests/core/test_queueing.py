"""The queueing models against exact results, and against each other."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftgate.core.queueing import (
    Draws,
    GeneralQueue,
    MarkovQueue,
    estimates,
    largest_load,
    simulated_largest_load,
    sojourns,
)

QUANTILES = (0.5, 0.95, 0.99)
EXPONENTIAL = -np.log1p(-(np.arange(20_000) + 0.5) / 20_000)  # the quantiles of one with mean 1
CONSTANT = np.ones(30)


def simulated(service, rate, servers=1, **more):
    return estimates(sojourns(Draws.of(service, **more), rate, servers), QUANTILES)


# -- closed forms ------------------------------------------------------------------------------------------------


def test_one_exponential_server_has_the_sojourns_of_the_textbook():
    queue = MarkovQueue(rate=0.8, service_rate=1.0)
    assert queue.mean_sojourn == pytest.approx(5.0)
    assert queue.sojourn_quantile(0.99) == pytest.approx(math.log(100) / 0.2)


def test_erlangs_c_of_two_half_busy_servers_is_one_third():
    assert MarkovQueue(rate=1.0, service_rate=1.0, servers=2).wait_probability == pytest.approx(1 / 3)


def test_a_sojourn_with_as_much_surplus_as_service_rate_is_the_limit_of_its_neighbours():
    at, near = MarkovQueue(1.0, 1.0, 2), MarkovQueue(1.0 + 1e-6, 1.0, 2)
    assert at.sojourn_quantile(0.99) == pytest.approx(near.sojourn_quantile(0.99), rel=1e-4)


def test_beyond_capacity_there_is_no_answer():
    with pytest.raises(ValueError, match="more than 2 servers complete"):
        _ = MarkovQueue(2.0, 1.0, 2).mean_sojourn
    with pytest.raises(ValueError, match="more than a server completes"):
        GeneralQueue(1.1, CONSTANT).sojourn_quantile(0.5)


@pytest.mark.parametrize("busy", [0.05, 0.5, 0.8, 0.95])
def test_the_transform_gives_the_quantiles_of_an_exponential_server(busy):
    general, exact = GeneralQueue(busy, EXPONENTIAL), MarkovQueue(busy, 1.0)
    for q in QUANTILES:
        assert general.sojourn_quantile(q) == pytest.approx(exact.sojourn_quantile(q), rel=0.005)


def test_a_constant_server_waits_half_as_long_as_an_exponential_one():
    assert GeneralQueue(0.8, CONSTANT).mean_wait == pytest.approx(MarkovQueue(0.8, 1.0).mean_wait / 2)


def test_the_distribution_has_the_mean_of_pollaczek_and_khinchine():
    service = np.array([0.5, 0.5, 0.5, 4.0])
    queue = GeneralQueue(0.5, service)
    below, step = queue._distribution
    assert float((1 - below).sum() * step) == pytest.approx(queue.mean_sojourn, rel=1e-3)
    assert queue.mean_wait == pytest.approx(0.5 * np.mean(service**2) / 2 / (1 - 0.5 * service.mean()))


def test_quantiles_of_several_general_servers_are_not_made_up():
    queue = GeneralQueue(1.5, CONSTANT, servers=2)
    assert queue.sojourn_quantile(0.99) is None
    assert queue.mean_wait == pytest.approx(MarkovQueue(1.5, 1.0, 2).mean_wait / 2)


# -- simulation --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "servers"), [(0.3, 1), (0.8, 1), (2.4, 3)])
def test_the_simulation_agrees_with_exponential_servers(rate, servers):
    mean, *quantiles = simulated(EXPONENTIAL, rate, servers, requests=20_000 if servers > 1 else 100_000)
    exact = MarkovQueue(rate, 1.0, servers)
    assert mean.value == pytest.approx(exact.mean_sojourn, rel=0.03)
    for q, found in zip(QUANTILES, quantiles, strict=True):
        assert found.value == pytest.approx(exact.sojourn_quantile(q), rel=0.04)


def test_the_simulation_agrees_with_a_constant_server():
    mean, _, _, p99 = simulated(CONSTANT, 0.8)
    exact = GeneralQueue(0.8, CONSTANT)
    assert mean.low <= 3.0 <= mean.high
    assert exact.mean_sojourn == pytest.approx(3.0)
    assert p99.value == pytest.approx(exact.sojourn_quantile(0.99), rel=0.03)


def test_the_intervals_hold_the_truth_about_as_often_as_they_say():
    exact = MarkovQueue(0.6, 1.0)
    held = sum(
        p95.low <= exact.sojourn_quantile(0.95) <= p95.high
        for seed in range(60)
        for _, _, p95, _ in [simulated(EXPONENTIAL, 0.6, seed=seed, requests=4_000)]
    )
    assert held >= 51  # 57 expected of 60


def test_an_idle_server_makes_nobody_wait():
    times = sojourns(Draws.of([1.0, 2.0], requests=100), 1e-9)
    assert set(np.unique(times)) == {1.0, 2.0}


def test_the_same_seed_draws_the_same():
    first, second, other = (Draws.of([1.0, 2.0], seed=seed, requests=50) for seed in (1, 1, 2))
    assert np.array_equal(first.gaps, second.gaps)
    assert not np.array_equal(first.gaps, other.gaps)


@settings(max_examples=40)
@given(
    st.lists(st.floats(1e-4, 10), min_size=1, max_size=20),
    st.floats(0.01, 0.97),
    st.floats(1.0001, 3),
    st.integers(1, 3),
)
def test_more_load_never_shortens_p99(service, busy, more, servers):
    draws = Draws.of(service, requests=300)
    capacity = servers / float(np.mean(service))
    lower, higher = (sojourns(draws, rate, servers) for rate in (busy * capacity, busy * more * capacity))
    slack = 1e-9 * float(draws.service.sum(axis=1).max())
    assert np.all(higher >= lower - slack)
    assert np.quantile(higher, 0.99) >= np.quantile(lower, 0.99) - slack


# -- limits ------------------------------------------------------------------------------------------------------


def test_the_largest_load_of_an_exponential_server_is_the_closed_form():
    found = largest_load(lambda rate: MarkovQueue(rate, 1.0).sojourn_quantile(0.99), 20.0, 1.0)
    assert found == pytest.approx(1 - math.log(100) / 20, rel=1e-6)


@pytest.mark.parametrize("limit", [8.0, 20.0])
def test_the_simulated_largest_load_agrees_with_the_exact_one(limit):
    found = simulated_largest_load(Draws.of(EXPONENTIAL, requests=40_000), 0.99, limit, 1.0)
    exact = 1 - math.log(100) / limit
    assert found.value == pytest.approx(exact, rel=0.02)
    assert found.low < found.value < found.high


def test_a_limit_below_the_bare_service_time_is_met_at_no_load():
    assert simulated_largest_load(Draws.of(CONSTANT, requests=100), 0.99, 0.5, 1.0) is None
    assert largest_load(lambda rate: MarkovQueue(rate, 1.0).sojourn_quantile(0.99), 0.5, 1.0) is None


def test_a_limit_that_nothing_breaks_gives_the_capacity():
    assert largest_load(lambda rate: GeneralQueue(rate, CONSTANT).sojourn_quantile(0.99), 1e9, 1.0) == 0.999
