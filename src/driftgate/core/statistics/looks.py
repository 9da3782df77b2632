"""Confirming one suspect in a few looks: launches of both sides, more where they leave it open, and one p-value for all of it.

A look holds twice the launches of the one before. What is clearly nothing is let go, what is clearly real needs no more launches. Every
look is a chance to be wrong: p at a look is divided by the look's share of the launches of all looks, and the smallest counts, so that
whatever was stopped when, p is at most as small as it may be (Bonferroni, weighted).

Two exact tests are made, and both are paid for: the ranks of all launches, best where they are independent of each other, and the signed
ranks of the pairs, best where the machine has slow hours. Without a baseline to launch, earlier nights stand in: then ranks alone are
not enough, for all launches of tonight share what tonight did to this series, and their middle must be out of what nights do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from driftgate.core.statistics.ranks import RatioEstimate, compare_ranks, estimate_ratio
from driftgate.core.statistics.screening import LEAST_SPREAD, MAD_TO_SIGMA
from driftgate.core.statistics.signed_ranks import estimate_paired_ratio, paired_p_slower


@dataclass(frozen=True)
class LookSettings:
    """`suspects` are confirmed in looks of `first_look` launches a side and up, doubling, to `last_look`. Who is at p > `hopeful_p` is let
    go; a finding has q ≤ `alarm_q`. `night_z` spreads between nights are asked for where only earlier nights can be compared."""

    suspects: int = 12
    first_look: int = 7
    last_look: int = 28
    hopeful_p: float = 0.1
    alarm_q: float = 0.0015
    night_z: float = 4.0

    @property
    def looks(self) -> tuple[int, ...]:
        """Launches a side, at each look, in all."""
        counts = [min(self.first_look, self.last_look)]
        while counts[-1] < self.last_look:
            counts.append(min(2 * counts[-1], self.last_look))
        return tuple(counts)


class Turns(Protocol):
    """What is asked of launches here: see `driftgate.core.statistics.night.Launches`."""

    def in_turn(self, series: int, count: int) -> tuple[Sequence[float], Sequence[float]]: ...

    def separated(self, series: int) -> bool: ...


@dataclass(frozen=True)
class Outcome:
    """What the looks at one suspect said. `baseline` and `current` count launches; `stands_out` is False where tonight's launches differ,
    and yet by no more than nights do."""

    p: float
    ratio: RatioEstimate
    superiority: float
    baseline: int
    current: int
    separated: bool
    stands_out: bool


def look(series: int, launches: Turns, settings: LookSettings) -> Outcome:
    """Launch and test, until it is clear. Passes on what launching raises."""
    baseline, current = list[float](), list[float]()
    p, enough = 1.0, settings.alarm_q / settings.suspects
    for count in settings.looks:
        more = launches.in_turn(series, count - len(current))
        baseline, current = [*baseline, *more[0]], [*current, *more[1]]
        now = _p_slower(baseline, current, paired=launches.separated(series))
        p = min(p, now * sum(settings.looks) / count)
        if now > settings.hopeful_p or (p <= enough and launches.separated(series)):
            break
    return _outcome(p, baseline, current, separated=launches.separated(series), night_z=settings.night_z)


def _p_slower(baseline: Sequence[float], current: Sequence[float], *, paired: bool) -> float:
    by_rank = compare_ranks(baseline, current).p_slower
    return min(1.0, 2 * min(by_rank, paired_p_slower(baseline, current))) if paired else by_rank


def _outcome(
    p: float, baseline: Sequence[float], current: Sequence[float], *, separated: bool, night_z: float
) -> Outcome:
    ranks = compare_ranks(baseline, current)
    by_pairs = separated and paired_p_slower(baseline, current) < ranks.p_slower
    return Outcome(
        p=p,
        ratio=(estimate_paired_ratio if by_pairs else estimate_ratio)(baseline, current),
        superiority=ranks.superiority,
        baseline=len(baseline),
        current=len(current),
        separated=separated,
        stands_out=separated or _is_no_such_night(baseline, current, night_z),
    )


def _is_no_such_night(nights: Sequence[float], tonight: Sequence[float], least_z: float) -> bool:
    """Whether the middle of tonight's launches is above what earlier nights do: by so many of their spreads (more, where few nights tell
    it), and above each of them but one in fifty."""
    logs, now = np.log(nights), float(np.median(np.log(tonight)))
    spread = max(MAD_TO_SIGMA * float(np.median(np.abs(logs - np.median(logs)))), LEAST_SPREAD)
    caution = 1 + 8 / logs.size
    return now - float(np.median(logs)) >= caution * least_z * spread and int((logs >= now).sum()) <= logs.size // 50
