"""The agent's event log: one JSON line per event (start, verdict, break, finding), appended and never rewritten.

It is the write-ahead log of what Loki shows: an event is on disk here before anything else is done with it, and whoever sends it
(`sinks/shipping.py`, or Alloy that tails the files) reads it from here. `machine/backlog.py` remembers how far that came.

    {"time": "2026-11-22T02:15:00.123456+00:00", "level": "info", "event": "start", "run_id": …, "agent": …, "commit": …,
     "model": SLUG, "stage": "infer", "target": "ort-cpu", "cell": "infer.ort-cpu", …}

What is not known is left out. `time` is UTC, to the microsecond.
"""

from __future__ import annotations

import errno
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from driftgate.core.errors import MachineryError
from driftgate.core.records import Cell
from driftgate.machine.files import reason_of
from driftgate.machine.store import RunStore

_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=str)


class EventLog:
    """Appends events to `agents/AGENT.events.jsonl`; one whole line a write, so that two writers cannot mix. `always` stands in every
    event."""

    def __init__(self, path: Path, **always: str | None) -> None:
        self.path = path
        self._always = always
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            self._end_torn_line()
        except OSError as error:
            raise MachineryError(f"cannot write {path}: {reason_of(error)}") from error

    @classmethod
    def of_run(cls, store: RunStore, agent: str, commit: str | None) -> Self:
        """The log of one agent in one run; each of its events says which."""
        return cls(store.events_path(agent), run_id=store.run_id, agent=agent, commit=commit)

    def write(self, event: str, *, level: str = "info", about: Cell | None = None, **fields: Any) -> None:
        """Append one event with the time of now (UTC); `about` is the cell that it tells of."""
        row: dict[str, Any] = {
            "time": datetime.now(UTC).isoformat(timespec="microseconds"),
            "level": level,
            "event": event,
        }
        row |= self._always
        if about is not None:
            row |= {"model": about.model, "stage": about.stage, "target": about.target, "variant": about.variant}
            row["cell"] = about.name
        known = {name: value for name, value in (row | fields).items() if value is not None}
        line = _JSON.encode(known) + "\n"
        try:
            self._append(line.encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise MachineryError(f"cannot write {self.path}: {reason_of(error)}") from error

    def _append(self, data: bytes) -> None:
        written = os.write(self._descriptor, data)
        if written < len(data):  # a disk takes what still fits; half a line would spoil the next one
            os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _end_torn_line(self) -> None:
        """A machine that lost its power may have left half a line: what is written now begins a line of its own."""
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            self._append(b"\n")

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
