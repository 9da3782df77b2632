"""What the gate sees over a run as a whole: cells that never ran, cells that are gone, machinery that failed half a fleet alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from driftgate.core.errors import DamagedRecordError
from driftgate.core.records import Cell, Failure, Finding, Severity, StageRecord, finding_id
from driftgate.core.text import plural
from driftgate.core.verdicts import FailureKind, Verdict
from driftgate.machine.provenance import agent_name
from driftgate.machine.store import RunStore
from driftgate.steps.against import Against, gone
from driftgate.steps.report.commands import name_for_commands

SHARED_CAUSES = frozenset({FailureKind.NETWORK, FailureKind.DISK, FailureKind.AUTH})
"""Kinds that, if half a fleet fails with them in one stage, mean that the machinery failed and not the models. Not among them:
`not_run`, which is what an agent leaves that never came; the rest of the run is worth judging then."""


def record_what_did_not_run(store: RunStore) -> None:
    """Every planned cell that has no record gets one that says so. Raises DamagedRecordError for a lock without one of the models."""
    entries = {entry.slug: entry for entry in store.lock().models}
    for cell in store.plan().cells:
        if store.record_path(cell).is_file():
            continue
        if cell.model not in entries:
            raise DamagedRecordError(f"{store.root / 'models.lock.json'} has no model {cell.model}, which the plan has")
        message = "the run ended before this cell was computed"
        store.write_record(
            StageRecord(
                run_id=store.run_id,
                agent=agent_name(),
                model=entries[cell.model].identity(),
                stage=cell.stage,
                target=cell.target,
                variant=cell.variant,
                verdict=Verdict.SKIPPED,
                failure=Failure.of(
                    FailureKind.NOT_RUN, message, hint=f"driftgate run --resume {name_for_commands(store)}"
                ),
                started_at=datetime.now(UTC),
                duration_s=0.0,
            )
        )


def cells_gone(planned: Iterable[Cell], fleet: str, against: Against) -> Iterator[Finding]:
    """Cells that the baseline had and this run does not plan: one finding for a model that left, else one a cell."""
    planned = tuple(planned)
    models, missing = {cell.model for cell in planned}, gone(against, planned)
    left = dict.fromkeys(cell.model for cell in missing if cell.model not in models)
    for slug in left:
        sentence = f"{slug} is no longer in the fleet"
        yield Finding.about(Cell(model=slug, stage="pull"), fleet, "missing_cell", Severity.WARNING, sentence)
    for cell in missing:
        if cell.model in models:
            sentence = f"{cell.name} of {cell.model} is missing: the baseline has it"
            yield Finding.about(cell, fleet, "missing_cell", Severity.ERROR, sentence)


def broken_machinery(fleet: str, shared: Mapping[str, Counter[FailureKind | None]]) -> Iterator[Finding]:
    """Half a fleet that fails alike in one stage (stage → kind → cells), for a reason of the machinery: one finding and exit code 3."""
    for stage, kinds in shared.items():
        total = kinds.total() - kinds[FailureKind.UPSTREAM]
        for kind in sorted(SHARED_CAUSES):
            count = kinds[kind]
            if count and 2 * count >= total:
                cells = f"{stage} failed in {plural(count, 'cell')} of {total}"
                sentence = f"{cells} for one reason, {kind.value}: the machinery failed, not the models"
                yield Finding(
                    id=finding_id("machinery", fleet, None, stage, None, None, kind.value),
                    rule="machinery",
                    severity=Severity.ERROR,
                    model=None,
                    stage=stage,
                    sentence=sentence,
                    current=kind.value,
                    evidence={"cells": count, "of": total},
                )
