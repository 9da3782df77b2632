"""One machine, several workers, several Driftgates: who may compute now, and who has the machine alone to take times.

`Turns` decides within one process; `MachineLock` agrees with the other Driftgates of this user by two files:

    machine.lock    shared by every Driftgate that has a worker computing; exclusive for one that takes times
    turnstile.lock  held by whoever waits for the exclusive one: nobody starts new work meanwhile, so the wait ends

Both are released by the kernel when their holder dies. Between two turns of timing a process has to compute, and for that to
pass the turnstile, so neither side can starve the other.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from pathlib import Path

from driftgate.core.errors import MachineryError


class Turns:
    """The workers of one process: computing, waiting for the machine, or one of them alone on it.

    Once enough of them wait, or nothing else is left to compute, no worker is admitted until all who wait had their turn.
    A turn lasts until its worker ends.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs, self._most_waiting = jobs, max(2, 2 * jobs)
        self._computing: set[str] = set()
        self._waiting: list[str] = []
        self._alone: str | None = None
        self._draining = False

    @property
    def computing(self) -> bool:
        """Whether a worker computes beside others."""
        return bool(self._computing)

    @property
    def timing(self) -> bool:
        """Whether a worker has the machine alone."""
        return self._alone is not None

    @property
    def stalled(self) -> bool:
        """Whether workers wait for the machine though none is computing or timing here."""
        return bool(self._waiting) and not self._computing and not self.timing

    def waits(self, worker: str) -> bool:
        """Whether the worker waits for the machine."""
        return worker in self._waiting

    def room(self) -> int:
        """How many workers may be admitted now."""
        if self.timing or self._draining:
            return 0
        busy = len(self._computing)
        return max(0, min(self._jobs - busy, self._most_waiting - len(self._waiting) - busy))

    def admit(self, worker: str) -> None:
        """A worker starts to compute."""
        self._computing.add(worker)

    def want(self, worker: str) -> bool:
        """A worker asks for the machine. True if it has it still, from an earlier time."""
        if worker == self._alone:
            return True
        self._computing.discard(worker)
        if worker not in self._waiting:
            self._waiting.append(worker)
        self._draining = self._draining or len(self._waiting) + len(self._computing) >= self._most_waiting
        return False

    def next(self, *, quiet: bool) -> str | None:
        """Who may have the machine now. `quiet`: nothing has been admitted for a while, so nothing else is to come."""
        if self._computing or self.timing or not self._waiting or not (self._draining or quiet):
            return None
        self._draining = True
        return self._waiting[0]

    def grant(self, worker: str) -> None:
        """The worker that `next` named has the machine."""
        self._waiting.remove(worker)
        self._alone = worker

    def leave(self, worker: str) -> None:
        """A worker has ended, in whatever state."""
        self._computing.discard(worker)
        if worker in self._waiting:
            self._waiting.remove(worker)
        if worker == self._alone:
            self._alone = None
        self._draining = self._draining and (self.timing or bool(self._waiting))


class MachineLock:
    """This process's share of the machine. Every attempt returns at once."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(tempfile.gettempdir()) / f"driftgate-{os.getuid()}"
        _make_private(self.folder)
        self._machine = self._open("machine.lock")
        self._turnstile = self._open("turnstile.lock")
        self._holds: int | None = None

    @property
    def shared(self) -> bool:
        """Whether this process holds the machine together with others."""
        return self._holds == fcntl.LOCK_SH

    def share(self) -> bool:
        """Hold the machine together with others. False while another Driftgate takes times, or waits to."""
        if self._holds == fcntl.LOCK_EX or not _try(self._turnstile, fcntl.LOCK_SH):
            return False
        if self._holds is None and _try(self._machine, fcntl.LOCK_SH):
            self._holds = fcntl.LOCK_SH
        fcntl.flock(self._turnstile, fcntl.LOCK_UN)
        return self._holds is not None

    def exclude(self) -> bool:
        """Hold the machine alone. While it is False this process stays first in line, until it calls `release`."""
        if self._holds == fcntl.LOCK_SH:
            self.release()
        if self._holds is None and _try(self._turnstile, fcntl.LOCK_EX) and _try(self._machine, fcntl.LOCK_EX):
            self._holds = fcntl.LOCK_EX
            fcntl.flock(self._turnstile, fcntl.LOCK_UN)
        return self._holds == fcntl.LOCK_EX

    def release(self) -> None:
        """Hold nothing, and wait for nothing."""
        fcntl.flock(self._turnstile, fcntl.LOCK_UN)
        fcntl.flock(self._machine, fcntl.LOCK_UN)
        self._holds = None

    def close(self) -> None:
        """Release and close."""
        os.close(self._turnstile)
        os.close(self._machine)

    def _open(self, name: str) -> int:
        return os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _try(handle: int, operation: int) -> bool:
    try:
        fcntl.flock(handle, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.lstat()
    except OSError as error:
        raise MachineryError(f"cannot make {folder}: {error.strerror}; set TMPDIR to a folder of yours") from error
    mine = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid()
    if not mine or stat.S_IMODE(facts.st_mode) & 0o077:
        raise MachineryError(
            f"{folder} is not a folder that belongs to you alone; remove it, or set TMPDIR to a folder of yours"
        )
