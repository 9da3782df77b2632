"""What a run has on disk for the report: the documents around its records, and the records model by model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from driftgate.core.causes import Told, by_group
from driftgate.core.records import (
    Cell,
    ExpectedFailure,
    Finding,
    Findings,
    LockEntry,
    Manifest,
    ModelIdentity,
    Severity,
    StageRecord,
)
from driftgate.machine.store import RunStore
from driftgate.steps.report.commands import name_for_commands

STAGES = ("pull", "inputs", "explain", "export", "infer", "drift")


@dataclass(frozen=True)
class Frame:
    """The documents around the records: plan, lock, and what the gate wrote if it has run. `run` is the run's name in commands."""

    run_id: str
    run: str
    fleet: str
    planned: dict[str, tuple[Cell, ...]]
    entries: dict[str, LockEntry]
    manifest: Manifest | None
    judged: Findings | None
    expected: dict[tuple[str, str], ExpectedFailure]

    @classmethod
    def of(cls, store: RunStore) -> Frame:
        """Read them. A run without a plan is a UsageError; one that was not judged yet is fine."""
        plan = store.plan()
        planned: dict[str, list[Cell]] = {}
        for cell in plan.cells:
            planned.setdefault(cell.model, []).append(cell)
        manifest = store.manifest() if store.has("run.json") else None
        return cls(
            run_id=store.run_id,
            run=name_for_commands(store),
            fleet=plan.fleet,
            planned={slug: tuple(cells) for slug, cells in planned.items()},
            entries={e.slug: e for e in store.lock().models} if store.has("models.lock.json") else {},
            manifest=manifest,
            judged=store.findings() if store.has("findings.json") else None,
            expected={(e.model, e.cell): e for e in manifest.expected} if manifest else {},
        )

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What the gate found, worst first, in its own order within a severity."""
        ranks = list(Severity)
        return tuple(sorted(self.judged.findings, key=lambda f: ranks.index(f.severity))) if self.judged else ()

    @cached_property
    def groups(self) -> tuple[Told, ...]:
        """The same by likely cause, worst first."""
        return by_group(self.judged) if self.judged else ()

    @property
    def compared(self) -> str | None:
        """What the run was compared with and what differs between the two, in a sentence; None if by expectations alone."""
        if self.judged is None or self.judged.baseline is None:
            return None
        changes = ", ".join(self.judged.provenance) or "the same versions on the same machine"
        caution = " (times and memory are not: the machines differ)" if self.judged.unlike_machines else ""
        return f"Compared with {self.judged.baseline}{caution}: {changes}."

    @cached_property
    def findings_by_model(self) -> dict[str | None, list[Finding]]:
        """The same, by slug; those of the run as a whole under None."""
        by_model: dict[str | None, list[Finding]] = {}
        for finding in self.findings:
            by_model.setdefault(finding.model, []).append(finding)
        return by_model

    def order(self, cell: Cell) -> tuple[int, str, int, str, str]:
        """Where a cell stands: stages as the pipeline has them, targets as the plan has them (the reference is its first)."""
        stage = STAGES.index(cell.stage) if cell.stage in STAGES else len(STAGES)
        target = self._targets.get(cell.target, len(self._targets))
        return stage, cell.stage, target, cell.target or "", cell.variant or ""

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """What infers, the reference first."""
        cells = (cell for cells in self.planned.values() for cell in cells if cell.stage == "infer")
        return tuple(dict.fromkeys(cell.target for cell in cells if cell.target is not None))

    @cached_property
    def _targets(self) -> dict[str | None, int]:
        return {target: place for place, target in enumerate(self.targets)}

    @property
    def verdict(self) -> str | None:
        """passed, failed or error; the worse one where two documents differ; None before the gate has run."""
        said = {document.verdict for document in (self.judged, self.manifest) if document is not None}
        return next((verdict for verdict in ("error", "failed", "passed") if verdict in said), None)


@dataclass(frozen=True)
class ModelCells:
    """Everything of one model: its identity (None when it left no record and no lock), and each cell with its record or None."""

    slug: str
    identity: ModelIdentity | None
    cells: tuple[tuple[Cell, StageRecord | None], ...]


def each_model(store: RunStore, frame: Frame) -> Iterator[ModelCells]:
    """Model by model, planned or not; the records of one model are in memory at a time."""
    seen = set()
    for slug, group in groupby(store.records(), key=lambda record: record.model.slug):
        seen.add(slug)
        records = {record.cell.name: record for record in group}
        cells = {cell.name: cell for cell in frame.planned.get(slug, ())}
        cells |= {name: record.cell for name, record in records.items()}
        ordered = sorted(cells.values(), key=frame.order)
        identity = next(iter(records.values())).model
        yield ModelCells(slug, identity, tuple((cell, records.get(cell.name)) for cell in ordered))
    for slug, planned in frame.planned.items():
        if slug not in seen:
            entry = frame.entries.get(slug)
            yield ModelCells(slug, entry.identity() if entry else None, tuple((cell, None) for cell in planned))
