"""One cell of a run, computed again in a process of another environment: a scratch run and a command that a person can paste.

    ENVIRONMENT/bin/python -P -m driftgate infer --run SCRATCH --with-needs --no-cache

The first call computes what the cell needs in that environment, too (the export for instance): all that the environment changes.
Pulled files are the run's own. Each further call computes the cell alone once more: a launch.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from driftgate import __version__
from driftgate.core.errors import DriftgateError, MachineryError, one_line
from driftgate.core.records import Cell, InferPayload, Lock, LockEntry, Manifest, Plan, StageRecord
from driftgate.executors.take_over import take_over
from driftgate.machine.gate_settings import NAME as GATE
from driftgate.machine.settings import Settings
from driftgate.machine.store import RunStore
from driftgate.machine.tolerances import keep_tolerances, tolerances_in
from driftgate.pipeline import STAGE_OF, closure

_TRIES = 2
_SLACK_SECONDS = 600.0


class NotLaunchedError(DriftgateError):
    """Driftgate itself does not run in that environment, or the cell gives no times there; the message says why."""


@dataclass(frozen=True)
class Side:
    """A cell and what computes it: an interpreter, the folder that it runs in (the code under test), changes to the environment."""

    python: Path
    store: RunStore
    cell: Cell
    folder: Path
    variables: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def command(self) -> list[str]:
        """What is called; `python -P` keeps modules of the folder from shadowing Driftgate's, workers have it on their path."""
        return [
            *(str(self.python), "-P", "-m", "driftgate", self.cell.stage),
            *("--run", str(self.store.root), "--with-needs", "--no-cache"),
        ]

    def __str__(self) -> str:
        return shlex.join(self.command)

    def compute(self) -> StageRecord:
        """The cell's record, new. Raises NotLaunchedError where none comes about."""
        limit = self._patience()
        self.store.record_path(self.cell).unlink(missing_ok=True)
        environment = {**os.environ, **self.variables}
        try:
            ended = subprocess.run(
                self.command,
                cwd=self.folder,
                env={name: value for name, value in environment.items() if value is not None},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                timeout=limit,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise MachineryError(f"`{self}` did not end within {limit:g} s") from error
        record = self.store.record(self.cell)
        if record is None:
            last = ended.stderr.strip().splitlines()[-1:] or ["no message"]
            raise NotLaunchedError(one_line(f"Driftgate ended with {ended.returncode} there: {last[0]}")[:300])
        return record

    def launch(self) -> float:
        """The p50 of a new process, in seconds; tried again if it comes to no times. Raises NotLaunchedError."""
        for _ in range(_TRIES):
            record = self.compute()
            payload = record.payload
            if record.passed and isinstance(payload, InferPayload) and payload.latency is not None:
                return payload.latency.p50
        why = record.failure.message if record.failure else "no times were taken"
        raise NotLaunchedError(one_line(f"{self.cell} does not run: {why}")[:300])

    def _patience(self) -> float:
        cells = len(self.store.plan().cells)
        limits = Settings.model_validate(self.store.manifest().config).limits
        return _SLACK_SECONDS + 2 * cells * limits.time


@dataclass(frozen=True)
class Sides:
    """Makes sides from a run: `scratch` is the cache's folder for their runs, `timed` tells whether times are taken."""

    origin: RunStore
    scratch: Path
    timed: bool = False

    def of(
        self,
        cell: Cell,
        python: Path | None = None,
        *,
        folder: Path | None = None,
        variables: Mapping[str, str | None] | None = None,
        entry: LockEntry | None = None,
        keep: bool = False,
    ) -> Side:
        """A side with a scratch run of its own. Defaults: this interpreter, this folder, the run's own pin of the model. With `keep` it
        starts from the run's own inputs and export, if they are still there."""
        pinned = next(one for one in self.origin.lock().models if one.slug == cell.model)
        store = RunStore.create(self.scratch)
        cells = closure(cell, str(self.origin.manifest().config.get("reference", "")))
        store.write_lock(Lock(models=(entry or pinned,)))
        store.write_plan(Plan(run_id=store.run_id, fleet=self.origin.plan().fleet, cells=cells))
        keep_tolerances(store, tolerances_in(self.origin))
        if self.origin.has(GATE):
            store.write_text(GATE, (self.origin.root / GATE).read_text("utf-8"))
        pulled = entry in (None, pinned) and self._has_files(pinned) and self._take(store, cells, "pull")
        if keep:
            self._take(store, cells, "inputs", "export")
        self._write_manifest(store, pulled=pulled)
        return Side(python or Path(sys.executable), store, cell, folder or Path.cwd(), variables or {})

    def _has_files(self, entry: LockEntry) -> bool:
        """Whether the model's files are still in the cache; a `python:` model has none, and is imported anew."""
        return entry.scheme != "python" and STAGE_OF["pull"].there(entry, self.scratch.parent / "models")

    def _take(self, store: RunStore, cells: tuple[Cell, ...], *stages: str) -> bool:
        taken = [take_over(self.origin, store, cell) for cell in cells[:-1] if cell.stage in stages]
        return all(taken)

    def _write_manifest(self, store: RunStore, *, pulled: bool) -> None:
        was = self.origin.manifest()
        settings = Settings.model_validate(was.config)
        latency = settings.latency.model_copy(update={"enabled": self.timed})
        changes: dict[str, object] = {"baseline": None, "latency": latency}
        if pulled:  # no Hub is asked, and none need be built for another toolchain
            changes["hub"] = settings.hub.model_copy(update={"endpoint": None, "top": 0})
        config = settings.model_copy(update=changes).model_dump(mode="json")
        store.write_manifest(
            Manifest(
                run_id=store.run_id,
                fleet=was.fleet,
                driftgate=__version__,
                started_at=datetime.now(UTC),
                config=config,
            )
        )
