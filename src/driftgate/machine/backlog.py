"""How far the events of a run have been sent: a cursor beside each event log, and what waits behind it.

    agents/AGENT.events.jsonl            the log (machine/events.py)
    agents/AGENT.events.cursor           so many bytes are dealt with, and what became of the records in them
    agents/AGENT.events.refused.jsonl    records that the server will never take, each with its words

A cursor is bound to what lies before it in the file, not to an inode: it is right for a copy of the run, and not for another file that
took the log's place. That one is read from its beginning.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from driftgate.core.errors import MachineryError
from driftgate.core.records.base import Record
from driftgate.machine.files import CHUNK, reason_of, write_atomic
from driftgate.machine.store import RunStore

LINE_BYTES = 1 << 20
"""No event is longer; what is, is not an event."""
_WINDOW = 4096


class Cursor(Record):
    """`offset` bytes are dealt with; `before` is a hash of what stands there. Counts are of records since the log began: `sent`, refused by
    the server, or too old for it."""

    version: int = 1
    offset: int = 0
    before: str = ""
    sent: int = 0
    refused: int = 0
    too_old: int = 0


class Line(NamedTuple):
    """A line of a log without its end, and the offset behind it."""

    text: bytes
    end: int


@dataclass(frozen=True)
class Counts:
    """Records of one agent in one run: on disk alone, taken by the server, never to be taken."""

    agent: str
    waiting: int
    sent: int
    dropped: int


@dataclass(frozen=True)
class Backlog:
    """What is left to send of one event log."""

    log: Path

    @property
    def agent(self) -> str:
        """Whose log it is."""
        return self.log.name.removesuffix(".events.jsonl")

    @property
    def cursor_path(self) -> Path:
        """Where the cursor lies."""
        return self.log.with_suffix(".cursor")

    @property
    def refused_path(self) -> Path:
        """Where refused records are set aside."""
        return self.log.with_suffix(".refused.jsonl")

    def cursor(self) -> Cursor:
        """Where to go on. A cursor that is damaged, or that belongs to another file, begins anew: twice is better than never."""
        try:
            cursor = Cursor.model_validate_json(self.cursor_path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return Cursor()
        fits = cursor.offset <= self.log.stat().st_size and cursor.before == self._digest(cursor.offset)
        return cursor if fits else Cursor()

    def lines(self, offset: int) -> Iterator[Line]:
        """The whole lines from there on; half a line at the end waits for its other half. One that is too long comes cut."""
        with self.log.open("rb") as stream:
            stream.seek(offset)
            while text := stream.readline(LINE_BYTES):
                rest = text
                while rest and not rest.endswith(b"\n"):
                    rest = stream.readline(LINE_BYTES)
                if not rest:
                    return
                yield Line(text.rstrip(b"\n"), stream.tell())

    def waiting(self) -> int:
        """How many lines lie behind the cursor."""
        count = 0
        with self.log.open("rb") as stream:
            stream.seek(self.cursor().offset)
            while chunk := stream.read(CHUNK):
                count += chunk.count(b"\n")
        return count

    def move(self, cursor: Cursor, end: int, **counts: int) -> Cursor:
        """Everything up to `end` is dealt with; `counts` is what became of it. On disk when this returns."""
        added = {name: getattr(cursor, name) + count for name, count in counts.items()}
        moved = cursor.model_copy(update={"offset": end, "before": self._digest(end)} | added)
        write_atomic(self.cursor_path, moved.to_json())
        return moved

    def set_aside(self, refused: Iterable[tuple[bytes, str]]) -> None:
        """Keep what the server will never take, with its words."""
        rows = [{"reason": words, "record": text.decode("utf-8", "backslashreplace")} for text, words in refused]
        if not rows:
            return
        try:
            with self.refused_path.open("a", encoding="utf-8") as stream:
                stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        except OSError as error:
            raise MachineryError(f"cannot write {self.refused_path}: {reason_of(error)}") from error

    def _digest(self, offset: int) -> str:
        """Of the first and the last 4 KB before the offset."""
        with self.log.open("rb") as stream:
            head = stream.read(min(_WINDOW, offset))
            stream.seek(max(0, offset - _WINDOW))
            tail = stream.read(min(_WINDOW, offset))
        return hashlib.sha256(head + tail).hexdigest()[:16]


def backlogs(store: RunStore) -> tuple[Backlog, ...]:
    """One for each event log of the run."""
    return tuple(map(Backlog, store.event_logs()))


def counts(store: RunStore) -> tuple[Counts, ...]:
    """What became of the events of a run so far, agent by agent."""
    found = []
    for backlog in backlogs(store):
        cursor = backlog.cursor()
        found.append(Counts(backlog.agent, backlog.waiting(), cursor.sent, cursor.refused + cursor.too_old))
    return tuple(found)
