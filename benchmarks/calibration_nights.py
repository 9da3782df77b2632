"""Simulated nights of 1,200 series: the noise that the gate and its rivals are held against.

A night's time of a series is its level, what the night did to all series (`offset`), what it did to this one (`own`, remembered from night
to night by `autocorrelation`), and what the launch did. What launches do is bell-shaped, heavy-tailed, in two modes, or recorded:
`data/launches.json` has real launches of one and the same thing. Nights are a day apart and rounds of launches again an hour: each is at
a place of its own on the tape. Launches in turn follow each other as they were taken, so that a slow stretch stays one. Where it says
`in one stretch`, all of a series' launches do, the window's nights too: an hour of the machine for a quarter of a year.

**A spread of 2 %** is a standard deviation of the logarithm of a launch's time: of the bell curve, and of each tape. Where it says
`robust`, each tape is scaled so that its *robust* spread (1.4826 × the median distance from the median) is 2 %; with the tails that
recordings have their standard deviation is then up to 7 %.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from driftgate.core.statistics.change_point import without_offsets
from driftgate.core.statistics.screening import MAD_TO_SIGMA

SERIES, NIGHTS_BEFORE, NIGHTS_AFTER = 1_200, 90, 2
RECORDING = Path(__file__).parent / "data" / "launches.json"

Floats = NDArray[np.float64]
Draw = np.random.Generator


class Stream(Protocol):
    """Launches of all series: log times around 0."""

    def nights(self, count: int) -> Floats:
        """One launch a night, of every series."""
        ...

    def session(self, rows: NDArray[np.int_], count: int) -> Floats:
        """Launches one after the other."""
        ...


Shape = Callable[[Draw], Stream]


@dataclass
class Drawn:
    """Independent launches."""

    draw: Draw
    sample: Callable[[Draw, tuple[int, int]], Floats]

    def nights(self, count: int) -> Floats:
        return self.sample(self.draw, (SERIES, count))

    def session(self, rows: NDArray[np.int_], count: int) -> Floats:
        return self.sample(self.draw, (len(rows), count))


class Replayed:
    """Each series has a tape of its own; a session starts anywhere on it."""

    def __init__(self, draw: Draw, tapes: Floats) -> None:
        self._draw, self._tapes, self._tape = draw, tapes, draw.integers(len(tapes), size=SERIES)

    def nights(self, count: int) -> Floats:
        return self._at(np.arange(SERIES), self._draw.integers(self._tapes.shape[1], size=(SERIES, count)))

    def session(self, rows: NDArray[np.int_], count: int) -> Floats:
        return self._at(rows, self._start(rows)[:, None] + np.arange(count))

    def _start(self, rows: NDArray[np.int_]) -> NDArray[np.int_]:
        return self._draw.integers(self._tapes.shape[1], size=len(rows))

    def _at(self, rows: NDArray[np.int_], places: NDArray[np.int_]) -> Floats:
        return self._tapes[self._tape[rows, None], places % self._tapes.shape[1]]


class Continued(Replayed):
    """Everything one after the other, around and around."""

    def __init__(self, draw: Draw, tapes: Floats) -> None:
        super().__init__(draw, tapes)
        self._places = super()._start(np.arange(SERIES))

    def nights(self, count: int) -> Floats:
        places = self._places[:, None] + np.arange(count)
        self._places += count
        return self._at(np.arange(SERIES), places)

    def session(self, rows: NDArray[np.int_], count: int) -> Floats:
        launched = super().session(rows, count)
        self._places[rows] += count
        return launched

    def _start(self, rows: NDArray[np.int_]) -> NDArray[np.int_]:
        return self._places[rows]


def gaussian(draw: Draw) -> Stream:
    """Bell-shaped."""
    return Drawn(draw, lambda draw, size: draw.normal(size=size))


def heavy(draw: Draw) -> Stream:
    """Student's t with three degrees of freedom, of spread 1: now and then a launch is far out."""
    return Drawn(draw, lambda draw, size: draw.standard_t(3, size=size) / math.sqrt(3))


def two_modes(draw: Draw) -> Stream:
    """One launch in four falls into a slower mode, three spreads away."""
    return Drawn(draw, lambda draw, size: draw.normal(size=size) * 0.5 + 1.5 * (draw.random(size) < 0.25))


def recorded(draw: Draw) -> Stream:
    """The recordings, each of standard deviation 1."""
    return Replayed(draw, _of_spread_1())


