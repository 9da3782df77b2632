"""Takes what waits in event logs to Loki, batch by batch, whatever the server does.

A batch is tried until it is answered, with growing pauses; a refused one is halved until the record is found that the server will not
have. Only then do the cursors move, each to the end of what is settled. A server that refuses one record after the other and takes none
has something against all of them: then nothing is settled, and it can be sent again when the server has been mended.
"""

from __future__ import annotations

import fcntl
import heapq
import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from math import inf
from pathlib import Path

from driftgate.core.errors import MachineryError
from driftgate.machine.backlog import Backlog, Cursor, backlogs
from driftgate.machine.runs import run_ids
from driftgate.machine.store import RunStore
from driftgate.sinks.endpoint import Endpoint
from driftgate.sinks.entries import Entry, batches, entries
from driftgate.sinks.loki import Answer, LokiBatches, Outcome, push_url

MOST_AGE_SECONDS = 7 * 86_400
ATTEMPT_SECONDS = 10.0
"""The longest wait for one answer."""
FIRST_PAUSE, LONGEST_PAUSE, LONGEST_ASKED = 0.25, 30.0, 300.0
_LATE = re.compile(r"too far behind|too old", re.IGNORECASE)
_OLDEST = re.compile(r"oldest acceptable timestamp is: *(\d{4}-\d\d-\d\dT[0-9:.]+Z)")
_MOST_DOUBTS = 20
"""Refusals by a server that has taken nothing yet, before it is left alone."""
_LOCK, _LOCK_PAUSE = ".shipping.lock", 0.1

Wait = Callable[[float], bool]
"""Waits so many seconds; False, perhaps at once, if nothing is to be done afterwards."""


class StoppedError(Exception):
    """Why the rest has to wait."""


@dataclass(frozen=True)
class _Fate:
    """What became of an entry: the name of the cursor's count (none for an empty line), and why."""

    count: str
    words: str = ""


