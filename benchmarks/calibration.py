"""How often the gate cries wolf over latencies, and what it finds, in simulated nights of 1,200 series.

False alarms over 1,000 nights in which nothing changed, for each kind of noise; then the share of nights in which one series that
became slower is found, by how much it is slower and how much launches spread. The noise `recorded` is that of `data/launches.json`:
real launches of one and the same thing, in the order taken.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Figure
from driftgate.core.statistics.night import judge_night

TITLE = "Calibration of the gate"
SERIES, NIGHTS_BEFORE = 1_200, 90
NULL_NIGHTS, POWER_NIGHTS = 1_000, 300
RECORDING = Path(__file__).parent / "data" / "launches.json"

Floats = NDArray[np.float64]
Draw = np.random.Generator


@dataclass(frozen=True)
class Noise:
    """What launches do. `launch` draws log times of launches in one go (series × launches, spread 1), `spread` scales them;
    `autocorrelation` is that from night to night, of a share of each series' own; `offset` moves all of a night alike."""

    name: str
    launch: Callable[[Draw, int, int], Floats]
    spread: float
    autocorrelation: float = 0.0
    offset: float = 0.0


def gaussian(draw: Draw, series: int, launches: int) -> Floats:
    """Bell-shaped."""
    return draw.normal(size=(series, launches))


def heavy(draw: Draw, series: int, launches: int) -> Floats:
    """Student's t with three degrees of freedom, of spread 1: now and then a launch is far out."""
    return draw.standard_t(3, size=(series, launches)) / math.sqrt(3)


def two_modes(draw: Draw, series: int, launches: int) -> Floats:
    """One launch in four falls into a slower mode, three spreads away."""
    return draw.normal(size=(series, launches)) * 0.5 + 3.0 * (draw.random((series, launches)) < 0.25) * 0.5


def recorded(draw: Draw, series: int, launches: int) -> Floats:
    """Runs of consecutive launches of the recordings, each series from a place of its own."""
    tapes = _tapes()
    chosen = draw.integers(len(tapes), size=series)
    starts = (draw.random(series) * (np.array([tape.size for tape in tapes])[chosen] - launches)).astype(int)
    return np.array([tapes[c][s : s + launches] for c, s in zip(chosen, starts, strict=True)])


def _tapes() -> list[Floats]:
    """The recordings as log times around their median."""
    found = json.loads(RECORDING.read_text())["p50_s"].values()
    return [np.log(times) - np.median(np.log(times)) for times in map(np.array, found)]


def recorded_spread() -> float:
    """Median over the recordings of their robust spread."""
    return float(np.median([1.4826 * np.median(np.abs(tape)) for tape in _tapes()]))


class Night:
    """One night: windows, tonight's launches, and more launches of the same minute when asked for."""

    def __init__(self, draw: Draw, noise: Noise, slower: float = 1.0) -> None:
        self._draw, self._noise = draw, noise
        self._shift = np.zeros(SERIES)
        self._shift[0] = math.log(slower)
        nights = self._levels(NIGHTS_BEFORE + 1)
        self._level = nights[:, -1]
        launched = nights + self._launches(SERIES, NIGHTS_BEFORE + 1)
        self.window = np.exp(launched[:, :-1])
        self.tonight = np.exp(launched[:, -1] + self._shift)

    def _levels(self, nights: int) -> Floats:
        noise, draw = self._noise, self._draw
        common = draw.normal(0, noise.offset, nights) if noise.offset else np.zeros(nights)
        own = np.zeros((SERIES, nights))
        if noise.autocorrelation:
            own[:, 0] = draw.normal(size=SERIES)
            fresh = draw.normal(size=(SERIES, nights)) * math.sqrt(1 - noise.autocorrelation**2)
            for night in range(1, nights):
                own[:, night] = noise.autocorrelation * own[:, night - 1] + fresh[:, night]
            own *= noise.spread
        return own + common

    def _launches(self, series: int, launches: int) -> Floats:
        return self._noise.launch(self._draw, series, launches) * self._noise.spread

    def current(self, series: int, count: int) -> Sequence[float]:
        """Launches of tonight's build."""
        return list(np.exp(self._level[series] + self._shift[series] + self._launches(1, count)[0]))

    def in_turn(self, series: int, count: int) -> tuple[Sequence[float], Sequence[float]]:
        """Consecutive launches, dealt out to both sides by lot, one of each pair."""
        launched = self._launches(1, 2 * count)[0].reshape(count, 2)
        first = self._draw.integers(2, size=count)
        baseline, current = launched[np.arange(count), first], launched[np.arange(count), 1 - first]
        level = self._level[series]
        return list(np.exp(level + baseline)), list(np.exp(level + self._shift[series] + current))


