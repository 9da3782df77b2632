"""A laboratory for pools: it makes tasks, waits for their ends, and finds every process that a test started."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from driftgate.core.records import Cell, LockEntry
from driftgate.executors.local import LocalPool, Task, TaskEnd
from driftgate.machine.jobs import Job
from driftgate.machine.settings import Settings

MARK = "DRIFTGATE_TEST_MARK"
WARM = "driftgate.testing.misbehave:warm"


@dataclass
class Lab:
    """What a test needs around a pool. `mark` is in the environment of every process that the test starts."""

    folder: Path
    mark: str
    serial: int = 0

    def pool(self, jobs: int = 4, *, warm: str | None = WARM, **more: object) -> LocalPool:
        """A pool whose files lie in the laboratory."""
        return LocalPool(jobs, warm=warm, lock_folder=self.folder / "locks", **more)  # type: ignore[arg-type]

    def task(
        self, fake: str, *, fresh: bool = False, time_limit: float = 20.0, memory_limit: int = 10**9, module: str = ""
    ) -> Task:
        """A task for a fake of `misbehave` (or of `module`), with a name and a work folder of its own."""
        self.serial += 1
        name = f"{fake}-{self.serial}"
        job = Job(
            run=self.folder,
            work=self.folder / "work" / name,
            cache=self.folder,
            inputs=self.folder,
            cell=Cell(model=name, stage="pull"),
            entry=LockEntry(ref="zoo:fake", slug=name, scheme="zoo", name="fake"),
            settings=Settings(),
        )
        function = f"{module or 'driftgate.testing.misbehave'}:{fake}"
        return Task(name, job, function, fresh, time_limit, memory_limit)

    def run(self, pool: LocalPool, *tasks: Task, patience: float = 40.0) -> list[TaskEnd]:
        """Submit the tasks as room allows; return their ends in the same order. Each must end exactly once."""
        ends: dict[str, TaskEnd] = {}
        todo, give_up = list(tasks), time.monotonic() + patience
        while len(ends) < len(tasks):
            assert time.monotonic() < give_up, f"no end of {[t.id for t in tasks if t.id not in ends]}"
            while todo and pool.free() > 0:
                pool.submit(todo.pop(0))
            for end in pool.wait(1.0):
                assert end.task.id not in ends, f"{end.task.id} ended twice"
                ends[end.task.id] = end
        assert pool.running == ()
        return [ends[task.id] for task in tasks]

    def processes(self) -> dict[int, str]:
        """Living processes of this test but for the test itself: id → command line."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    environment, command = (entry / "environ").read_bytes(), (entry / "cmdline").read_bytes()
                except (FileNotFoundError, ProcessLookupError, PermissionError):
                    continue
                if f"{MARK}={self.mark}".encode() in environment:
                    found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace")
        return found

    def settles(self, holds: Callable[[], bool], patience: float = 5.0) -> bool:
        """Whether it comes true within `patience` seconds."""
        give_up = time.monotonic() + patience
        while not (true := holds()) and time.monotonic() < give_up:
            time.sleep(0.02)
        return true
