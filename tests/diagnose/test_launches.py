"""Launching suspects anew, with sides that are made up."""

from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

from driftgate.core.records import Cell
from driftgate.core.statistics.night import Procedure
from driftgate.diagnose.environments import UnbuildableError
from driftgate.diagnose.launches import NewLaunches, NotSeparableError, confirm_all, in_turn
from driftgate.diagnose.sides import NotLaunchedError, Side

CELLS = [Cell(model=f"zoo--{number}", stage="infer", target="ort-cpu") for number in range(4)]
WOBBLE = (1.0, 1.01, 0.99, 1.005, 0.995)


@dataclass
class MadeUp:
    """Takes `level` seconds, with a wobble; writes down each launch."""

    level: float
    log: list[str]
    name: str
    wobble: cycle = field(default_factory=lambda: cycle(WOBBLE))
    broken: bool = False

    def launch(self) -> float:
        if self.broken:
            raise NotLaunchedError("infer.ort-cpu does not run: it died")
        self.log.append(self.name)
        return self.level * next(self.wobble)


def launches(now: dict[str, MadeUp], before: dict[str, MadeUp | Exception], nights: np.ndarray) -> NewLaunches:
    def side(of: dict[str, MadeUp | Exception]):
        def make(cell: Cell) -> Side:
            made = of[cell.model]
            if isinstance(made, Exception):
                raise made
            return made  # type: ignore[return-value]

        return make

    return NewLaunches(CELLS, side(now), side(before), nights)


def night(log: list[str], *, slower: dict[int, float], **before: Exception) -> NewLaunches:
    now = {cell.model: MadeUp(slower.get(row, 1.0), log, "now") for row, cell in enumerate(CELLS)}
    then = {cell.model: MadeUp(1.0, log, "before") for cell in CELLS} | before
    return launches(now, then, np.tile([1.0, np.nan, 1.01, 0.99], (4, 10)))


def test_both_sides_take_turns_in_an_order_drawn_by_lot() -> None:
    log: list[str] = []
    baseline, current = in_turn(MadeUp(1.0, log, "before"), MadeUp(2.0, log, "now"), 20, seed=3)  # type: ignore[arg-type]
    assert len(baseline) == len(current) == 20
    assert min(current) > max(baseline)
    pairs = {tuple(log[i : i + 2]) for i in range(0, 40, 2)}
    assert pairs == {("before", "now"), ("now", "before")}


def test_a_slowdown_is_confirmed_against_the_baselines_own_environment() -> None:
    log: list[str] = []
    made = night(log, slower={1: 1.2})
    found, failed = confirm_all({0: 2.0, 1: 5.0}, made, Procedure())
    assert [one.series for one in found if one.slower] == [1]
    (slow,) = [one for one in found if one.slower]
    assert slow.ratio == pytest.approx(1.2, abs=0.02)
    assert (slow.launches, failed, made.together) == (14, {}, {})
    assert log.count("before") == 7 + 14


def test_where_the_baseline_cannot_be_had_earlier_nights_stand_in_for_it() -> None:
    log: list[str] = []
    reason = NotSeparableError("the baseline was made with the same versions")
    no_wheel = UnbuildableError("pip cannot install onnxruntime==1.29.0")
    made = night(log, slower={1: 1.2, 2: 1.2}, **{"zoo--1": reason, "zoo--2": no_wheel})
    found, _ = confirm_all({0: 3.0, 1: 5.0, 2: 5.0}, made, Procedure())
    assert sorted(one.series for one in found if one.slower) == [1, 2]
    assert made.together == {1: str(reason), 2: str(no_wheel)}


def test_a_cell_that_does_not_run_spoils_nothing() -> None:
    log: list[str] = []
    made = night(log, slower={1: 1.2})
    made.now(CELLS[3]).broken = True  # type: ignore[attr-defined]
    found, failed = confirm_all({1: 5.0, 3: 4.0}, made, Procedure())
    assert [one.series for one in found] == [1]
    assert failed == {3: "infer.ort-cpu does not run: it died"}


def test_the_share_of_false_discoveries_is_that_of_the_whole_night() -> None:
    log: list[str] = []
    alone, _ = confirm_all({1: 5.0}, night(log, slower={1: 1.2}), Procedure())
    among, _ = confirm_all({0: 3.0, 1: 5.0, 2: 3.0, 3: 3.0}, night(log, slower={1: 1.2}), Procedure())
    (one,) = [found for found in among if found.series == 1]
    assert one.p == alone[0].p
    assert one.q == pytest.approx(4 * alone[0].q)


def test_a_candidate_that_does_not_run_has_fewer_launches() -> None:
    told: list[str] = []
    made = night([], slower={})
    made.tell = told.append
    made.now(CELLS[0]).broken = True  # type: ignore[attr-defined]
    assert made.current(0, 2) == []
    assert told == ["zoo--0/infer.ort-cpu: infer.ort-cpu does not run: it died"] * 2


def test_a_sides_command_is_one_that_a_person_can_paste() -> None:
    from driftgate.machine.store import RunStore

    side = Side(Path("/envs/a b/bin/python"), RunStore(Path("/cache/scratch/R")), CELLS[0], Path("/work"))
    assert str(side) == "'/envs/a b/bin/python' -P -m driftgate infer --run /cache/scratch/R --with-needs --no-cache"
