"""One night's verdict on thousands of latencies: screen, look again, confirm.

    every series    one launch tonight against its window             ─► candidates   (one in five: nothing is lost yet)
    candidates      a launch each, the most suspicious another, …     ─► suspects     (a dozen)
    suspects        7 launches against 7 of the baseline, in turn     ─► most are clearly nothing
    what is left    14 against 14; where that leaves it open, 28      ─► exact tests, false discoveries controlled

The unit is a process launch: iterations within one agree with each other far better than launches do. Only the launches of the last
two steps enter the test, so that choosing the suspects by their bad luck biases nothing. Baseline and current take turns on the same
machine in the same minutes: what the night does, it does to both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from driftgate.core.statistics.looks import LookSettings, Outcome, look
from driftgate.core.statistics.multiplicity import q_values
from driftgate.core.statistics.screening import Floats, Screening, pooled, screen, suspects


class Launches(Protocol):
    """Starts processes anew and tells the typical time of each, in seconds. `series` is a row of the window."""

    def current(self, series: int, count: int) -> Sequence[float]:
        """Launches of tonight's build."""
        ...

    def in_turn(self, series: int, count: int) -> tuple[Sequence[float], Sequence[float]]:
        """As many of the baseline and of tonight's build, taking turns in an order drawn by lot, pair by pair. Where the baseline can't be
        launched (not `separated`) all that earlier nights left, on the first call, and nothing of the baseline on later ones."""
        ...

    def separated(self, series: int) -> bool:
        """Whether the baseline is launched beside tonight's build. Asked after the first `in_turn` of the series."""
        ...


@dataclass(frozen=True)
class Procedure(LookSettings):
    """How a night is judged. The defaults were chosen by simulation (`python -m benchmarks calibration`).

    A score of `candidate_z` makes a candidate, at most `candidate_share` of the series; so many rounds of `relaunches`, each of fewer
    of them, sort them; `suspects` are confirmed as `LookSettings` says. A finding has q ≤ `alarm_q` and a ratio of at least
    `least_ratio`: what is smaller is real, perhaps, but nobody's night is worth it.
    """

    candidate_z: float = 0.8
    candidate_share: float = 0.2
    relaunches: int = 3
    least_ratio: float = 1.02


@dataclass(frozen=True)
class Confirmation:
    """What launching anew says of one suspect, found by a score of `z`. `ratio` is current ÷ baseline with its 95 % `interval`;
    `launches` of tonight's build against `against` of the baseline's, which are nights if not `separated`. `p` allows for looking more
    than once."""

    series: int
    z: float
    p: float
    q: float
    ratio: float
    interval: tuple[float, float] | None
    superiority: float
    launches: int
    slower: bool
    against: int
    separated: bool


def judge_night(
    window: Floats, tonight: Floats, launches: Launches, procedure: Procedure | None = None
) -> tuple[Screening, tuple[Confirmation, ...]]:
    """Screen all series and confirm the suspects; `slower` marks the findings. For shapes and units see `screen`."""
    procedure = procedure or Procedure()
    screening = screen(window, tonight)
    named = find_suspects(screening, launches, procedure)
    return screening, confirm(named, launches, procedure)


def find_suspects(screening: Screening, launches: Launches, procedure: Procedure) -> dict[int, float]:
    """Series → pooled score: the candidates that still stand out after more launches, the most suspicious first.

    The launches of a round are those of different series, so that those of one lie minutes apart.
    """
    most = max(procedure.suspects, round(procedure.candidate_share * screening.score.size))
    rows = suspects(screening.score, procedure.candidate_z, most)
    scores = {row: [float(screening.score[row])] for row in rows}
    for keep in _rounds(len(rows), procedure):
        scores = dict(list(scores.items())[:keep])
        for row, known in scores.items():
            known += [screening.score_of(row, time) for time in launches.current(row, 1)]
        scores = dict(sorted(scores.items(), key=lambda item: -pooled(item[1])))
    return {row: pooled(known) for row, known in list(scores.items())[: procedure.suspects]}


def _rounds(candidates: int, procedure: Procedure) -> tuple[int, ...]:
    """How many are launched in each round: ever fewer, by the same factor."""
    share = min(1.0, procedure.suspects / max(candidates, 1))
    return tuple(round(candidates * share ** (number / procedure.relaunches)) for number in range(procedure.relaunches))


def confirm(named: dict[int, float], launches: Launches, procedure: Procedure) -> tuple[Confirmation, ...]:
    """Launch baseline and current in turn for each suspect, and test. In the order given."""
    seen = {row: look(row, launches, procedure) for row in named}
    adjusted = dict(zip(seen, q_values([one.p for one in seen.values()]), strict=True))
    return tuple(_confirmation(row, named[row], adjusted[row], one, procedure) for row, one in seen.items())


def _confirmation(row: int, z: float, q: float, one: Outcome, procedure: Procedure) -> Confirmation:
    real = one.stands_out and q <= procedure.alarm_q and one.ratio.ratio >= procedure.least_ratio
    return Confirmation(
        series=row,
        z=z,
        p=one.p,
        q=q,
        ratio=one.ratio.ratio,
        interval=one.ratio.interval,
        superiority=one.superiority,
        launches=one.current,
        slower=real,
        against=one.baseline,
        separated=one.separated,
    )
