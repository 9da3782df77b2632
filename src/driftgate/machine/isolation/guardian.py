"""A guardian: one process that watches one worker and its family from outside, and leaves nothing of it behind.

It lives by the connection to the parent: when that breaks, it kills the family and goes. It measures memory every 50 ms,
keeps the limits, takes in what the worker prints, and passes on what the worker asks for.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from driftgate.core.errors import MachineryError
from driftgate.core.records import Record
from driftgate.machine.files import write_atomic
from driftgate.machine.isolation.family import descendants, kill_descendants, proportional_bytes, resident_bytes
from driftgate.machine.isolation.line import Line, Message
from driftgate.machine.isolation.linux import become_subreaper, oom_kills
from driftgate.machine.isolation.log import BoundedLog
from driftgate.machine.isolation.worker import STACK_SIGNAL, become_worker

SAMPLE_SECONDS = 0.05
STACK_SECONDS = 0.3
LAST_WORDS = 8_000
_READ_BYTES = 1 << 16
_WORKER_CAME_BACK = 70


class Order(Record):
    """What the parent asks for: run `function` on the job in `job`, within limits (seconds, bytes of resident size).

    `temporary` is the worker's TMPDIR, `result` where it writes, `log` where the guardian writes.
    """

    function: str
    job: Path
    result: Path
    temporary: Path
    log: Path
    time_limit: float
    memory_limit: int


class Outcome(Record):
    """How it ended. `status` is what waitpid said, None if the guardian ended it; `stopped_by` is `time`, `memory` or None.

    `disk` tells what could not be written, `last_words` are the end of the log where the worker did not end by itself,
    `oom_kills` how many processes the kernel killed meanwhile for lack of memory, `survivors` what would not die.
    """

    status: int | None
    stopped_by: str | None = None
    started_at: datetime
    duration_s: float
    peak_rss_bytes: int | None = None
    baseline_rss_bytes: int | None = None
    disk: str | None = None
    last_words: str = ""
    oom_kills: int = 0
    survivors: tuple[int, ...] = ()


class Guardian:
    """Runs one order. `work` is called in the worker, with the order and a line for requests, and must not return."""

    def __init__(self, order: Order, parent: Line, work: Callable[[Order, Line], None]) -> None:
        self._order, self._parent, self._work = order, parent, work
        self._log = BoundedLog()
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._ended: int | None = None
        self._stopped_by: str | None = None
        self._abandoned = False
        self._disk: str | None = None
        self._peak = 0
        self._baseline: int | None = None
        self._seen: frozenset[int] = frozenset()
        self._waited = 0.0
        self._waiting_since: float | None = None

    def run(self) -> None:
        """From the fork of the worker to the report. Nothing of the family is left when it returns."""
        become_subreaper()
        kills = oom_kills()
        self._started_at, self._started = datetime.now(UTC), time.monotonic()
        self._start_worker()
        self._watch()
        duration = self._clock()
        survivors = tuple(kill_descendants())
        if self._abandoned:
            self._tidy()
            return
        self._drain()
        text = self._log.text()
        self._write_log(text)
        self._tidy()
        outcome = Outcome(
            status=self._ended,
            stopped_by=self._stopped_by,
            started_at=self._started_at,
            duration_s=duration,
            peak_rss_bytes=self._peak or None,
            baseline_rss_bytes=self._baseline,
            disk=self._disk,
            last_words=text[-LAST_WORDS:] if self._ended != 0 else "",
            oom_kills=oom_kills() - kills,
            survivors=survivors,
        )
        self._tell_parent({"end": outcome.to_dict()})

    # -- the worker ----------------------------------------------------------------------------------------------

    def _start_worker(self) -> None:
        self._output, output = os.pipe()
        self._worker_line, line = Line.pair()
        guardian = os.getpid()
        self._worker = os.fork()
        if self._worker == 0:
            try:
                self._parent.close()  # it must break when the guardian dies
                self._worker_line.close()
                os.close(self._output)
                become_worker(guardian, output, self._order.temporary)
                self._work(self._order, line)
            except BaseException:  # noqa: BLE001  # whatever it is, this process must not go on as a second guardian
                traceback.print_exc()
            os._exit(_WORKER_CAME_BACK)
        os.close(output)
        line.close()
        os.set_blocking(self._output, False)
        self._pidfd = os.pidfd_open(self._worker)
        self._listen(self._output, self._read_output)
        self._listen(self._worker_line.fileno(), self._hear_worker)
        self._listen(self._parent.fileno(), self._hear_parent)
        self._listen(self._pidfd, self._reap_worker)
        self._tell_parent({"hello": guardian})

    def _listen(self, handle: int, handler: Callable[[], None]) -> None:
        self._handlers[handle] = handler
        self._poll.register(handle, select.POLLIN)

    def _ignore(self, handle: int) -> None:
        if self._handlers.pop(handle, None) is not None:
            self._poll.unregister(handle)

    # -- watching ------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        sample_at = time.monotonic()
        while not self._over():
            now = time.monotonic()
            if now >= sample_at:
                self._sample()
                sample_at = now + SAMPLE_SECONDS
                self._check_time()
            if not self._over():
                self._handle_events(sample_at)

    def _over(self) -> bool:
        return self._ended is not None or self._stopped_by is not None or self._abandoned

    def _handle_events(self, until: float) -> None:
        for handle, _ in self._poll.poll(max(0.0, until - time.monotonic()) * 1000):
            if handler := self._handlers.get(handle):
                handler()

    def _clock(self) -> float:
        """Seconds since the start, without those spent waiting for the machine."""
        now = time.monotonic()
        waiting = now - self._waiting_since if self._waiting_since is not None else 0.0
        return now - self._started - self._waited - waiting

    def _check_time(self) -> None:
        if self._stopped_by is None and self._waiting_since is None and self._clock() > self._order.time_limit:
            self._stopped_by = "time"
            self._ask_for_stack()

    def _sample(self) -> None:
        family = descendants(os.getpid())
        # A child right after vfork shows its parent's memory as its own: it counts from the second look on.
        known = [pid for pid in family if pid in self._seen or pid == self._worker]
        self._seen = frozenset(family)
        total = sum(map(resident_bytes, known))
        self._peak = max(self._peak, total)
        limit = self._order.memory_limit
        # Forked children share pages that the sum counts for each of them: look closer before accusing.
        if total > limit and (len(known) == 1 or proportional_bytes(known) > limit):
            self._stopped_by = "memory"

    def _ask_for_stack(self) -> None:
        """Let a worker that hangs print where."""
        signal.pidfd_send_signal(self._pidfd, STACK_SIGNAL)
        patience = time.monotonic() + STACK_SECONDS
        while self._ended is None and not self._abandoned and time.monotonic() < patience:
            self._handle_events(patience)
        self._ended = None

    # -- events --------------------------------------------------------------------------------------------------

    def _reap_worker(self) -> None:
        _, self._ended, usage = os.wait4(self._worker, 0)
        self._peak = max(self._peak, usage.ru_maxrss * 1024)  # what fell between two samples
        self._ignore(self._pidfd)

    def _read_output(self) -> None:
        if data := os.read(self._output, _READ_BYTES):
            self._log.feed(data)
        else:
            self._ignore(self._output)

    def _hear_worker(self) -> None:
        try:
            message = self._worker_line.receive()
        except ValueError as error:
            self._log.feed(f"\n[driftgate: the worker sent something that is no message: {error}]\n".encode())
            message = None
        match message:
            case None:
                self._ignore(self._worker_line.fileno())
            case {"started": _}:
                self._baseline = resident_bytes(self._worker)
            case {"disk": str(text)}:
                self._disk = text
            case {"want": _}:
                self._waiting_since = time.monotonic()
                self._tell_parent(message)
            case {"progress": [int(), int() | None]}:
                self._tell_parent(message)
            case _:
                self._log.feed(b"\n[driftgate: the worker sent a message that means nothing]\n")

    def _hear_parent(self) -> None:
        if self._parent.receive() is None:
            self._abandoned = True
            return
        if self._waiting_since is not None:
            self._waited += time.monotonic() - self._waiting_since
            self._waiting_since = None
        try:
            self._worker_line.send({"go": True})
        except OSError:
            self._ignore(self._worker_line.fileno())  # it ended while it waited; waitpid tells how

    def _tell_parent(self, message: Message) -> None:
        try:
            self._parent.send(message)
        except OSError:
            self._abandoned = True

    # -- the end -------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Take in what the worker had printed and said before it ended. Whoever could add to it has been killed."""
        self._ignore(self._parent.fileno())
        self._ignore(self._pidfd)
        while self._poll.poll(0):
            self._handle_events(time.monotonic())

    def _write_log(self, text: str) -> None:
        try:
            write_atomic(self._order.log, text)
        except MachineryError as error:
            self._disk = self._disk or str(error)

    def _tidy(self) -> None:
        """What the worker left in its temporary folder is nobody's result; the parent clears what resists."""
        shutil.rmtree(self._order.temporary, ignore_errors=True)
