"""Launching anew: what a night's suspects are confirmed with.

    launches = NewLaunches(cells, now=…, before=…, nights=…)    # sides of tonight's build and of the baseline's, by cell
    outcomes, failed = confirm_all({row: z}, launches, procedure)

A launch is a process of Driftgate that computes one infer cell, in the environment of its side. Where the baseline can't be had beside
tonight's build, the launches of earlier nights stand in for it; what is found then is `slower, cause not separated`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from driftgate.core.errors import DriftgateError
from driftgate.core.records import Cell
from driftgate.core.statistics.night import Confirmation, Launches, Procedure, confirm
from driftgate.core.statistics.screening import Floats
from driftgate.diagnose.environments import UnbuildableError
from driftgate.diagnose.sides import NotLaunchedError, Side

Times = tuple[Sequence[float], Sequence[float]]


class NotSeparableError(DriftgateError):
    """The baseline can't be launched beside tonight's build; the message says why."""


def in_turn(baseline: Side, current: Side, count: int, *, seed: int = 0) -> tuple[list[float], list[float]]:
    """`count` launches of each, pair by pair in an order drawn by lot. Raises NotLaunchedError."""
    draw, times = random.Random(seed), {True: list[float](), False: list[float]()}  # noqa: S311  # an order, no secret
    for _ in range(count):
        for is_current in draw.sample([False, True], 2):
            times[is_current].append((current if is_current else baseline).launch())
    return times[False], times[True]


@dataclass
class NewLaunches:
    """The launches of a night, by row of its window. Sides are made when they are first needed: `now` may raise UnbuildableError, `before`
    NotSeparableError too. `nights` are the earlier nights' launches, the newest first, as they would be tonight (seconds, NaN for none).
    `tell` hears what is launched, `together` collects the rows whose baseline is those nights, and why."""

    cells: Sequence[Cell]
    now: Callable[[Cell], Side]
    before: Callable[[Cell], Side]
    nights: Floats
    tell: Callable[[str], None] = lambda text: None
    together: dict[int, str] = field(default_factory=dict)
    _now: dict[int, Side] = field(default_factory=dict)
    _before: dict[int, Side] = field(default_factory=dict)
    _taken: dict[int, int] = field(default_factory=dict)

    def current(self, series: int, count: int) -> list[float]:
        """Launches of tonight's build. One that does not run tells nothing: there are fewer then."""
        times = []
        for _ in range(count):
            try:
                times.append(self._side_now(series).launch())
            except (NotLaunchedError, UnbuildableError) as error:
                self.tell(f"{self.cells[series]}: {error}")
        return times

    def in_turn(self, series: int, count: int) -> Times:
        """Launches of both, in turn; or of tonight's build alone, and all earlier nights, once. Raises NotLaunchedError."""
        taken = self._taken.get(series, 0)
        self._taken[series] = taken + count
        before = self._side_before(series)
        if before is not None:
            return in_turn(before, self._side_now(series), count, seed=1000 * series + taken)
        known = [] if taken else [time for time in self.nights[series].tolist() if math.isfinite(time)]
        return known, self.current(series, count)

    def separated(self, series: int) -> bool:
        """Whether the baseline has a side of its own. False as well before it was first needed."""
        return series in self._before

    def _side_now(self, series: int) -> Side:
        if series not in self._now:
            self._now[series] = self.now(self.cells[series])
        return self._now[series]

    def _side_before(self, series: int) -> Side | None:
        if series not in self._before and series not in self.together:
            try:
                self._before[series] = self.before(self.cells[series])
            except (UnbuildableError, NotSeparableError) as error:
                self.together[series] = str(error)
                self.tell(f"{self.cells[series]}: compared with earlier nights alone: {error}")
        return self._before.get(series)


@dataclass
class _Kept:
    """Passes the launches of one series on, and keeps them."""

    launches: Launches
    looks: list[Times] = field(default_factory=list)

    def current(self, series: int, count: int) -> Sequence[float]:
        return self.launches.current(series, count)

    def in_turn(self, series: int, count: int) -> Times:
        times = self.launches.in_turn(series, count)
        if not self.looks and not all(times):
            raise NotLaunchedError("there are no launches to compare")
        self.looks.append(times)
        return times

    def separated(self, series: int) -> bool:
        return self.launches.separated(series)


@dataclass
class _Again:
    """Gives launches that were made already once more."""

    launches: Launches
    looks: dict[int, list[Times]]

    def current(self, series: int, count: int) -> Sequence[float]:
        return self.launches.current(series, count)

    def in_turn(self, series: int, count: int) -> Times:
        del count
        return self.looks[series].pop(0)

    def separated(self, series: int) -> bool:
        return self.launches.separated(series)


def confirm_all(
    named: dict[int, float], launches: Launches, procedure: Procedure
) -> tuple[tuple[Confirmation, ...], dict[int, str]]:
    """Confirm each suspect (series → z) by itself, so that one that does not run spoils nothing, then judge all that ran together:
    the share of false discoveries is one of the whole night. Returns the outcomes, and series → why it could not be launched."""
    looks: dict[int, list[Times]] = {}
    failed: dict[int, str] = {}
    for series, z in named.items():
        kept = _Kept(launches)
        try:
            confirm({series: z}, kept, procedure)
        except (NotLaunchedError, UnbuildableError) as error:
            failed[series] = str(error)
        else:
            looks[series] = kept.looks
    ran = {series: z for series, z in named.items() if series in looks}
    return confirm(ran, _Again(launches, looks), procedure), failed
