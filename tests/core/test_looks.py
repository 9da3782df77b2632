"""Confirming one suspect: when it is let go, when it goes on, and what its p-value is worth after several looks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from driftgate.core.statistics.looks import LookSettings, Outcome, look

SETTINGS = LookSettings()


class Turns:
    """Launches of 2 % noise, tonight's `ratio` times as long; a baseline of its own, or `nights` that stand in for it."""

    def __init__(self, ratio: float, *, nights: list[float] | None = None, spread: float = 0.02, seed: int = 1) -> None:
        self._ratio, self._nights, self._spread = ratio, nights, spread
        self._draw = np.random.default_rng(seed)

    def in_turn(self, series: int, count: int) -> tuple[list[float], list[float]]:
        del series
        current = [self._ratio * one for one in self._some(count)]
        if self._nights is None:
            return self._some(count), current
        nights, self._nights = self._nights, []
        return nights, current

    def separated(self, series: int) -> bool:
        del series
        return self._nights is None

    def _some(self, count: int) -> list[float]:
        return np.exp(self._draw.normal(0, self._spread, count)).tolist()


def steady(spread: float, nights: int = 90) -> list[float]:
    return np.exp(np.random.default_rng(2).normal(0, spread, nights)).tolist()


def outcome(ratio: float, **changes: object) -> Outcome:
    return look(0, Turns(ratio, **changes), SETTINGS)  # type: ignore[arg-type]


def test_looks_double_up_to_the_last() -> None:
    assert LookSettings(first_look=7, last_look=28).looks == (7, 14, 28)
    assert LookSettings(first_look=7, last_look=20).looks == (7, 14, 20)
    assert LookSettings(first_look=7, last_look=7).looks == (7,)


def test_what_is_clearly_nothing_is_let_go_after_seven_launches() -> None:
    assert outcome(0.98).current == 7


def test_what_is_clearly_slower_needs_fourteen_launches() -> None:
    found = outcome(1.1)
    assert (found.current, found.baseline) == (14, 14)
    assert found.ratio.ratio == pytest.approx(1.1, abs=0.02)


def test_what_stays_open_is_launched_to_the_last_look() -> None:
    found = look(0, Turns(1.05, spread=0.04, seed=6), SETTINGS)
    assert found.current == 28
    assert 0 < found.p < 0.01


def test_p_pays_for_every_look_and_for_both_tests() -> None:
    once = look(0, Turns(1.5), LookSettings(first_look=7, last_look=7))
    assert once.p == pytest.approx(2 / math.comb(14, 7))
    twice = look(0, Turns(1.5), LookSettings(first_look=7, last_look=14))
    assert twice.p == pytest.approx(2 / math.comb(28, 14) * 21 / 14)


def test_p_is_as_small_as_luck_makes_it_however_often_it_looks() -> None:
    """A launch is one of a slow stretch; sides are dealt out by lot. At p ≤ 0.1 no more than 1 in 10 should end."""

    class Stretches(Turns):
        def in_turn(self, series: int, count: int) -> tuple[list[float], list[float]]:
            pairs = np.exp(np.repeat(self._draw.normal(0, 0.1, count), 2) + self._draw.standard_t(3, 2 * count) * 0.02)
            dealt = self._draw.permuted(pairs.reshape(count, 2), axis=1)
            return dealt[:, 0].tolist(), dealt[:, 1].tolist()

    eager = LookSettings(hopeful_p=0.9, alarm_q=0.1, suspects=1)
    ends = [look(0, Stretches(1.0, seed=seed), eager).p for seed in range(400)]
    assert np.mean([p <= 0.1 for p in ends]) <= 0.1


def test_without_a_baseline_to_launch_all_nights_are_compared_with_and_all_looks_taken() -> None:
    found = outcome(1.1, nights=steady(0.01), spread=0.01)
    assert (found.baseline, found.current, found.separated, found.stands_out) == (90, 28, False, True)


def test_a_night_like_others_does_not_stand_out_however_well_its_launches_agree() -> None:
    nights = steady(0.05)
    as_slow = sorted(nights)[-3]
    found = outcome(as_slow, nights=nights, spread=0.001)
    assert found.p < 0.001
    assert not found.stands_out


def test_a_slow_mode_that_nights_have_does_not_stand_out() -> None:
    nights = [*steady(0.005, 80), *(1.3 * one for one in steady(0.005, 10))]
    assert not outcome(1.3, nights=nights, spread=0.005).stands_out


def test_few_nights_must_be_left_further_behind() -> None:
    assert not outcome(1.05, nights=steady(0.01, 8), spread=0.01).stands_out
    assert outcome(1.05, nights=steady(0.01, 90), spread=0.01).stands_out
