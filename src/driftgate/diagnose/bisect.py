"""Which version brought a finding? Its own cell is computed again with one version after the other, until it is clear.

    row = packages(sides, cell, Environments(…), "onnxruntime", ("1.29.0", …, "1.31.1"))
    result = bisect(finding, row, settings)         # Bisected(outcome=Outcome(FOUND, first_bad=2, …), steps=(…))

A version is one run: a fresh scratch run of the cell and of all that it needs. It is bad if the finding is there: the same rule, the same
fingerprint. A cell that ends in another way is run once more, then left out. For a latency a run is 7 launches of the good end and 7
of the version in turn, and bad means slower by at least half of what was found, with p ≤ 0.01.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from driftgate.core.bisection import CONFIDENCE, Bisection, Kind, Outcome, promised_runs
from driftgate.core.facts import CellFacts, facts_of
from driftgate.core.gate_settings import GateSettings
from driftgate.core.records import Cell, Finding
from driftgate.core.statistics.ranks import compare_ranks, estimate_ratio
from driftgate.core.symptoms import LATENCY, Seen, Sight, sight
from driftgate.core.text import human_seconds, plural
from driftgate.diagnose.environments import Environments, UnbuildableError
from driftgate.diagnose.launches import in_turn
from driftgate.diagnose.sides import NotLaunchedError, Side, Sides

LAUNCHES = 7
SLOWER_P = 0.01


@dataclass(frozen=True)
class Row:
    """Versions in order, the good end first, and how to get a side for each. `side` may raise UnbuildableError."""

    what: str
    versions: tuple[str, ...]
    side: Callable[[int], Side]


@dataclass(frozen=True)
class Step:
    """One run of one version. `command` repeats it."""

    version: str
    sight: Sight
    seconds: float
    command: str | None = None


@dataclass(frozen=True)
class Bisected:
    """How it ended, with every run that was made."""

    row: Row
    outcome: Outcome
    steps: tuple[Step, ...]

    @property
    def promised(self) -> int:
        """Runs that would do if none were flaky and nothing were run twice."""
        return promised_runs(len(self.row.versions))

    @property
    def untestable(self) -> tuple[str, ...]:
        """Versions that were left out."""
        return tuple(dict.fromkeys(step.version for step in self.steps if step.sight.seen is Seen.UNTESTABLE))

    def sentence(self) -> str:
        """The outcome as a person reads it."""
        outcome, versions = self.outcome, self.row.versions
        flaky = f", {outcome.flaky} of them flaky" if outcome.flaky else ""
        runs = f"{plural(outcome.runs, 'run')} of {plural(outcome.tested, 'version')}{flaky}"
        match outcome.kind:
            case Kind.FOUND:
                return f"{self._found()} ({runs}, {outcome.confidence:.1%} sure)"
            case Kind.GOOD_END_IS_BAD:
                return f"{self.row.what} {versions[0]} has it already: it is older than this range, or of something else ({runs})"
            case Kind.BAD_END_IS_GOOD:
                return f"{self.row.what} {versions[-1]} does not have it: the cause is something else, or is newer ({runs})"
            case Kind.NOT_MONOTONE:
                bad, good = (versions[index] for index in outcome.bad_before_good or (0, 0))
                return (
                    f"no single version brought it: {bad} has it each time, and {good}, which is later, never ({runs})"
                )
            case Kind.UNTESTABLE:
                return f"{self.row.what} {versions[0]}, the good end, can't be tested: {self.steps[-1].sight.reason}"
            case Kind.UNDECIDED:
                return f"undecided after {runs}: they contradict each other too often ({outcome.confidence:.0%} sure at best)"

    def _found(self) -> str:
        outcome, versions = self.outcome, self.row.versions
        assert outcome.first_bad is not None
        assert outcome.last_good is not None
        between = versions[outcome.last_good + 1 : outcome.first_bad]
        first, good = versions[outcome.first_bad], versions[outcome.last_good]
        if between:
            return f"{self.row.what}: one of {', '.join((*between, first))} brought it; {good} is good, the rest can't be tested"
        return f"{self.row.what} {first} brought it; {good} is good"


@dataclass
class _Search:
    """What the runs have in common: the finding, and the good end once it has run."""

    finding: Finding
    row: Row
    settings: GateSettings
    good: CellFacts | None = None
    timed: dict[int, Side] = field(default_factory=dict)

    def run(self, index: int) -> Step:
        """One run of a version. What can't be built or launched is untestable."""
        began, side = time.monotonic(), None
        try:
            side = self._side(index)
            seen = self._slower(index, side) if self.finding.rule == LATENCY else self._look(index, side)
        except (UnbuildableError, NotLaunchedError) as error:
            seen = Sight(Seen.UNTESTABLE, str(error))
        return Step(self.row.versions[index], seen, time.monotonic() - began, str(side) if side else None)

    def _side(self, index: int) -> Side:
        """A fresh scratch run each time; launches of one version share theirs."""
        if self.finding.rule != LATENCY:
            return self.row.side(index)
        if index not in self.timed:
            self.timed[index] = self.row.side(index)
        return self.timed[index]

    def _look(self, index: int, side: Side) -> Sight:
        record = side.compute()
        seen = sight(self.finding, record, self.good, self.settings)
        if index == 0 and seen.seen is Seen.GOOD and self.good is None:
            self.good = facts_of(record)
        return seen

    def _slower(self, index: int, side: Side) -> Sight:
        if index == 0:
            return Sight(Seen.GOOD, f"p50 {human_seconds(side.launch())}")
        baseline, current = in_turn(self._side(0), side, LAUNCHES, seed=index)
        ratio = estimate_ratio(baseline, current).ratio
        p = compare_ranks(baseline, current).p_slower
        found = float(self.finding.evidence.get("ratio") or 1.0)
        slower = p <= SLOWER_P and ratio >= math.sqrt(max(found, 1.0))
        return Sight(Seen.BAD if slower else Seen.GOOD, f"{ratio - 1:+.1%}, p = {p:.2g}")


def bisect(
    finding: Finding,
    row: Row,
    settings: GateSettings,
    *,
    confidence: float = CONFIDENCE,
    tell: Callable[[Step], None] = lambda step: None,
) -> Bisected:
    """Run versions until the first bad one is known, or that there is none. `tell` hears of each run."""
    search, runs = Bisection(len(row.versions), confidence=confidence), _Search(finding, row, settings)
    steps: list[Step] = []
    doubted: set[int] = set()
    while (index := search.next()) is not None:
        step = runs.run(index)
        steps.append(step)
        tell(step)
        if step.sight.seen is not Seen.UNTESTABLE:
            search.saw(index, bad=step.sight.seen is Seen.BAD)
        elif index in doubted or step.command is None:  # what can't be built can't be built
            search.skip(index)
        else:
            doubted.add(index)
    return Bisected(row, search.outcome(), tuple(steps))


def packages(sides: Sides, cell: Cell, environments: Environments, package: str, versions: Sequence[str]) -> Row:
    """The versions of a package, each in an environment of its own."""

    def side(index: int) -> Side:
        return sides.of(cell, environments.build({package: versions[index]}))

    return Row(package, tuple(versions), side)


def commits(
    sides: Sides, cell: Cell, names: Sequence[str], check_out: Callable[[int], tuple[Path, dict[str, str | None]]]
) -> Row:
    """The commits of the code under test, each in a working tree of its own."""

    def side(index: int) -> Side:
        folder, variables = check_out(index)
        return sides.of(cell, folder=folder, variables=variables)

    return Row("commit", tuple(names), side)
