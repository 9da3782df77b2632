"""The simulated nights that the gate is calibrated with, and that a few of them come out as the many do."""

import math
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from benchmarks.calibration import tally
from benchmarks.calibration_nights import (
    SERIES,
    Night,
    Noise,
    Shape,
    gaussian,
    heavy,
    in_one_stretch,
    recorded,
    recorded_robust,
    two_modes,
)
from benchmarks.calibration_picture import Curve, draw_power
from benchmarks.rival_rules import asv_inside, asv_launches, percent
from benchmarks.upper_bound import upper_bound


@pytest.mark.parametrize("shape", [gaussian, heavy, recorded, in_one_stretch])
def test_a_spread_is_a_standard_deviation_of_launches(shape: Shape) -> None:
    night = Night(np.random.default_rng(1), Noise("", shape, 0.02))
    assert np.median(np.log(night.window).std(axis=1)) == pytest.approx(0.02, rel=0.15)


def test_a_robust_spread_leaves_the_tails_out() -> None:
    logs = np.log(Night(np.random.default_rng(1), Noise("", recorded_robust, 0.02)).window)
    robust = 1.4826 * np.median(np.abs(logs - np.median(logs, axis=1, keepdims=True)), axis=1)
    assert np.median(robust) == pytest.approx(0.02, rel=0.15)
    assert logs.std(axis=1).max() > 0.05


def test_launches_in_turn_follow_each_other_and_are_dealt_out_in_pairs() -> None:
    night = Night(np.random.default_rng(2), Noise("", recorded, 0.02), slower=2.0)
    baseline, current = night.in_turn(0, 300)
    ratios = np.array(current) / np.array(baseline)
    assert np.median(ratios) == pytest.approx(2, rel=0.01)
    assert np.corrcoef(np.log(baseline), np.log(current))[0, 1] > 0.3


def test_a_night_moves_all_series_alike_and_is_remembered_by_each() -> None:
    night = Night(np.random.default_rng(3), Noise("", two_modes, 0.001, offset=0.05))
    assert np.log(night.window).std(axis=0).max() < 0.002
    own = np.log(Night(np.random.default_rng(3), Noise("", gaussian, 0.001, own=0.05, autocorrelation=0.5)).window)
    assert np.mean(own[:, 1:] * own[:, :-1]) / own.var() == pytest.approx(0.5, abs=0.03)


def test_a_few_nights_find_what_is_there_and_nothing_else() -> None:
    seen = tally(Noise("", recorded, 0.02), 6, 1, slower=1.1)
    assert (seen.found, seen.alarmed) == (6, 0)
    assert seen.launches / seen.nights < SERIES / 2
    quiet = tally(Noise("", gaussian, 0.05, own=0.05, autocorrelation=0.5), 4, 1, apart=False)
    assert (quiet.found, quiet.alarmed) == (0, 0)


def test_a_rival_sees_the_same_night() -> None:
    draw = np.random.default_rng(4)
    night = Night(draw, Noise("", gaussian, 0.002), slower=1.2)
    for scores in (percent(night), asv_inside(night, draw, 0.9), asv_launches(night)):
        assert int(np.argmax(scores)) == 0
        assert scores[0] == pytest.approx(1.2, rel=0.03)


def test_no_alarm_in_a_thousand_may_be_three_in_a_thousand() -> None:
    assert upper_bound(0, 1000) == pytest.approx(1 - 0.05 ** (1 / 1000))
    assert upper_bound(4, 1000) < 0.01


def test_the_picture_has_a_line_a_slowdown_and_falls_where_less_is_found() -> None:
    curves = [Curve(1.05, "gaussian", (0.01, 0.1), (1.0, 0.25)), Curve(1.1, "recorded", (0.01, 0.1), (1.0, 1.0))]
    root = ET.fromstring(draw_power(curves))
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    falling, level = ([float(pair.split(",")[1]) for pair in line.get("points", "").split()] for line in lines)
    assert falling[1] > falling[0]
    assert math.isclose(level[0], level[1])
    text = "".join(root.itertext())
    assert "5% slower" in text
    assert "recorded" in text
