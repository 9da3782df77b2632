"""The agent's event log: one JSON line per event (start, verdict, break, finding), appended and never rewritten.

What is shipped to Loki later is read from this file, so it is written before anything is shown.
"""

from __future__ import annotations

import errno
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from driftgate.core.errors import MachineryError
from driftgate.machine.files import reason_of


class EventLog:
    """Appends events to `agents/AGENT.events.jsonl`; one whole line a write, so that two writers cannot mix."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise MachineryError(f"cannot write {path}: {reason_of(error)}") from error

    def write(self, event: str, *, level: str = "info", **fields: Any) -> None:
        """Append one event with the time of now (UTC)."""
        row = {"time": datetime.now(UTC).isoformat(), "level": level, "event": event} | fields
        line = json.dumps(row, ensure_ascii=False, allow_nan=False, default=str) + "\n"
        try:
            self._append(line.encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise MachineryError(f"cannot write {self.path}: {reason_of(error)}") from error

    def _append(self, data: bytes) -> None:
        written = os.write(self._descriptor, data)
        if written < len(data):  # a disk takes what still fits; half a line would spoil the next one
            os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