def in_one_stretch(draw: Draw) -> Stream:
    """The recordings, each of standard deviation 1, from end to end."""
    return Continued(draw, _of_spread_1())


def _of_spread_1() -> Floats:
    return tapes() / tapes().std(axis=1, keepdims=True)


def recorded_robust(draw: Draw) -> Stream:
    """The recordings, each of robust spread 1."""
    return Replayed(draw, tapes() / (MAD_TO_SIGMA * np.median(np.abs(tapes()), axis=1, keepdims=True)))


def as_recorded(draw: Draw) -> Stream:
    """The recordings as they are."""
    return Replayed(draw, tapes())


@cache
def tapes() -> Floats:
    """The recordings as log times around their medians, a row each."""
    times = np.log(np.array(list(json.loads(RECORDING.read_text())["p50_s"].values())))
    return np.asarray(times - np.median(times, axis=1, keepdims=True))


@dataclass(frozen=True)
class Noise:
    """`shape` scaled by `spread` for each launch; what nights do on top, see above."""

    name: str
    shape: Shape
    spread: float
    own: float = 0.0
    autocorrelation: float = 0.0
    offset: float = 0.0


class Night:
    """One night: the window, tonight's launches, nights to come, and more launches of the same night when asked for. The first series
    is `slower` from tonight on. Where it is not `apart` the baseline can't be launched, and earlier nights stand in."""

    def __init__(self, draw: Draw, noise: Noise, slower: float = 1.0, *, apart: bool = True) -> None:
        self._draw, self._spread, self._apart = draw, noise.spread, apart
        self._stream = noise.shape(draw)
        self._levels = _levels(draw, noise)
        self._levels[0, NIGHTS_BEFORE:] += math.log(slower)
        launched = self._levels[:, : NIGHTS_BEFORE + 1] + self._stream.nights(NIGHTS_BEFORE + 1) * noise.spread
        self.window, self.tonight = np.exp(launched[:, :-1]), np.exp(launched[:, -1])
        self._shift = np.zeros(SERIES)
        self._shift[0] = math.log(slower)
        self.relaunched = 0
        self._taken: set[int] = set()

    def launches(self, rows: NDArray[np.int_], night: int, count: int) -> Floats:
        """Launches of some series on a night: 0 is tonight, -1 last night."""
        launched = self._stream.session(rows, count) * self._spread
        return np.exp(self._levels[rows, NIGHTS_BEFORE + night][:, None] + launched)

    def current(self, series: int, count: int) -> Sequence[float]:
        """Launches of tonight's build."""
        self.relaunched += count
        return self.launches(np.array([series]), 0, count)[0].tolist()

    def in_turn(self, series: int, count: int) -> tuple[Sequence[float], Sequence[float]]:
        """Consecutive launches, dealt out to both sides by lot, one of each pair."""
        if not self._apart:
            return self._nights(series), self.current(series, count)
        self.relaunched += 2 * count
        pairs = self.launches(np.array([series]), 0, 2 * count)[0].reshape(count, 2)
        first, each = self._draw.integers(2, size=count), np.arange(count)
        return (pairs[each, first] / math.exp(self._shift[series])).tolist(), pairs[each, 1 - first].tolist()

    def separated(self, series: int) -> bool:
        """Whether the baseline runs beside tonight's build."""
        del series
        return self._apart

    def _nights(self, series: int) -> Sequence[float]:
        """The window without what nights did to all, as it would be tonight; nothing the second time."""
        if series in self._taken:
            return []
        self._taken.add(series)
        tonight = np.median(self.tonight / np.median(self.window, axis=1))
        return (self._without_offsets[series] * tonight).tolist()

    @cached_property
    def _without_offsets(self) -> Floats:
        return without_offsets(self.window)


def _levels(draw: Draw, noise: Noise) -> Floats:
    """What nights do, to all series and to each: a row a series, a column a night."""
    nights = NIGHTS_BEFORE + 1 + NIGHTS_AFTER
    levels = np.zeros((SERIES, nights))
    if noise.own:
        levels = draw.normal(size=(SERIES, nights))
        levels[:, 1:] *= math.sqrt(1 - noise.autocorrelation**2)
        for night in range(1, nights):
            levels[:, night] += noise.autocorrelation * levels[:, night - 1]
    return levels * noise.own + draw.normal(0, noise.offset, nights)
