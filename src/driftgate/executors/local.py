"""The local executor: a pool of workers on this machine, each alone in a process with a guardian.

    parent ─┬─ warmed server ─┬─ guardian ── worker ── whatever it starts
            │                 └─ guardian ── worker
            └─ guardian ── worker                     (a fresh interpreter)

Each task that was submitted comes back as exactly one TaskEnd, however its worker ends. A guardian or a server that is killed
from outside is replaced, and its task run once more. Nothing outlives the pool, or the process that made it.
"""

from __future__ import annotations

import selectors
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from driftgate.core.errors import MachineryError
from driftgate.core.records import CellResult, Failure
from driftgate.core.verdicts import FailureKind
from driftgate.executors.judge import judge
from driftgate.executors.launch import Launcher
from driftgate.executors.task import RunningTask, Task, TaskEnd
from driftgate.machine.files import write_atomic
from driftgate.machine.isolation.guardian import Order, Outcome
from driftgate.machine.isolation.line import Line
from driftgate.machine.isolation.linux import check_platform
from driftgate.machine.isolation.scratch import Scratch
from driftgate.machine.isolation.turns import MachineLock, Turns

__all__ = ["LocalPool", "RunningTask", "Task", "TaskEnd"]

LOG_NAME = ".log"
GRACE_SECONDS = 0.05
EMPTY_SECONDS = 2.0
_LONG_SECONDS = 3600.0
_TRIES = 2

ProgressFunction = Callable[[Task, int, int | None], None]


def _no_progress(task: Task, done: int, total: int | None) -> None:
    del task, done, total


@dataclass
class _Running:
    task: Task
    order: Order
    line: Line
    since: float
    started_at: datetime
    tries: int = 1
    guardian: int | None = None


