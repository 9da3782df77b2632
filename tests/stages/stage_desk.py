"""A run on disk with one `python:` model in it, and stages called on it as a worker would call them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from driftgate.core.errors import StageFailure
from driftgate.core.records import Cell, Failure, LockEntry, Record, StageRecord
from driftgate.core.verdicts import verdict_of
from driftgate.machine.jobs import Bench, Job
from driftgate.machine.settings import LatencySettings, Settings
from driftgate.machine.store import RunStore
from driftgate.stages.inputs.contents import ModelInputs, save_inputs

NO_LATENCY = Settings(latency=LatencySettings(enabled=False))


class QuietBench(Bench):
    @contextmanager
    def alone(self) -> Iterator[None]:
        yield

    def progress(self, done: int, total: int | None) -> None:
        pass


@dataclass
class Desk:
    """`model` is a factory in `sample_models`, or `module:factory`."""

    root: Path
    model: str
    settings: Settings = NO_LATENCY
    entry: LockEntry = field(init=False)

    def __post_init__(self) -> None:
        name = self.model if ":" in self.model else f"sample_models:{self.model}"
        self.entry = LockEntry(ref=f"python:{name}", slug="model", scheme="python", name=name)
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def folder(self) -> Path:
        return RunStore(self.root).model_folder("model")

    def give(self, first: dict[str, torch.Tensor], second: dict[str, torch.Tensor] | None = None, **more: Any) -> None:
        """Save inputs, as the inputs stage would."""
        axes = {name: ("batch", *(f"axis{i}" for i in range(1, tensor.dim()))) for name, tensor in first.items()}
        save_inputs(self.folder, ModelInputs(first=first, second=second or {}, axes=axes, **more))

    def job(self, stage: str, target: str | None = None, variant: str | None = None, part: str | None = None) -> Job:
        cell = Cell(model="model", stage=stage, target=target, variant=variant)
        where = {"run": self.root, "work": self.folder, "cache": self.root / "cache", "inputs": self.root / "inputs"}
        return Job(**where, cell=cell, part=part, entry=self.entry, settings=self.settings)

    def run(
        self, stage: Any, target: str | None = None, variant: str | None = None, part: str | None = None
    ) -> StageRecord:
        """Call the stage, write its record, and return it."""
        job = self.job(stage.__name__, target, variant, part)
        payload: Record | None = None
        failure = None
        try:
            payload = stage(job, QuietBench())
        except StageFailure as error:
            payload = error.payload if isinstance(error.payload, Record) else None
            failure = Failure.of(error.kind, error.message, hint=error.hint, traceback=error.traceback)
        record = StageRecord(
            run_id=job.store.run_id,
            agent="agent",
            model=self.entry.identity(),
            stage=job.cell.stage,
            target=target,
            variant=variant,
            verdict=verdict_of(failure.kind) if failure else "passed",
            failure=failure,
            started_at=datetime.now(UTC),
            duration_s=0,
            payload=payload,
        )
        job.store.write_record(record)
        return record
