"""A temporary folder that goes with its process, or, if that was killed, when the next one makes its own."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_ALIVE = "alive.lock"


class Scratch:
    """A folder of its own under `parent` (which must be private). Its owner lives as long as its lock file is locked."""

    def __init__(self, parent: Path) -> None:
        parent.mkdir(mode=0o700, exist_ok=True)
        guard = _open(parent.with_suffix(".lock"))
        try:
            fcntl.flock(guard, fcntl.LOCK_EX)  # nobody takes a folder for abandoned before its owner has locked it
            _clear_abandoned(parent)
            self.path = Path(tempfile.mkdtemp(dir=parent, prefix=""))
            self._alive = _open(self.path / _ALIVE)
            fcntl.flock(self._alive, fcntl.LOCK_EX)
        finally:
            os.close(guard)

    def close(self) -> None:
        """Remove it. What resists (a model may do strange things to its files) is tried again by the next one."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._alive)


def _clear_abandoned(parent: Path) -> None:
    for folder in parent.iterdir():
        handle = _open(folder / _ALIVE)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
