"""What the gate compares a run with: each cell's facts in the baseline, and the worst of its numbers over the last nights.

Times and memory are compared with nights of the same machine alone: another processor, driver or number of threads is another
experiment, and `unlike` says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from driftgate.core.facts import CellFacts
from driftgate.core.machines import machine_of
from driftgate.core.records import Agent, Cell, StageRecord
from driftgate.core.verdicts import SAYS_NOTHING
from driftgate.history.baseline import Baseline
from driftgate.history.database import Database
from driftgate.history.numbers import Window
from driftgate.history.queries import RunSummary, numbers_of
from driftgate.steps.compare import Changed, provenance_changes

NO_CELL: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Against:
    """A baseline, ready to be asked about one cell after the other. `provenance` is what differs between the two, to be told first."""

    baseline: Baseline
    provenance: tuple[Changed, ...]
    nights: tuple[RunSummary, ...] = ()
    latencies: Window | None = None
    _machines: frozenset[tuple[object, ...]] = frozenset()
    _agents: Mapping[str, Agent] = field(default_factory=dict)
    _worst: Mapping[Cell, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, baseline: Baseline, agents: Sequence[Agent], database: Database) -> Against:
        """Ask the history what is needed of the nights that ran on machines like these."""
        machines = frozenset(map(machine_of, agents))
        alike = tuple(night for night in baseline.nights if {*map(machine_of, night.agents)} <= machines)
        latencies, largest = None, {}
        if alike:
            with database.reading() as connection:
                numbers = numbers_of(connection, alike)
            latencies, largest = numbers.window("p50"), numbers.worst()
        return cls(
            baseline=baseline,
            provenance=tuple(provenance_changes(baseline.agents, agents)),
            nights=alike,
            latencies=latencies,
            _machines=frozenset(map(machine_of, baseline.agents)),
            _agents={agent.agent: agent for agent in agents},
            _worst=largest,
        )

    def before(self, cell: Cell) -> CellFacts | None:
        """The cell's facts in the baseline; None if it had no such cell, or did not test it."""
        before = self.baseline.facts.get(cell)
        return None if before is None or before.kind in SAYS_NOTHING else before

    def past(self, cell: Cell) -> Mapping[str, float]:
        """The worst of each number over the nights."""
        return self._worst.get(cell, NO_CELL)

    def same_machine(self, record: StageRecord) -> bool:
        """Whether the record was taken on a machine like the baseline's."""
        agent = self._agents.get(record.agent)
        return agent is not None and machine_of(agent) in self._machines

    @property
    def unlike(self) -> bool:
        """Whether no time or memory of the baseline can be compared with this run's."""
        return self._machines.isdisjoint(map(machine_of, self._agents.values()))


def headline(against: Against) -> str:
    """`against RUN: torch 2.12.0 → 2.13.0, …`, as it stands at the top of what the gate says."""
    changes = ", ".join(map(str, against.provenance)) or "made with the same versions on the same machine"
    caution = "; times and memory are not compared: the machines differ" if against.unlike else ""
    return f"against {against.baseline.run_id} ({against.baseline.name}): {changes}{caution}"


def gone(against: Against, planned: Iterable[Cell]) -> tuple[Cell, ...]:
    """Cells of the baseline that this run does not plan, in a fixed order; none where the run was asked for less."""
    if against.baseline.of_more:
        return ()
    return tuple(sorted(against.baseline.facts.keys() - frozenset(planned), key=lambda cell: (cell.model, cell.name)))
