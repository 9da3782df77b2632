"""Writing down how a cell ended: its record, its files, its log, its event; and telling whoever watches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from driftgate.core.records import (
    PAYLOADS,
    Artifact,
    Cell,
    CellResult,
    ExplainPayload,
    Failure,
    LockEntry,
    StageRecord,
)
from driftgate.core.verdicts import FailureKind, Verdict, verdict_of
from driftgate.executors.local import LocalPool
from driftgate.executors.task import Task, TaskEnd
from driftgate.machine.events import EventLog
from driftgate.machine.files import write_atomic
from driftgate.machine.store import RunStore


class Watcher(Protocol):
    """Whoever shows progress: told of everything, asked for nothing."""

    def begin(self, total: int, done: int) -> None:
        """The run starts; `done` of its cells have a record already."""

    def ended(self, record: StageRecord) -> None:
        """A cell has its record."""

    def tick(self, pool: LocalPool) -> None:
        """Some time has passed."""

    def downloading(self, task: Task, done: int, total: int | None) -> None:
        """A download came this far, in bytes."""


@dataclass(frozen=True)
class Ended:
    """How a cell ended: its one result, and the task ends that it was made of (none if no worker was needed)."""

    cell: Cell
    result: CellResult
    started_at: datetime
    ends: Sequence[TaskEnd] = ()
    tries: int = 1
    flaky: bool = False
    cached: bool = False


@dataclass(frozen=True)
class Recorder:
    """The only writer of records."""

    store: RunStore
    entries: Mapping[str, LockEntry]
    events: EventLog
    watcher: Watcher
    agent: str

    def write(self, ended: Ended) -> StageRecord:
        """The record goes to disk, then its events to the log, then the news to the watcher."""
        cell, result, ends = ended.cell, ended.result, ended.ends
        record = StageRecord(
            run_id=self.store.run_id,
            agent=self.agent,
            model=self.entries[cell.model].identity(),
            stage=cell.stage,
            target=cell.target,
            variant=cell.variant,
            verdict=verdict_of(result.failure.kind) if result.failure else Verdict.PASSED,
            failure=result.failure,
            started_at=ended.started_at,
            duration_s=round(sum(end.duration_s for end in ends), 6),
            peak_rss_bytes=max((end.peak_rss_bytes or 0 for end in ends), default=0) or None,
            baseline_rss_bytes=ends[0].baseline_rss_bytes if ends else None,
            attempt=ended.tries,
            flaky=ended.flaky,
            cached=ended.cached,
            payload=result.payload,  # validated by the stage's class
            artifacts=result.artifacts,
        )
        self.store.write_record(record)
        self._tell(record)
        return record

    def take_files(self, artifacts: Sequence[Artifact], work: Path, cell: Cell) -> None:
        """Move files of a job into the model's folder."""
        folder = self.store.model_folder(cell.model)
        for artifact in artifacts:
            target = folder / artifact.name
            target.parent.mkdir(parents=True, exist_ok=True)
            (work / artifact.name).replace(target)

    def keep_log(self, cell: Cell, ends: Sequence[TaskEnd]) -> None:
        """What the workers printed, one part after the other."""
        texts = [(end.task.job.part, end.log.read_bytes()) for end in ends if end.log.is_file()]
        headed = [(f"== {part}\n".encode() if part else b"") + text for part, text in texts if text]
        path = self.store.log_path(cell)
        path.unlink(missing_ok=True)
        if any(headed):
            write_atomic(path, b"\n".join(headed))

    def _tell(self, record: StageRecord) -> None:
        failure = record.failure
        self.events.write(
            "verdict",
            level="info" if record.passed or record.verdict is Verdict.SKIPPED else "error",
            about=record.cell,
            verdict=record.verdict.value,
            kind=failure.kind.value if failure else None,
            message=failure.message if failure else None,
            duration_s=record.duration_s,
            cached=record.cached,
        )
        self._tell_breaks(record)
        self.watcher.ended(record)

    def _tell_breaks(self, record: StageRecord) -> None:
        """One event for each place where dynamo broke the graph."""
        if not isinstance(record.payload, ExplainPayload):
            return
        for found in record.payload.breaks:
            self.events.write(
                "break",
                level="warning",
                about=record.cell,
                family=record.model.family,
                kind=found.gb_id,
                message=found.reason,
                gb_type=found.gb_type,
                file=found.file,
                line=found.line,
                function=found.function,
                count=found.count,
                fingerprint=found.fingerprint,
                url=found.url,
            )


def validated(stage: str, result: CellResult) -> CellResult:
    """The result as it is, or a `bad_record` failure if its payload is not what the stage promises."""
    try:
        if result.payload is not None:
            PAYLOADS[stage].model_validate(result.payload)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = f"the {stage} payload is not valid: {place}: {first['msg']}"
        return CellResult(failure=Failure.of(FailureKind.BAD_RECORD, message))
    return result
