"""Tonight's slowdowns, confirmed: candidates are launched again, suspects in turn with the baseline in its own environment.

What separates the two is what differs and can be had side by side: versions of packages (an environment of its own), the commit of the
code under test (a working tree of its own, for `python:` models), the revision of a model. Where none of it differs, or the baseline
can't be built, the slowdown is real perhaps, and its cause not separated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from driftgate.core.errors import UsageError
from driftgate.core.gate_settings import LatencySettings
from driftgate.core.machines import MACHINE, VARIABLES, machine_of
from driftgate.core.records import Agent, Cell, Finding, LockEntry
from driftgate.core.statistics.change_point import change_point, without_offsets
from driftgate.core.statistics.night import Confirmation, find_suspects
from driftgate.core.statistics.screening import Screening
from driftgate.core.text import plural
from driftgate.diagnose.environments import Environments
from driftgate.diagnose.launches import NewLaunches, NotSeparableError, confirm_all
from driftgate.diagnose.sides import Side, Sides
from driftgate.diagnose.worktrees import Worktrees, worktrees
from driftgate.machine.provenance import this_agent
from driftgate.machine.store import RunStore
from driftgate.steps.against import Against
from driftgate.steps.slower import Night, confirmed, procedure_of, unconfirmed

_NEVER_BUILT = "driftgate"  # what measures is the same on both sides, on purpose
Tell = Callable[[str], None]


@dataclass
class Builds:
    """Tonight's build and the baseline's, as sides by cell. `stack` ends the working trees."""

    sides: Sides
    environments: Environments
    tonight: Agent
    baseline: Agent
    earlier: Mapping[str, LockEntry]
    stack: ExitStack
    _trees: list[Worktrees] = field(default_factory=list)

    def now(self, cell: Cell) -> Side:
        """Tonight's build, from the very inputs and export of the run. Raises UnbuildableError."""
        python = self.environments.build(_packages(self.tonight))
        return self.sides.of(cell, python, variables=self._variables(), keep=True)

    def before(self, cell: Cell) -> Side:
        """The baseline's build. Raises NotSeparableError or UnbuildableError."""
        pinned = {entry.slug: entry for entry in self.sides.origin.lock().models}[cell.model]
        earlier = self.earlier.get(cell.model)
        revised = earlier is not None and earlier.revision != pinned.revision
        tree = self._tree() if pinned.scheme == "python" else None
        versions = _packages(self.tonight) | {
            name: version for name, version in _packages(self.baseline).items() if name in self.tonight.packages
        }
        if versions == _packages(self.tonight) and not revised and tree is None:
            raise NotSeparableError("the baseline was made with the same versions")
        python = self.environments.build(versions)
        folder, variables = tree or (None, {})
        entry = earlier if revised else None
        return self.sides.of(cell, python, folder=folder, variables=self._variables() | variables, entry=entry)

    def _variables(self) -> dict[str, str | None]:
        return {name: self.tonight.environment.get(name) for name in VARIABLES}

    def _tree(self) -> tuple[Path, dict[str, str | None]] | None:
        """The code of the baseline; None where it is the same."""
        before, now = self.baseline, self.tonight
        if before.commit == now.commit and not before.dirty and not now.dirty:
            return None
        if before.commit is None or before.dirty:
            raise NotSeparableError("the code that the baseline ran is in no commit")
        try:
            if not self._trees:
                self._trees.append(self.stack.enter_context(worktrees(Path.cwd())))
            return self._trees[0].check_out(before.commit)
        except UsageError as error:
            raise NotSeparableError(f"the baseline's code can't be had: {error}") from error


def confirm_night(
    store: RunStore, night: Night, against: Against, settings: LatencySettings, cache: Path, tell: Tell
) -> list[Finding]:
    """The findings about tonight's latencies, after launching anew what stands out. `cache` is where environments and scratch runs lie."""
    screening, procedure = night.screened(), procedure_of(settings)
    agents = _agents(store, against)
    if agents is None:
        tell("latencies are not confirmed: they were taken on another machine than this one")
        return list(unconfirmed(store, night, settings))
    with ExitStack() as stack:
        sides = Sides(store, cache / "scratch", timed=True)
        builds = Builds(sides, Environments(cache / "environments"), *agents, _earlier(store, against), stack)
        nights = without_offsets(night.window) * screening.offset
        launches = NewLaunches(night.cells, builds.now, builds.before, nights, tell)
        named = find_suspects(screening, _Told(launches, tell), procedure)
        if named:
            tell(
                f"{plural(len(named), 'suspect')}: {procedure.first_look} launches or more in turn with {against.baseline.run_id}"
            )
        outcomes, failed = confirm_all(named, launches, procedure)
    for series, why in failed.items():
        tell(f"{night.cells[series]} is not confirmed: {why}")
    return [
        *_found(store, night, outcomes, against, screening, frozenset(launches.together)),
        *(one for one in unconfirmed(store, night, settings) if _cell(one) in {night.cells[row] for row in failed}),
    ]


@dataclass
class _Told:
    """Says which candidates are launched again, each once."""

    launches: NewLaunches
    tell: Tell
    told: set[int] = field(default_factory=set)

    def current(self, series: int, count: int) -> list[float]:
        if series not in self.told:
            self.tell(f"{self.launches.cells[series]} stands out: launching it again")
            self.told.add(series)
        return self.launches.current(series, count)

    def in_turn(self, series: int, count: int) -> tuple[list[float], list[float]]:
        baseline, current = self.launches.in_turn(series, count)
        return list(baseline), list(current)

    def separated(self, series: int) -> bool:
        return self.launches.separated(series)


def _found(
    store: RunStore,
    night: Night,
    outcomes: tuple[Confirmation, ...],
    against: Against,
    screening: Screening,
    together: frozenset[int],
) -> Iterator[Finding]:
    for separated in (True, False):
        some = [one for one in outcomes if (one.series not in together) is separated]
        since = [_since(store, night, against, screening, one.series) if one.slower else None for one in some]
        yield from confirmed(store, night, some, separated=separated, since=since)


def _since(store: RunStore, night: Night, against: Against, screening: Screening, series: int) -> str | None:
    """The run at which the series became slower, if its window says so."""
    runs = [*(run.run_id for run in reversed(against.nights)), store.run_id]
    times = [*without_offsets(night.window)[series][::-1], night.tonight[series] / screening.offset]
    change = change_point(times)
    return runs[change.at] if change is not None else None


def _agents(store: RunStore, against: Against) -> tuple[Agent, Agent] | None:
    """The agents that took the times, tonight's and the baseline's, both like this machine; None where there are none."""
    here = _hardware(this_agent())
    tonight = next((agent for agent in store.agents() if _hardware(agent) == here), None)
    if tonight is None:
        return None
    alike = [agent for agent in against.baseline.agents if machine_of(agent) == machine_of(tonight)]
    return (tonight, alike[0]) if alike else None


def _hardware(agent: Agent) -> tuple[object, ...]:
    return tuple(getattr(agent, name) for name in MACHINE)


def _packages(agent: Agent) -> dict[str, str]:
    return {name: version for name, version in agent.packages.items() if name != _NEVER_BUILT}


def _earlier(store: RunStore, against: Against) -> dict[str, LockEntry]:
    """The baseline's pins, if its run is still on disk."""
    baseline = RunStore(store.root.parent / against.baseline.run_id)
    with suppress(UsageError):
        return {entry.slug: entry for entry in baseline.lock().models}
    return {}


def _cell(finding: Finding) -> Cell:
    return Cell(model=finding.model or "", stage=finding.stage or "", target=finding.target, variant=finding.variant)
