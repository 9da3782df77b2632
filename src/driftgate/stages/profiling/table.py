"""From traced steps to one table whose rows add up to the step.

Steps are timed from outside, by the same clock with and without the profiler, in turn. Of the profiled ones the middle half by
duration is kept: a step that a neighbour or the profiler itself held up would put its delay on whatever operator was running.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import NamedTuple

from driftgate.core.records import OperatorTime, ProfilePayload

MOST_ROWS = 400
ROUNDS = 3
MOST_STEPS, FEWEST_STEPS = 50, 4
HEAVY = 1.5
_HEAVY = "under the profiler a step takes {:.1f} times as long: what operators take beside each other says more than their times"


class Place(NamedTuple):
    """Which operator, and where in the model: the exported node, the runtime's own name for it, the module's path."""

    operator: str
    node: str | None = None
    fused: str | None = None
    module: str | None = None


class Timed(NamedTuple):
    """One call of an operator in one step."""

    place: Place
    seconds: float


@dataclass
class Steps:
    """What was measured: seconds of steps without a profiler, of steps with one, and the operators of the latter."""

    plain: list[float] = field(default_factory=list)
    profiled: list[float] = field(default_factory=list)
    operators: list[list[Timed]] = field(default_factory=list)


def timed(run: Callable[[], object], count: int) -> list[float]:
    """Seconds of each of `count` calls."""
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return taken


def steps_per_round(seconds: float, operators: int, *, budget: float, most_operators: int) -> int:
    """How many steps to take in each round: within a share of the budget, and few enough operators to be read."""
    affordable = min(budget / (2 * ROUNDS * max(seconds, 1e-6)), most_operators / (ROUNDS * max(operators, 1)))
    return max(FEWEST_STEPS, min(MOST_STEPS, int(affordable)))


def payload(steps: Steps, *, profiler: str, device: str, notes: Iterable[str] = ()) -> ProfilePayload:
    """The table of the middle half of the profiled steps."""
    kept = _middle_half(steps.profiled)
    step = fmean(steps.profiled[index] for index in kept)
    rows = _rows([steps.operators[index] for index in kept], step)
    plain, profiled = median(steps.plain), median(steps.profiled)
    slower = profiled / plain
    return ProfilePayload(
        profiler=profiler,
        device=device,
        steps=len(kept),
        step_s=step,
        p50_s=plain,
        profiled_p50_s=profiled,
        overhead=slower - 1,
        outside_s=step - sum(row.seconds for row in rows),
        operators=rows,
        notes=(*notes, *([_HEAVY.format(slower)] if slower > HEAVY else [])),
    )


def _middle_half(durations: Sequence[float]) -> list[int]:
    ranked = sorted(range(len(durations)), key=durations.__getitem__)
    quarter = len(ranked) // 4
    return sorted(ranked[quarter : len(ranked) - quarter])


def _rows(steps: Sequence[Sequence[Timed]], step: float) -> tuple[OperatorTime, ...]:
    """One row per place, the slowest first; beyond `MOST_ROWS` one per operator."""
    seconds: dict[Place, float] = defaultdict(float)
    calls: dict[Place, int] = defaultdict(int)
    for timings in steps:
        for place, taken in timings:
            seconds[place] += taken
            calls[place] += 1
    ranked = sorted(seconds, key=lambda place: -seconds[place])
    for place in ranked[MOST_ROWS:]:
        rest, taken, called = Place(place.operator), seconds.pop(place), calls.pop(place)
        seconds[rest] += taken  # popped before: a place that is the rest itself would count twice
        calls[rest] += called
    count = len(steps)
    return tuple(
        OperatorTime(
            **place._asdict(),
            calls=calls[place] / count,
            seconds=seconds[place] / count,
            share=seconds[place] / count / step,
        )
        for place in sorted(seconds, key=lambda place: -seconds[place])
    )
