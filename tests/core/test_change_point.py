"""When a series became slower."""

import numpy as np
import pytest

from driftgate.core.statistics.change_point import change_point, without_offsets


def nights(
    seed: int, *, count: int = 60, at: int | None = None, ratio: float = 1.1, spread: float = 0.02
) -> np.ndarray:
    times = np.exp(np.random.default_rng(seed).normal(0, spread, count)) * 1e-3
    if at is not None:
        times[at:] *= ratio
    return times


@pytest.mark.parametrize("at", [15, 30, 52])
def test_the_night_is_named_to_within_a_few(at: int) -> None:
    found = [change_point(nights(seed, at=at)) for seed in range(20)]
    assert all(one is not None for one in found)
    assert sum(abs(one.at - at) <= 2 for one in found if one is not None) >= 18
    ratios = [one.ratio for one in found if one is not None]
    assert np.median(ratios) == pytest.approx(1.1, abs=0.02)


def test_a_window_without_a_change_has_none() -> None:
    assert sum(change_point(nights(seed)) is not None for seed in range(200)) <= 6


def test_a_series_that_became_faster_is_no_slowdown() -> None:
    assert change_point(nights(1, at=30, ratio=0.8)) is None


def test_one_wild_night_is_no_change() -> None:
    times = nights(2)
    times[20] *= 50
    assert change_point(times) is None


def test_nights_without_a_launch_keep_their_places() -> None:
    times = nights(3, at=40)
    times[[5, 6, 38]] = np.nan
    found = change_point(times)
    assert found is not None
    assert abs(found.at - 40) <= 2


def test_a_few_nights_say_nothing() -> None:
    assert change_point([1.0] * 3 + [2.0] * 4) is None
    assert change_point([]) is None
    assert change_point([1.0] * 20) is None


def test_the_same_window_gives_the_same_answer() -> None:
    assert change_point(nights(4, at=30)) == change_point(nights(4, at=30))


def test_what_a_night_does_to_all_series_is_taken_away() -> None:
    window = np.stack([nights(seed) * 10**seed for seed in range(5)])
    shaken = window * np.exp(np.random.default_rng(9).normal(0, 0.3, 60))
    shaken[:, 7] = np.nan
    steady = without_offsets(shaken)
    assert np.isnan(steady[:, 7]).all()
    spread = np.nanstd(np.log(steady), axis=1)
    assert (spread < 0.05).all()
