"""What goes into an executor, and what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from driftgate.core.records import CellResult
from driftgate.machine.jobs import Job


@dataclass(frozen=True)
class Task:
    """A job to run. `function` is "module:function", imported in the worker alone; `fresh` asks for an interpreter of its own
    instead of a fork of the warmed server. `time_limit` in seconds, `memory_limit` in bytes of the family's resident size."""

    id: str
    job: Job
    function: str
    fresh: bool
    time_limit: float
    memory_limit: int


@dataclass(frozen=True)
class TaskEnd:
    """How a task ended: always with a valid result. `duration_s` leaves out the time spent waiting for the machine; `log` is
    what the worker printed (`.log` in the job's work folder; missing if it could not be written or nothing started)."""

    task: Task
    result: CellResult
    started_at: datetime
    duration_s: float
    peak_rss_bytes: int | None
    baseline_rss_bytes: int | None
    log: Path


class RunningTask(NamedTuple):
    """A task on its way, for a live table. `since` is in the seconds of `time.monotonic`."""

    task: Task
    since: float
    waiting_for_machine: bool
