"""One task on a pool that has nothing else to do."""

from __future__ import annotations

from driftgate.executors.local import LocalPool
from driftgate.executors.task import Task, TaskEnd

PATIENCE_SECONDS = 3_600.0


def run_alone(pool: LocalPool, task: Task) -> TaskEnd:
    """Submit the task as soon as the machine is free, and wait for its end."""
    while pool.free() < 1:
        pool.wait(PATIENCE_SECONDS)  # another Driftgate takes times
    pool.submit(task)
    while not (ended := pool.wait(PATIENCE_SECONDS)):
        pass
    return ended[0]
