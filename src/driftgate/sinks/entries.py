"""What waits in event logs, as log records for Loki: which facts are labels, which metadata, how long a line may be, how large a batch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from logging import LogRecord, makeLogRecord
from typing import Any

from driftgate.machine.backlog import Backlog, Cursor, Line

BATCH_RECORDS, BATCH_BYTES = 500, 1_000_000
MOST_LINE_BYTES = 200_000
"""Loki takes lines up to 256 KB."""
LABELS = ("stage", "level", "target")
"""Beside `app`: each has tens of values. Whatever has more is metadata, or Loki would keep a stream for each value."""
METADATA = ("event", "run_id", "agent", "commit", "model", "variant", "verdict", "kind", "rule", "severity")
_MOST_VALUE, _MOST_FIELDS = 1_000, 40


@dataclass(frozen=True)
class Entry:
    """A line of a log on its way. `record` is None for what is no event, `flaw` then says why."""

    backlog: Backlog
    line: Line
    record: LogRecord | None
    flaw: str = ""

    @property
    def created(self) -> float:
        """Its time in seconds; what has none goes with whatever comes next."""
        return float(self.record.created) if self.record else 0.0

    @property
    def stream(self) -> tuple[tuple[str, str], ...]:
        """The labels, as something that can be looked up."""
        return tuple(self.record.__dict__["tags"].items()) if self.record else ()


def batches(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    """Neither too many records nor too many bytes in one."""
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        if batch and (len(batch) == BATCH_RECORDS or size + len(entry.line.text) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += len(entry.line.text)
    if batch:
        yield batch


def entries(backlog: Backlog, cursor: Cursor) -> Iterator[Entry]:
    """What waits in one log."""
    for line in backlog.lines(cursor.offset):
        try:
            yield Entry(backlog, line, record_of(line.text) if line.text else None)
        except (ValueError, RecursionError) as error:
            yield Entry(backlog, line, None, f"no event: {error}")


def record_of(text: bytes) -> LogRecord:
    """The event as a log record: its own time, its labels in `tags`, the rest worth a search in `metadata`. Raises ValueError."""
    row = json.loads(text)
    if not isinstance(row, dict) or not isinstance(row.get("time"), str):
        raise ValueError("an event is an object with a time")
    moment = datetime.fromisoformat(row["time"])
    if moment.tzinfo is None:
        raise ValueError("its time has no zone")
    line = text.decode("utf-8", "replace") if len(text) <= MOST_LINE_BYTES else _shortened(row)
    facts = {"created": moment.timestamp(), "msg": line, "name": "driftgate"}
    return makeLogRecord(facts | {"tags": _values(row, LABELS), "metadata": _values(row, METADATA)})


def _values(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    return {name: str(row[name])[:_MOST_VALUE] for name in names if row.get(name) not in (None, "")}


def _shortened(row: Mapping[str, Any]) -> str:
    """The event with its long texts cut and its lists left out; the log has all of it."""
    plain = {name: value for name, value in row.items() if isinstance(value, str | int | float)}
    cut = {name: value[:_MOST_VALUE] if isinstance(value, str) else value for name, value in plain.items()}
    return json.dumps(dict(list(cut.items())[:_MOST_FIELDS]) | {"shortened": True}, ensure_ascii=False)
