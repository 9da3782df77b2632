"""`RUN/.work`: where jobs write until their files are taken into the run, and how what a killed process left there goes away."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from driftgate.core.errors import MachineryError

NAME = ".work"
UNFINISHED = ".*.tmp"
"""What `write_atomic` calls a file until it is whole."""


@contextmanager
def work_room(run: Path) -> Iterator[Path]:
    """The run's work folder, while the block lasts. Whoever comes first, with nobody else at work on the run, clears what is unfinished.

    A lock tells who is at work; the kernel releases it with its holder, however that dies.
    """
    room = run / NAME
    try:
        room.mkdir(exist_ok=True)
        handle = os.open(room, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise MachineryError(f"cannot work in {room}: {error.strerror}; choose another --output") from error
    try:
        if _alone(handle):
            _clear(run, room)
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield room
    finally:
        os.close(handle)


def _alone(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _clear(run: Path, room: Path) -> None:
    for folder in room.iterdir():
        shutil.rmtree(folder, ignore_errors=True)  # what resists is in nobody's way
    for path in run.rglob(UNFINISHED):
        path.unlink(missing_ok=True)
