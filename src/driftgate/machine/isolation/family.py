"""A family of processes: who descends from whom, how much memory they hold, and how to end them all.

The walk reads /proc/PID/task/TID/children of the family alone, never the whole of /proc: some 50 µs a process.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable

Spare = Callable[[int], bool]
_GONE = (FileNotFoundError, ProcessLookupError)
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PAUSE_SECONDS = 0.002


def children(pid: int) -> list[int]:
    """The direct children of a process, of all its threads; empty if it has gone."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except _GONE:
        return found
    for thread in threads:
        try:
            found += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())
        except _GONE:
            continue
    return found


def descendants(pid: int, spare: Spare = lambda pid: False) -> list[int]:
    """Everything below a process, zombies included, without the direct children (and theirs) that `spare` names."""
    todo = [child for child in children(pid) if not spare(child)]
    found: dict[int, None] = {}
    while todo:
        current = todo.pop()
        if current not in found:
            found[current] = None
            todo += children(current)
    return list(found)


def resident_bytes(pid: int) -> int:
    """The resident size of one process; 0 if it has gone. Pages shared with others count in full."""
    try:
        return int(_read(f"/proc/{pid}/statm").split()[1]) * _PAGE
    except _GONE:
        return 0


def is_done(pid: int) -> bool:
    """Whether a process has ended, and handed its children on; only its status is still to be fetched."""
    try:
        state = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[0]
    except _GONE:
        return True
    return state in {b"Z", b"X"}


def proportional_bytes(pids: Iterable[int]) -> int:
    """Memory of several processes, in which a page that n processes share counts 1/n for each. Milliseconds a process."""
    return sum(map(_proportional, pids))


def _proportional(pid: int) -> int:
    try:
        for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    except (*_GONE, PermissionError):  # a program with other rights hides its map, not its size
        return resident_bytes(pid)
    return 0


def kill_descendants(spare: Spare = lambda pid: False, *, patience: float = 10.0) -> list[int]:
    """Kill and reap everything below this process, however it forks meanwhile.

    Meant for a sub-reaper: whatever loses its parent comes back as a child of this process. `spare` names direct children
    that stay. Returns those still there after `patience` seconds (stuck in the kernel, or not ours to kill).
    """
    give_up = time.monotonic() + patience
    while left := _reaped(spare):
        if time.monotonic() > give_up:
            return left
        for pid in _frozen(spare, give_up):
            _send(pid, signal.SIGKILL)
        time.sleep(_PAUSE_SECONDS)
    return []


def _reaped(spare: Spare) -> list[int]:
    """Reap the dead direct children; return those that are left."""
    left = []
    for pid in children(os.getpid()):
        if spare(pid):
            continue
        try:
            ended, _ = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:  # reaped by whoever started it
            continue
        if not ended:
            left.append(pid)
    return left


def _frozen(spare: Spare, give_up: float) -> set[int]:
    """Stop the whole family, so that nothing can fork away between two looks at it."""
    stopped: set[int] = set()
    while new := [pid for pid in descendants(os.getpid(), spare) if pid not in stopped]:
        for pid in new:
            _send(pid, signal.SIGSTOP)
        stopped.update(new)
        if time.monotonic() > give_up:
            break
    return stopped


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return  # ended already, or not ours: the caller counts who is left


def _read(path: str) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = b""
        while part := os.read(handle, 1 << 16):
            content += part
        return content
    finally:
        os.close(handle)