class Shipper:
    """Sends to one endpoint. Gives up where nothing went forward for `patience_s`, and after `total_s` in any case; waits at most
    `attempt_s` for one answer. `turn` is a context in which something may be done now.

    Counts what it `sent` and what it `dropped` (refused, too old; `why` is the first refusal); `asked_s` is how long the server wants to be
    left alone.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        wait: Wait,
        *,
        patience_s: float,
        total_s: float = inf,
        attempt_s: float = ATTEMPT_SECONDS,
        turn: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._loki, self._url = LokiBatches(endpoint), push_url(endpoint)
        self._wait, self._patience_s, self._attempt_s, self._turn = wait, patience_s, attempt_s, turn
        self._end = time.monotonic() + total_s
        self._finished: set[Path] = set()
        self._oldest: dict[tuple[tuple[str, str], ...], float] = {}
        self.sent = self.dropped = 0
        self.asked_s = 0.0
        self.why = ""
        self._takes_some = False
        self._doubts: list[str] = []
        self._held: list[tuple[list[Entry], dict[Entry, _Fate], dict[Backlog, Cursor]]] = []

    def send(self, store: RunStore) -> str | None:
        """Everything that waits in older runs of the folder, then in this one. Why it stopped, None if nothing waits any more."""
        root = store.root.resolve()
        try:
            with self._alone(root.parent):
                for run in _older(root):
                    if run.root not in self._finished:
                        self._send_run(run)
                        self._finished.add(run.root)
                self._send_run(RunStore(root))
            if self._doubts:
                raise StoppedError(self._doubts[0])
        except (StoppedError, MachineryError, OSError) as reason:
            return str(reason)
        finally:
            self._held.clear()
            self._doubts.clear()
        return None

    @contextmanager
    def _alone(self, output: Path) -> Iterator[None]:
        """One process at a time sends from a folder of runs; the kernel releases the lock of a killed one."""
        handle = os.open(output / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        give_up = self._give_up()
        try:
            while not _locked(handle):
                self._wait_until(give_up, _LOCK_PAUSE, f"another process sends from {output}")
            yield
        finally:
            os.close(handle)

    def _give_up(self) -> float:
        return min(time.monotonic() + self._patience_s, self._end)

    def _wait_until(self, give_up: float, seconds: float, problem: str) -> None:
        """Raises StoppedError with the problem where there is no time for that."""
        if time.monotonic() + seconds > give_up or not self._wait(seconds):
            raise StoppedError(problem)

    def _send_run(self, run: RunStore) -> None:
        cursors = {backlog: backlog.cursor() for backlog in backlogs(run)}
        for batch in batches(
            heapq.merge(*(entries(b, c) for b, c in cursors.items()), key=lambda entry: entry.created)
        ):
            if time.monotonic() > self._end:
                raise StoppedError("there was no time for more")
            fates: dict[Entry, _Fate] = {}
            try:
                self._deliver(batch, fates)
            finally:
                self._held.append((batch, fates, cursors))
                if not self._doubts:
                    self._settle_all()

    def _settle_all(self) -> None:
        for held in self._held:
            self._settle(*held)
        self._held.clear()

    def _settle(self, batch: Sequence[Entry], fates: Mapping[Entry, _Fate], cursors: dict[Backlog, Cursor]) -> None:
        """Move the cursors to the end of what has met its fate, in order."""
        unsettled = next((number for number, entry in enumerate(batch) if entry not in fates), len(batch))
        settled = batch[:unsettled]
        for backlog in dict.fromkeys(entry.backlog for entry in settled):
            own = [(entry, fates[entry]) for entry in settled if entry.backlog == backlog]
            backlog.set_aside((entry.line.text, fate.words) for entry, fate in own if fate.count == "refused")
            counted = Counter(fate.count for _, fate in own if fate.count)
            cursors[backlog] = backlog.move(cursors[backlog], own[-1][0].line.end, **counted)
            self.sent += counted["sent"]
            self.dropped += counted["refused"] + counted["too_old"]
            self.why = self.why or next((fate.words for _, fate in own if fate.count == "refused"), "")

    def _deliver(self, batch: Sequence[Entry], fates: dict[Entry, _Fate]) -> None:
        fates |= {entry: fate for entry in batch if (fate := self._fate_without_asking(entry)) is not None}
        left = [entry for entry in batch if entry not in fates]
        if not left:
            return
        answer = self._answered(left)
        if answer.outcome is Outcome.STORED:
            self._takes_some = True
            self._doubts.clear()
            fates |= dict.fromkeys(left, _Fate("sent"))
        elif len(left) == 1:
            fates[left[0]] = self._refusal(left[0], answer.words)
        else:
            middle = len(left) // 2
            self._deliver(left[:middle], fates)
            self._deliver(left[middle:], fates)

    def _fate_without_asking(self, entry: Entry) -> _Fate | None:
        if entry.record is None:
            return _Fate("refused", entry.flaw) if entry.flaw else _Fate("")
        oldest = max(time.time() - MOST_AGE_SECONDS, self._oldest.get(entry.stream, 0.0))
        return _Fate("too_old") if entry.created < oldest else None

    def _refusal(self, entry: Entry, words: str) -> _Fate:
        """What a refusal of one record means; the server's limit for its stream is remembered, so that it isn't asked about each."""
        if not _LATE.search(words):
            self._doubt(words)
            return _Fate("refused", words)
        limit = _OLDEST.search(words)
        if limit:
            self._oldest[entry.stream] = datetime.fromisoformat(limit[1]).timestamp()
        return _Fate("too_old", words)

    def _doubt(self, words: str) -> None:
        """Is it the record, or is it the server? That is known when it has taken another one."""
        if not self._takes_some:
            self._doubts.append(f"{self._url}: {words}")
            if len(self._doubts) == _MOST_DOUBTS:
                raise StoppedError(self._doubts[0])

    def _answered(self, batch: Sequence[Entry]) -> Answer:
        """Stored or refused. Raises StoppedError where the server wants none of it, or patience is at its end."""
        records = [entry.record for entry in batch if entry.record]
        give_up = self._give_up()
        attempt = 0
        while True:
            with self._turn():
                answer = self._loki.push(records, min(self._attempt_s, max(0.5, give_up - time.monotonic())))
            self.asked_s = min(answer.wait_s or 0.0, LONGEST_ASKED)
            if answer.outcome in {Outcome.STORED, Outcome.REFUSED}:
                return answer
            problem = f"{self._url}: {answer.words}"
            if answer.outcome is Outcome.NOT_HERE:
                raise StoppedError(problem)
            self._wait_until(give_up, max(_pause_after(attempt), self.asked_s), problem)
            attempt += 1


def _pause_after(attempt: int) -> float:
    """Twice as long each time, with jitter, so that many senders don't come back at once."""
    longest: float = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempt, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311


def _older(root: Path) -> Iterator[RunStore]:
    for run_id in run_ids(root.parent):
        if run_id < root.name:
            yield RunStore(root.parent / run_id)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
