"""The statistics of the gate against slow definitions, and one night's judgement against launches that are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftgate.core.statistics.multiplicity import q_values
from driftgate.core.statistics.night import Procedure, judge_night
from driftgate.core.statistics.ranks import compare_ranks, estimate_ratio
from driftgate.core.statistics.screening import LEAST_NIGHTS, pooled, screen, suspects

TIMES = st.lists(st.integers(1, 6).map(float), min_size=1, max_size=5)


def slow_p(baseline: Sequence[float], current: Sequence[float]) -> tuple[float, float, float]:
    """Every way to deal the launches out: how many are at least, and at most, as far to the side of `current`."""
    everything = [*baseline, *current]

    def wins(chosen: Sequence[int]) -> float:
        ours, theirs = [everything[i] for i in chosen], [x for i, x in enumerate(everything) if i not in chosen]
        return sum((a > b) + 0.5 * (a == b) for a in ours for b in theirs)

    seen = wins(range(len(baseline), len(everything)))
    ways = [wins(chosen) for chosen in combinations(range(len(everything)), len(current))]
    above, below = (sum(test(way) for way in ways) / len(ways) for test in (lambda w: w >= seen, lambda w: w <= seen))
    return above, below, seen / (len(baseline) * len(current))


@given(TIMES, TIMES)
def test_the_rank_test_counts_every_order_of_the_launches_ties_included(
    baseline: list[float], current: list[float]
) -> None:
    found = compare_ranks(baseline, current)
    assert (found.p_slower, found.p_faster, found.superiority) == pytest.approx(slow_p(baseline, current))


def test_seven_against_seven_apart_is_one_in_3432() -> None:
    found = compare_ranks(range(1, 8), range(8, 15))
    assert found.p_slower == pytest.approx(1 / math.comb(14, 7))
    assert found.superiority == 1


def test_many_launches_have_nearly_the_p_of_the_normal_limit() -> None:
    draw = np.random.default_rng(1)
    baseline, current = draw.normal(1, 0.1, 60), draw.normal(1.03, 0.1, 60)
    exact, limit = compare_ranks(baseline, current), compare_ranks([*baseline, 1.0], current)
    assert exact.p_slower == pytest.approx(limit.p_slower, rel=0.15)


@pytest.mark.parametrize(("baseline", "current"), [([], [1.0]), ([1.0], [])])
def test_no_launches_are_no_comparison(baseline: list[float], current: list[float]) -> None:
    for compare in (compare_ranks, estimate_ratio):
        with pytest.raises(ValueError, match="both sides"):
            compare(baseline, current)


def test_the_interval_of_the_ratio_holds_the_truth_as_often_as_it_says() -> None:
    draw, held = np.random.default_rng(2), 0
    for _ in range(600):
        baseline, current = np.exp(draw.standard_t(3, 9) * 0.05), 1.1 * np.exp(draw.standard_t(3, 9) * 0.05)
        low, high = estimate_ratio(list(baseline), list(current)).interval or (0.0, 0.0)
        held += low <= 1.1 <= high
    assert held / 600 >= 0.94


@given(st.floats(0.5, 2), st.lists(st.floats(0.001, 10), min_size=4, max_size=12))
def test_a_slowdown_of_every_launch_is_the_ratio(factor: float, times: list[float]) -> None:
    estimate = estimate_ratio(times, [factor * time for time in times])
    assert estimate.ratio == pytest.approx(factor)
    if estimate.interval is not None:
        assert estimate.interval[0] <= factor * (1 + 1e-9)
        assert estimate.interval[1] >= factor * (1 - 1e-9)


def test_too_few_launches_have_a_ratio_and_no_interval() -> None:
    assert estimate_ratio([1.0, 1.1], [1.2, 1.3]).interval is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_q_is_the_smallest_rate_at_which_the_step_up_rule_rejects(p_values: list[float]) -> None:
    n = len(p_values)
    for p, q in zip(p_values, q_values(p_values), strict=True):
        rates = [n * other / sum(x <= other for x in p_values) for other in p_values if other >= p]
        assert q == pytest.approx(min(1.0, *rates))


def test_tests_that_are_not_listed_count() -> None:
    assert q_values([0.01], tests=12) == (pytest.approx(0.12),)
    assert q_values([]) == ()


def _window(series: int = 40, nights: int = 30, spread: float = 0.02, seed: int = 3) -> np.ndarray:
    return (
        np.exp(np.random.default_rng(seed).normal(0, spread, (series, nights))) * np.geomspace(1e-4, 1, series)[:, None]
    )


def test_a_slow_series_stands_out_from_its_own_window() -> None:
    window = _window()
    tonight = np.median(window, axis=1)
    tonight[7] *= 1.1
    found = screen(window, tonight)
    assert suspects(found.z, 1.5, 12) == (7,)
    assert found.spread[7] == pytest.approx(0.02, rel=0.4)
    assert found.score_of(7, float(tonight[7])) == pytest.approx(found.score[7])


def test_what_the_night_does_to_all_series_is_taken_away() -> None:
    window = _window() * np.exp(np.random.default_rng(4).normal(0, 0.2, 30))
    tonight = np.median(window, axis=1) * 1.5
    tonight[7] *= 1.1
    found = screen(window, tonight)
    assert found.offset == pytest.approx(1.5, rel=0.02)
    assert suspects(found.z, 3.0, 12) == (7,)


def test_a_series_with_too_short_a_window_is_no_suspect() -> None:
    window = _window()
    window[7, LEAST_NIGHTS - 1 :] = np.nan
    tonight = np.median(_window(), axis=1)
    tonight[7] *= 3
    found = screen(window, tonight)
    assert np.isnan(found.z[7])
    assert 7 not in suspects(found.z, 0.0, 40)


def test_a_window_that_never_moved_has_the_least_spread() -> None:
    found = screen(np.ones((3, 10)), np.array([1.0, 1.0, 1.001]))
    assert found.z.tolist() == pytest.approx([0, 0, 0.5], abs=0.01)


def test_a_night_without_any_launch_is_a_gap_and_no_error() -> None:
    window = _window()
    window[:, 3] = np.nan
    assert np.isfinite(screen(window, window[:, 5]).z).all()


def test_a_window_with_gaps_is_judged_by_the_nights_it_has() -> None:
    window, tonight = _window(), np.median(_window(), axis=1)
    gaps = np.concatenate([window, np.full((40, 7), np.nan)], axis=1)[:, np.random.default_rng(6).permutation(37)]
    with_gaps, without = screen(gaps, tonight), screen(window, tonight)
    assert with_gaps.score.tolist() == pytest.approx(without.score.tolist())
    assert with_gaps.z.tolist() == pytest.approx(without.z.tolist())


def test_a_launch_that_nights_have_anyway_scores_less_than_one_that_they_never_had() -> None:
    window = np.exp(np.random.default_rng(8).normal(0, 0.02, (40, 60)))
    window[0, ::10] *= 1.5
    found = screen(window, np.array([1.4, 1.4, *np.ones(38)]))
    assert found.z[0] > 10
    assert found.score[0] < 2.3 < found.score[1]


def test_one_wild_launch_is_not_worth_ten() -> None:
    window = _window()
    tonight = np.median(window, axis=1)
    far, farther = (screen(window, tonight * np.where(np.arange(40) == 7, factor, 1)) for factor in (1.2, 100))
    assert far.score[7] == farther.score[7]
    assert farther.z[7] > far.z[7]


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        screen(np.ones((3, 10)), np.ones(4))


def test_launches_that_agree_weigh_more_together() -> None:
    assert pooled([2.0, 2.0, 2.0]) == pytest.approx(2 * math.sqrt(3))


class Machine:
    """Launches series with 2 % of noise; those in `slower` take that much longer since tonight. Counts what it was asked for."""

    def __init__(self, levels: np.ndarray, slower: dict[int, float], seed: int = 5) -> None:
        self._levels, self._slower, self._draw = levels, slower, np.random.default_rng(seed)
        self.launched: dict[int, int] = {}

    def current(self, series: int, count: int) -> list[float]:
        self.launched[series] = self.launched.get(series, 0) + count
        return list(self._slower.get(series, 1.0) * self._levels[series] * self._noise(count))

    def in_turn(self, series: int, count: int) -> tuple[list[float], list[float]]:
        return list(self._levels[series] * self._noise(count)), self.current(series, count)

    def separated(self, series: int) -> bool:
        return True

    def _noise(self, count: int) -> np.ndarray:
        return np.exp(self._draw.normal(0, 0.02, count))


def _night(slower: dict[int, float], procedure: Procedure | None = None) -> tuple[Machine, list[int], list[object]]:
    window = _window(series=300)
    levels = np.geomspace(1e-4, 1, 300)
    machine = Machine(levels, slower)
    tonight = np.array([machine.current(row, 1)[0] for row in range(300)])
    machine.launched.clear()
    _, found = judge_night(window, tonight, machine, procedure)
    return machine, [one.series for one in found if one.slower], list(found)


def test_a_real_slowdown_is_confirmed_with_its_size() -> None:
    machine, slow, found = _night({42: 1.1})
    assert slow == [42]
    (one,) = [one for one in found if one.series == 42]
    assert one.ratio == pytest.approx(1.1, abs=0.03)
    assert 1.05 < one.interval[0] < one.ratio < one.interval[1] < 1.15
    assert one.launches == 14
    assert one.q <= 0.0015
    assert machine.launched[42] == 3 + 14


def test_bad_luck_is_let_go_after_the_first_look() -> None:
    machine, slow, found = _night({})
    assert slow == []
    assert len(found) == 12
    assert sum(one.launches == 7 for one in found) >= 10
    assert sum(machine.launched.values()) <= 24 * 2 + 12 * 14


def test_rounds_of_launches_have_ever_fewer_candidates() -> None:
    machine, _, found = _night({}, Procedure(first_look=7, last_look=7))
    launched = sorted((count - 7 * (row in {one.series for one in found}) for row, count in machine.launched.items()))
    assert launched == [1] * 25 + [2] * 14 + [3] * 21


def test_earlier_nights_in_place_of_the_baseline_ask_for_more_than_a_night_like_others() -> None:
    class Alone(Machine):
        asked: frozenset[int] = frozenset()

        def in_turn(self, series: int, count: int) -> tuple[list[float], list[float]]:
            nights = [] if series in self.asked else list(_window(series=300)[series])
            self.asked |= {series}
            return nights, self.current(series, count)

        def separated(self, series: int) -> bool:
            return False

    levels, window = np.geomspace(1e-4, 1, 300), _window(series=300)
    machine = Alone(levels, {42: 1.2, 77: 1.05})
    tonight = np.array([machine.current(row, 1)[0] for row in range(300)])
    _, found = judge_night(window, tonight, machine)
    assert [one.series for one in found if one.slower] == [42]
    (slow,) = [one for one in found if one.slower]
    assert (slow.launches, slow.against, slow.separated) == (28, 30, False)
    assert 77 in [one.series for one in found]


def test_what_is_faster_is_no_slowdown() -> None:
    assert _night({42: 0.8})[1] == []


def test_a_slowdown_too_small_to_care_for_is_no_finding() -> None:
    _, slow, found = _night({42: 1.1}, Procedure(least_ratio=1.5))
    assert slow == []
    assert 42 in [one.series for one in found]