def alarmed(noise: Noise, nights: int, seed: int = 1) -> int:
    """In how many nights without a change something was reported."""
    draw, count = np.random.default_rng(seed), 0
    for _ in range(nights):
        night = Night(draw, noise)
        _, found = judge_night(night.window, night.tonight, night)
        count += any(one.slower for one in found)
    return count


def power(noise: Noise, slower: float, nights: int, seed: int = 2) -> float:
    """The share of nights in which the one slower series was reported."""
    draw, count = np.random.default_rng(seed), 0
    for _ in range(nights):
        night = Night(draw, noise, slower)
        _, found = judge_night(night.window, night.tonight, night)
        count += any(one.slower and one.series == 0 for one in found)
    return count / nights


def upper_bound(count: int, of: int, confidence: float = 0.95) -> float:
    """The one-sided upper bound of Clopper and Pearson."""
    low, high = count / of, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        at_most = sum(math.exp(_log_binomial(of, k, middle)) for k in range(count + 1))
        low, high = (middle, high) if at_most > 1 - confidence else (low, middle)
    return high


def _log_binomial(n: int, k: int, p: float) -> float:
    chosen = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return chosen + k * math.log(p) + (n - k) * math.log1p(-p)


def noises() -> tuple[Noise, ...]:
    """The kinds of night in which nothing changes."""
    return (
        Noise("recorded launches", recorded, 1.0),
        Noise("gaussian 2 %", gaussian, 0.02),
        Noise("heavy tails 5 %", heavy, 0.05),
        Noise("two modes 5 %", two_modes, 0.05),
        Noise("nights with AR(1) = 0.5, 5 %", gaussian, 0.05, autocorrelation=0.5),
        Noise("offset between nights of 3 %", gaussian, 0.02, offset=0.03),
    )


def measure() -> list[Figure]:
    """False alarms and power."""
    return [*_false_alarms(), *_power()]


def _false_alarms() -> Iterator[Figure]:
    for noise in noises():
        count = alarmed(noise, NULL_NIGHTS)
        bound = f"of {NULL_NIGHTS}; upper 95 % bound {upper_bound(count, NULL_NIGHTS):.2%}"
        yield Figure(f"alarmed nights, {noise.name}", count, "nights", 4, note=bound)


def _power() -> Iterator[Figure]:
    """The shape is the recordings', scaled to each spread."""
    asked = {(0.01, 1.05): 0.60, (0.01, 1.10): 0.95, (0.02, 1.05): 0.60, (0.02, 1.10): 0.95}
    scale = 1 / recorded_spread()
    for spread in (0.01, 0.02, 0.05, 0.10):
        for slower in (1.03, 1.05, 1.10, 1.20, 1.40):
            for name, launch, factor in (("gaussian", gaussian, 1.0), ("recorded", recorded, scale)):
                found = power(Noise("", launch, spread * factor), slower, POWER_NIGHTS)
                what = f"found, {slower - 1:.0%} slower at a spread of {spread:.0%}, {name}"
                yield Figure(
                    what, 100 * found, "%", 100 * asked[spread, slower] if (spread, slower) in asked else None, False
                )
