"""One night's verdict on thousands of latencies: screen, look again, confirm.

    every series    one launch tonight against its window           ─► candidates   (a few in a hundred, by luck alone)
    candidates      two more launches each                          ─► suspects     (a dozen)
    suspects        7 launches against 7 of the baseline, in turn   ─► most are clearly nothing
    what is left    7 more against 7                                ─► an exact rank test, false discoveries controlled

The unit is a process launch: iterations within one agree with each other far better than launches do. Only the launches of the last
two steps enter the test, so that choosing the suspects by their bad luck biases nothing. Baseline and current take turns on the same
machine in the same minutes: what the night does, it does to both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from driftgate.core.statistics.multiplicity import q_values
from driftgate.core.statistics.ranks import compare_ranks, estimate_ratio
from driftgate.core.statistics.screening import Floats, Screening, pooled, screen, suspects


class Launches(Protocol):
    """Starts processes anew and tells the typical time of each, in seconds. `series` is a row of the window."""

    def current(self, series: int, count: int) -> Sequence[float]:
        """Launches of tonight's build."""
        ...

    def in_turn(self, series: int, count: int) -> tuple[Sequence[float], Sequence[float]]:
        """As many of the baseline and of tonight's build, taking turns in an order drawn by lot."""
        ...


@dataclass(frozen=True)
class Procedure:
    """How a night is judged. The defaults were chosen by simulation (`python -m benchmarks calibration`).

    `candidate_z` spreads make a candidate, at most `candidate_share` of the series; `relaunches` sort them; `suspects` of them are
    confirmed, first with `first_look` launches a side, where p ≤ `hopeful_p` with `last_look` in all. A finding has
    q ≤ `alarm_q` and a ratio of at least `least_ratio`: what is smaller is real, perhaps, but nobody's night is worth it.
    """

    candidate_z: float = 1.5
    candidate_share: float = 0.08
    relaunches: int = 2
    suspects: int = 12
    first_look: int = 7
    last_look: int = 14
    hopeful_p: float = 0.05
    alarm_q: float = 0.0015
    least_ratio: float = 1.02


@dataclass(frozen=True)
class Confirmation:
    """What launching anew says of one suspect. `ratio` is current ÷ baseline with its 95 % `interval`; `launches` a side."""

    series: int
    z: float
    p: float
    q: float
    ratio: float
    interval: tuple[float, float] | None
    superiority: float
    launches: int
    slower: bool


def judge_night(
    window: Floats, tonight: Floats, launches: Launches, procedure: Procedure | None = None
) -> tuple[Screening, tuple[Confirmation, ...]]:
    """Screen all series and confirm the suspects; `slower` marks the findings. For shapes and units see `screen`."""
    procedure = procedure or Procedure()
    screening = screen(window, tonight)
    named = find_suspects(screening, launches, procedure)
    return screening, confirm(named, launches, procedure)


def find_suspects(screening: Screening, launches: Launches, procedure: Procedure) -> dict[int, float]:
    """Series → z: the candidates that still stand out after more launches, the most suspicious first."""
    most = max(procedure.suspects, round(procedure.candidate_share * screening.z.size))
    scores = {}
    for row in suspects(screening.z, procedure.candidate_z, most):
        more = [screening.z_of(row, time) for time in launches.current(row, procedure.relaunches)]
        scores[row] = pooled([float(screening.z[row]), *more])
    return dict(sorted(scores.items(), key=lambda item: -item[1])[: procedure.suspects])


def confirm(named: dict[int, float], launches: Launches, procedure: Procedure) -> tuple[Confirmation, ...]:
    """Launch baseline and current in turn for each suspect, and test. In the order given."""
    sides = {row: _both_looks(row, launches, procedure) for row in named}
    tests = {row: compare_ranks(*side) for row, side in sides.items()}
    adjusted = dict(zip(tests, q_values([test.p_slower for test in tests.values()]), strict=True))
    found = []
    for row, (baseline, current) in sides.items():
        estimate = estimate_ratio(baseline, current)
        real = adjusted[row] <= procedure.alarm_q and estimate.ratio >= procedure.least_ratio
        found.append(
            Confirmation(
                series=row,
                z=named[row],
                p=tests[row].p_slower,
                q=adjusted[row],
                ratio=estimate.ratio,
                interval=estimate.interval,
                superiority=tests[row].superiority,
                launches=len(current),
                slower=real,
            )
        )
    return tuple(found)


def _both_looks(row: int, launches: Launches, procedure: Procedure) -> tuple[list[float], list[float]]:
    """The first look sorts out what is clearly nothing; the test itself is made of all launches, once."""
    baseline, current = map(list, launches.in_turn(row, procedure.first_look))
    if compare_ranks(baseline, current).p_slower <= procedure.hopeful_p:
        more = launches.in_turn(row, procedure.last_look - procedure.first_look)
        baseline, current = [*baseline, *more[0]], [*current, *more[1]]
    return baseline, current
