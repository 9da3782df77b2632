"""Signed ranks of pairs against slow definitions: every way in which the pairs could have come out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.core.statistics.ranks import compare_ranks
from driftgate.core.statistics.signed_ranks import estimate_paired_ratio, paired_p_slower
from driftgate.core.statistics.stationarity import mid_ranks

PAIRS = st.lists(
    st.tuples(st.integers(1, 4).map(lambda n: 2.0**n), st.integers(1, 4).map(lambda n: 2.0**n)), min_size=1, max_size=8
)


def slow_p(baseline: Sequence[float], current: Sequence[float]) -> float:
    moved = [d for d in (np.log2(b) - np.log2(a) for a, b in zip(baseline, current, strict=True)) if d]
    ranks = mid_ranks([abs(d) for d in moved])
    seen = sum(rank for rank, d in zip(ranks, moved, strict=True) if d > 0)
    ways = [
        sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign)
        for signs in product([0, 1], repeat=len(moved))
    ]
    return sum(way >= seen for way in ways) / len(ways)


@given(PAIRS)
def test_the_test_counts_every_way_the_pairs_could_have_come_out_ties_included(
    pairs: list[tuple[float, float]],
) -> None:
    baseline, current = zip(*pairs, strict=True)
    assert paired_p_slower(baseline, current) == pytest.approx(slow_p(baseline, current))


def test_pairs_that_do_not_differ_say_nothing() -> None:
    assert paired_p_slower([1.0, 2.0], [1.0, 2.0]) == 1
    assert paired_p_slower([1.0, 1.0, 5.0], [2.0, 3.0, 5.0]) == 1 / 4


def test_pairs_see_through_an_hour_that_slows_both_sides() -> None:
    draw = np.random.default_rng(1)
    hours = np.exp(np.cumsum(draw.normal(0, 0.2, 14)))
    baseline, current = hours * np.exp(draw.normal(0, 0.01, 14)), 1.05 * hours * np.exp(draw.normal(0, 0.01, 14))
    assert paired_p_slower(list(baseline), list(current)) < 0.001
    assert compare_ranks(list(baseline), list(current)).p_slower > 0.1
    estimate = estimate_paired_ratio(list(baseline), list(current))
    assert estimate.interval is not None
    assert 1.03 < estimate.interval[0] < estimate.ratio < estimate.interval[1] < 1.07


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    draw, held = np.random.default_rng(2), 0
    for _ in range(600):
        baseline, current = np.exp(draw.standard_t(3, 9) * 0.05), 1.1 * np.exp(draw.standard_t(3, 9) * 0.05)
        low, high = estimate_paired_ratio(list(baseline), list(current)).interval or (0.0, 0.0)
        held += low <= 1.1 <= high
    assert held / 600 >= 0.94


def test_five_pairs_are_too_few_for_an_interval() -> None:
    assert estimate_paired_ratio([1.0] * 5, [1.1] * 5).interval is None
    assert estimate_paired_ratio([1.0] * 6, [1.1] * 6).interval == pytest.approx((1.1, 1.1))


@pytest.mark.parametrize(("baseline", "current"), [([], []), ([1.0], [1.0, 2.0])])
def test_sides_that_make_no_pairs_are_refused(baseline: list[float], current: list[float]) -> None:
    for compare in (paired_p_slower, estimate_paired_ratio):
        with pytest.raises(ValueError, match="make no pairs"):
            compare(baseline, current)


def test_times_are_above_zero() -> None:
    with pytest.raises(ValueError, match="above 0"):
        paired_p_slower([0.0], [1.0])
