"""compare: two runs beside each other. What the runs were made with comes first, because it explains most of the rest.

Records are read in pairs, one cell at a time; only cells that both runs have are compared, what one of them lacks is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from driftgate.core.comparison import Difference, Pair, Section, Sense
from driftgate.core.machines import machine_of, unlike_in
from driftgate.core.number_changes import Timing
from driftgate.core.records import Agent, Cell, LockEntry
from driftgate.core.sections import SECTIONS
from driftgate.core.text import plural
from driftgate.machine.store import RunStore
from driftgate.steps.report.provenance import redacted

_FACTS = ("python", "platform", "cpu", "cores", "memory_bytes", "gpus", "image", "commit", "dirty")
NONE = "–"
LATENCY = "latency"


@dataclass(frozen=True)
class Changed:
    """A fact about the runs that differs: `torch`, `2.12.0`, `2.13.0`. Several values where agents of one run differ."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.name} {self.before} → {self.after}"


@dataclass(frozen=True)
class Comparison:
    """Everything that differs. `found` is section name → differences, in the order of the sections; `compared` counts cells that both
    runs have a record of, `unmatched` is a cell's name → how often just one run has it, of models in both; `timing` says of which of
    them times were compared."""

    before: str
    after: str
    provenance: tuple[Changed, ...]
    settings: tuple[Changed, ...]
    revisions: tuple[Changed, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    compared: int
    unmatched: dict[str, int]
    found: dict[str, tuple[Difference, ...]]
    timing: Timing

    def number(self, sense: Sense) -> int:
        """How many differences are of this sense."""
        return sum(one.sense is sense for some in self.found.values() for one in some)

    def tally(self) -> str:
        """`4 worse, 2 better, 0 otherwise different, in 24 cells`."""
        worse, better, other = (self.number(sense) for sense in Sense)
        return f"{worse:,} worse, {better:,} better, {other:,} otherwise different, in {plural(self.compared, 'cell')}"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "before": self.before,
            "after": self.after,
            "worse": self.number(Sense.WORSE),
            "better": self.number(Sense.BETTER),
            "provenance": _facts(self.provenance),
            "settings": _facts(self.settings),
            "revisions": _facts(self.revisions),
            "models": {"only_before": list(self.only_before), "only_after": list(self.only_after)},
            "cells": {"compared": self.compared, "unmatched": self.unmatched},
            "timing": self.timing.to_dict(),
            "sections": {name: [_plain(one) for one in some] for name, some in self.found.items()},
        }


def compare(before: RunStore, after: RunStore, sections: Sequence[Section] = SECTIONS) -> Comparison:
    """Compare two runs. Raises UsageError where one has no plan, MachineryError for a record that does not validate."""
    cells_before, cells_after = set(before.plan().cells), after.plan().cells
    models_before, models_after = ({cell.model for cell in cells} for cells in (cells_before, cells_after))
    both = models_before & models_after
    found: dict[str, list[Difference]] = {section.name: [] for section in sections}
    unmatched = Counter(cell.name for cell in cells_before - set(cells_after) if cell.model in both)
    compared = 0
    pairs, timing = _Pairs.of(before, after), Timing(facts=unlike_in(before.agents(), after.agents()))
    for cell in cells_after:
        pair = pairs.pair(cell) if cell in cells_before else None
        if pair is None:
            unmatched[cell.name] += cell.model in both
            continue
        compared += 1
        timing.take(pair)
        for section in sections:
            found[section.name] += section.of(pair)
    return Comparison(
        before=before.run_id,
        after=after.run_id,
        provenance=tuple(provenance_changes(before.agents(), after.agents())),
        settings=tuple(_settings_changes(before, after)),
        revisions=tuple(_revision_changes(before, after)),
        only_before=tuple(sorted(models_before - models_after)),
        only_after=tuple(sorted(models_after - models_before)),
        compared=compared,
        unmatched={name: number for name, number in sorted(unmatched.items()) if number},
        found={name: tuple(some) for name, some in found.items()},
        timing=timing,
    )