class LocalPool:
    """A context manager; leaving it kills what is left. `jobs` workers compute at once, more may wait for the machine.

    `warm` is "module:function", called once in the server (None: it imports no more than a worker needs). `lock_folder` holds the
    files by which several Driftgates of a user agree who takes times, and the pools' temporary folders. Use it from one thread.
    """

    def __init__(
        self,
        jobs: int,
        *,
        warm: str | None,
        lock_folder: Path | None = None,
        on_progress: ProgressFunction = _no_progress,
    ) -> None:
        check_platform()
        self._turns = Turns(jobs)
        self._lock = MachineLock(lock_folder)
        self._scratch = Scratch(self._lock.folder / "pools")
        self._root = self._scratch.path
        self._selector = selectors.DefaultSelector()
        self._launcher = Launcher(warm, self._root, self._selector)
        self._on_progress = on_progress
        self._running: dict[str, _Running] = {}
        self._ended: list[TaskEnd] = []
        self._folders = 0
        self._closed = False
        self._quiet_since = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill what is left and give everything back. Guardians notice that their line broke."""
        if self._closed:
            return
        self._closed = True
        for running in self._running.values():
            running.line.close()
        self._running.clear()
        self._launcher.close()
        self._selector.close()
        self._lock.close()
        self._scratch.close()

    # -- what the scheduler calls --------------------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        """The pool's temporary folder, which goes with it."""
        return self._root

    @property
    def running(self) -> tuple[RunningTask, ...]:
        """What is on its way now, in the order of submission."""
        return tuple(RunningTask(r.task, r.since, self._turns.waits(name)) for name, r in self._running.items())

    def free(self) -> int:
        """How many tasks may be submitted now."""
        room = self._turns.room()
        return room if room and self._lock.share() else 0

    def submit(self, task: Task) -> None:
        """Start a task. Ask `free` before: a pool that is full takes nothing."""
        assert task.id not in self._running, f"task {task.id} runs already"
        if self.free() < 1:
            raise MachineryError("the worker pool is full; ask free() before submit()")
        self._quiet_since = time.monotonic()
        self._begin(task, tries=1)

    def wait(self, timeout: float) -> list[TaskEnd]:
        """What ended: returns at once when something has, when there is room again, or after `timeout` seconds with nothing.

        Raises MachineryError if the worker server cannot start.
        """
        give_up = time.monotonic() + timeout
        was_full = self.free() == 0
        while True:
            self._grant()
            ended, self._ended = self._ended, []
            left = give_up - time.monotonic()
            if ended or left <= 0 or (was_full and self.free() > 0):
                return ended
            self._launcher.check_warm_up()
            for key, _ in self._selector.select(min(left, self._pause())):
                key.data()

    # -- starting ------------------------------------------------------------------------------------------------

    def _begin(self, task: Task, tries: int) -> None:
        now = datetime.now(UTC)
        try:
            order = self._order(task)
        except (OSError, MachineryError) as error:
            self._could_not_start(task, now, Failure.of(FailureKind.DISK, str(error)))
            return
        ours, theirs = Line.pair()
        running = _Running(task, order, ours, time.monotonic(), now, tries)
        try:
            self._launch(running, theirs)
        except OSError as error:
            ours.close()
            self._could_not_start(task, now, _no_process(str(error)))
            return
        finally:
            theirs.close()
        self._turns.admit(task.id)
        self._running[task.id] = running
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._hear(running))

    def _order(self, task: Task) -> Order:
        """Write down what the worker needs, in a folder outside of the run."""
        self._folders += 1
        folder = self._root / str(self._folders)
        temporary = folder / "tmp"
        temporary.mkdir(parents=True)
        task.job.work.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / "job.json", task.job.to_json())
        return Order(
            function=task.function,
            job=folder / "job.json",
            result=folder / "result.json",
            temporary=temporary,
            log=task.job.work / LOG_NAME,
            time_limit=task.time_limit,
            memory_limit=task.memory_limit,
        )

    def _launch(self, running: _Running, theirs: Line) -> None:
        if running.task.fresh:
            running.guardian = self._launcher.fresh(theirs)
        else:
            self._launcher.forked(theirs)
        running.line.send({"order": running.order.to_dict()})

    def _could_not_start(self, task: Task, started: datetime, failure: Failure) -> None:
        log = task.job.work / LOG_NAME
        self._ended.append(TaskEnd(task, CellResult(failure=failure), started, 0.0, None, None, log))

    # -- hearing -------------------------------------------------------------------------------------------------

    def _hear(self, running: _Running) -> None:
        match running.line.receive():
            case {"hello": int(guardian)}:
                running.guardian = guardian
                self._launcher.guardians.add(guardian)
            case {"progress": [int(done), total]}:
                self._on_progress(running.task, done, total)
            case {"want": _}:
                self._quiet_since = time.monotonic()
                if self._turns.want(running.task.id):
                    self._go(running)
            case {"end": facts}:
                self._finish(running, Outcome.model_validate(facts))
            case {"broken": text}:
                self._leave(running)
                self._could_not_start(running.task, running.started_at, _no_process(str(text)))
            case None:
                self._lost(running)

    def _grant(self) -> None:
        """Give the machine to whoever is next, if nobody computes, here or in another Driftgate."""
        quiet = time.monotonic() - self._quiet_since >= GRACE_SECONDS
        worker = self._turns.next(quiet=quiet)
        if worker is None:
            if not self._turns.computing and not self._turns.timing:
                self._lock.release()
        elif self._lock.exclude():
            self._turns.grant(worker)
            self._go(self._running[worker])

    def _go(self, running: _Running) -> None:
        with suppress(OSError):  # it died while it waited: the broken line will tell
            running.line.send({"go": True})

    def _pause(self) -> float:
        """How long nothing can change without a message: only grace and the files of other Driftgates are polled."""
        locked_out = self._turns.room() > 0 and not self._lock.shared
        return GRACE_SECONDS if locked_out or self._turns.stalled else _LONG_SECONDS

    # -- ends ----------------------------------------------------------------------------------------------------

    def _finish(self, running: _Running, outcome: Outcome) -> None:
        self._leave(running)
        task = running.task
        end = TaskEnd(
            task=task,
            result=judge(running.order, task.job.work, outcome),
            started_at=outcome.started_at,
            duration_s=outcome.duration_s,
            peak_rss_bytes=outcome.peak_rss_bytes,
            baseline_rss_bytes=outcome.baseline_rss_bytes,
            log=running.order.log,
        )
        shutil.rmtree(running.order.job.parent, ignore_errors=True)  # cleared again, and for good, with the pool
        self._ended.append(end)

    def _leave(self, running: _Running) -> None:
        self._selector.unregister(running.line)
        running.line.close()
        self._turns.leave(running.task.id)
        self._running.pop(running.task.id)
        if running.guardian is not None:
            self._launcher.bury(running.guardian)
        self._quiet_since = time.monotonic()

    def _lost(self, running: _Running) -> None:
        """The guardian was killed, or never came to be because the server was. Not the model's fault the first time."""
        self._leave(running)
        task = running.task
        if running.tries >= _TRIES:
            message = f"the process that watches the worker was killed {_TRIES} times"
            hint = "the model kills other processes, or the machine is out of memory"
            words = self._launcher.last_words() or None
            failure = Failure.of(FailureKind.SIGNAL, message, hint=hint, traceback=words)
            self._could_not_start(task, running.started_at, failure)
            return
        try:
            _empty(task.job.work)
        except OSError as error:
            failure = Failure.of(FailureKind.DISK, f"cannot empty {task.job.work}: {error.strerror}")
            self._could_not_start(task, running.started_at, failure)
            return
        self._begin(task, running.tries + 1)


def _no_process(reason: str) -> Failure:
    hint = "too many processes or open files, or too little memory: run fewer jobs at once"
    return Failure.of(FailureKind.NOT_RUN, f"no worker could be started: {reason}", hint=hint)


def _empty(folder: Path) -> None:
    """Remove what a first try left; while its last processes die they may still write."""
    give_up = time.monotonic() + EMPTY_SECONDS
    while True:
        try:
            if folder.exists():
                shutil.rmtree(folder)
        except OSError:
            if time.monotonic() > give_up:
                raise
            time.sleep(GRACE_SECONDS)
        else:
            folder.mkdir()
            return
