"""How often the gate cries wolf over latencies, and what it finds, in simulated nights of 1,200 series.

False alarms over 1,000 nights in which nothing changed, for each kind of noise, with the baseline launched beside tonight's build and
with earlier nights in its place; then the share of nights in which one series that became slower is found, by how much it is slower and
how much launches spread. What noise and spread mean: `benchmarks.calibration_nights`. The seeds are 1 (false alarms) and 2 (power).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.calibration_nights import (
    Night,
    Noise,
    as_recorded,
    gaussian,
    heavy,
    in_one_stretch,
    recorded,
    recorded_robust,
    two_modes,
)
from benchmarks.calibration_picture import Curve, draw_power
from benchmarks.harness import ROOT, Figure
from benchmarks.upper_bound import upper_bound
from driftgate.core.statistics.night import judge_night

TITLE = "Calibration of the gate"
NULL_NIGHTS, POWER_NIGHTS = 1_000, 300
SPREADS = (0.01, 0.02, 0.05, 0.10)
SLOWER = (1.03, 1.05, 1.10, 1.20)
SHAPES = (("gaussian", gaussian), ("recorded", recorded), ("recorded, robust", recorded_robust))
ASKED = {1.05: 0.60, 1.10: 0.95}
PICTURE = ROOT / "docs" / "pictures" / "power.svg"

NOISES = (
    Noise("recorded launches as they are", as_recorded, 1.0),
    Noise("recorded 2 %", recorded, 0.02),
    Noise("recorded 2 %, in one stretch", in_one_stretch, 0.02),
    Noise("gaussian 2 %", gaussian, 0.02),
    Noise("heavy tails 5 %", heavy, 0.05),
    Noise("two modes 5 %", two_modes, 0.05),
    Noise("nights with AR(1) = 0.5, 5 %", gaussian, 0.05, own=0.05, autocorrelation=0.5),
    Noise("offset between nights of 3 %", gaussian, 0.02, offset=0.03),
)
TOGETHER = (
    Noise("recorded launches as they are", as_recorded, 1.0),
    Noise("gaussian 2 %", gaussian, 0.02),
    Noise("nights of each series' own, 3 %", gaussian, 0.02, own=0.03),
    Noise("nights with AR(1) = 0.5, 5 %", gaussian, 0.05, own=0.05, autocorrelation=0.5),
    Noise("offset between nights of 3 %", gaussian, 0.02, offset=0.03),
)


@dataclass(frozen=True)
class Tally:
    """Of `nights`: in how many something that did not change was reported, in how many what did was, launches beyond the first of each
    series."""

    nights: int
    alarmed: int
    found: int
    launches: int


def tally(noise: Noise, nights: int, seed: int, *, slower: float = 1.0, apart: bool = True) -> Tally:
    """Judge so many nights; in each the first series is `slower`."""
    draw, alarmed, found, launches = np.random.default_rng(seed), 0, 0, 0
    for _ in range(nights):
        night = Night(draw, noise, slower, apart=apart)
        _, judged = judge_night(night.window, night.tonight, night)
        reported = {one.series for one in judged if one.slower}
        changed = {0} if slower > 1 else set()
        alarmed, found = alarmed + bool(reported - changed), found + bool(reported & changed)
        launches += night.relaunched
    return Tally(nights, alarmed, found, launches)


def power(noise: Noise, slower: float, nights: int = POWER_NIGHTS, *, apart: bool = True) -> float:
    """The share of nights in which the one slower series was reported."""
    return tally(noise, nights, 2, slower=slower, apart=apart).found / nights


def measure() -> list[Figure]:
    """False alarms and power; draws the picture of the latter."""
    return [*_false_alarms(), *_together(), *_power()]


def _false_alarms() -> Iterator[Figure]:
    launches = 0
    for noise in NOISES:
        seen = tally(noise, NULL_NIGHTS, 1)
        launches += seen.launches
        yield Figure(f"alarmed nights, {noise.name}", seen.alarmed, "nights", 4, note=_bound(seen))
    yield Figure("launches anew, a night of 1,200 series", launches / NULL_NIGHTS / len(NOISES), "launches")


def _together() -> Iterator[Figure]:
    """Where the baseline can't be launched: warnings, and still not many."""
    for noise in TOGETHER:
        seen = tally(noise, NULL_NIGHTS, 1, apart=False)
        yield Figure(
            f"cause not separated: nights with a warning, {noise.name}", seen.alarmed, "nights", 4, note=_bound(seen)
        )
    for spread in SPREADS[:2]:
        for slower in SLOWER[1:]:
            found = power(Noise("", recorded, spread), slower, apart=False)
            yield Figure(f"cause not separated: found, {_what(slower, spread)}, recorded", 100 * found, "%")


def _power() -> Iterator[Figure]:
    curves = []
    for slower in SLOWER:
        for name, shape in SHAPES:
            found = [power(Noise("", shape, spread), slower) for spread in SPREADS]
            curves.append(Curve(slower, name, SPREADS, tuple(found)))
            for spread, share in zip(SPREADS, found, strict=True):
                asked = ASKED.get(slower) if spread <= 0.02 else None
                bound = None if asked is None else 100 * asked
                yield Figure(f"found, {_what(slower, spread)}, {name}", 100 * share, "%", bound, False)
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(draw_power([curve for curve in curves if curve.shape in {"gaussian", "recorded"}]), "utf-8")


def _bound(seen: Tally) -> str:
    return f"of {seen.nights:,}; upper 95 % bound {upper_bound(seen.alarmed, seen.nights):.2%}"


def _what(slower: float, spread: float) -> str:
    return f"{slower - 1:.0%} slower at a spread of {spread:.0%}"