@dataclass(frozen=True)
class _Pairs:
    """Reads the two records of a cell, with what the runs know of their machines and of confirmed slowdowns."""

    before: RunStore
    after: RunStore
    machines: tuple[Mapping[str, tuple[object, ...]], Mapping[str, tuple[object, ...]]]
    slower: Mapping[Cell, str]

    @classmethod
    def of(cls, before: RunStore, after: RunStore) -> _Pairs:
        """Read what is needed of both runs."""
        machines = tuple({agent.agent: machine_of(agent) for agent in store.agents()} for store in (before, after))
        return cls(before, after, (machines[0], machines[1]), dict(_confirmed(before, after)))

    def pair(self, cell: Cell) -> Pair | None:
        """None where one run has no record of it."""
        was, now = self.before.record(cell), self.after.record(cell)
        if was is None or now is None:
            return None
        first, second = self.machines[0].get(was.agent), self.machines[1].get(now.agent)
        return Pair(was, now, first is not None and first == second, self.slower.get(cell))


def _confirmed(before: RunStore, after: RunStore) -> Iterator[tuple[Cell, str]]:
    """The slowdowns that the gate confirmed when it judged the later run against the earlier one."""
    findings = after.findings() if after.has("findings.json") else None
    if findings is None or findings.baseline != before.run_id:
        return
    for one in findings.findings:
        if one.rule == LATENCY and one.confirmed and one.model and one.stage:
            yield Cell(model=one.model, stage=one.stage, target=one.target, variant=one.variant), one.sentence


def provenance_changes(before: Iterable[Agent], after: Iterable[Agent]) -> Iterator[Changed]:
    """Packages first, then the machine, its environment and the code under test. What differs between agents of one run but is the
    same set in both runs is no change."""
    was, now = _provenance(before), _provenance(after)
    for name in dict.fromkeys((*was, *now)):
        values = was.get(name, set()), now.get(name, set())
        if values[0] != values[1]:
            yield Changed(name, *(", ".join(sorted(some)) or NONE for some in values))


def _provenance(agents: Iterable[Agent]) -> dict[str, set[str]]:
    """Name → its values over the agents, packages first."""
    found: dict[str, set[str]] = {}
    told = list(agents)
    for agent in told:
        for name, version in sorted(agent.packages.items()):
            found.setdefault(name, set()).add(version)
    for agent in told:
        for name in _FACTS:
            value = getattr(agent, name)
            if value not in (None, ()):
                found.setdefault(name, set()).add(", ".join(value) if isinstance(value, tuple) else str(value))
        for name, value in sorted(redacted(agent.environment).items()):
            found.setdefault(f"${name}", set()).add(value)
    return found


def _settings_changes(before: RunStore, after: RunStore) -> Iterator[Changed]:
    was, now = (dict(_leaves(redacted(store.manifest().config))) for store in (before, after))
    for name in sorted(was.keys() | now.keys()):
        if was.get(name) != now.get(name):
            yield Changed(name, *(str(some.get(name, NONE)) for some in (was, now)))


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key → value."""
    if not isinstance(value, dict):
        yield name, value
        return
    for key, item in value.items():
        yield from _leaves(item, f"{name}.{key}" if name else str(key))


def _revision_changes(before: RunStore, after: RunStore) -> Iterator[Changed]:
    """Models whose bytes are not the same: a difference of theirs need not be the toolchain's."""
    was, now = ({entry.slug: _revision(entry) for entry in store.lock().models} for store in (before, after))
    for slug in sorted(was.keys() & now.keys()):
        if was[slug] != now[slug]:
            yield Changed(slug, was[slug], now[slug])


def _revision(entry: LockEntry) -> str:
    return entry.revision or "not pinned"


def _facts(changed: Iterable[Changed]) -> list[dict[str, str]]:
    return [{"name": one.name, "before": one.before, "after": one.after} for one in changed]


def _plain(one: Difference) -> dict[str, Any]:
    about = {"what": one.what, "sense": one.sense.value, "model": one.cell.model, "cell": one.cell.name}
    return about | {"subject": one.subject, "lines": list(one.lines)} | one.detail
