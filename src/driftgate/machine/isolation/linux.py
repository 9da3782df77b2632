"""The few calls of Linux that Python's library does not wrap."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

from driftgate.core.errors import MachineryError

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37


def check_platform() -> None:
    """Raise MachineryError where families of processes cannot be watched."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    if sys.platform != "linux" or not hasattr(os, "pidfd_open") or not children.exists():
        raise MachineryError(
            "workers need Linux 5.3 or newer with /proc/PID/task/TID/children (CONFIG_PROC_CHILDREN); "
            "run Driftgate in a container or a virtual machine that has them"
        )


def become_subreaper(*, on: bool = True) -> bool:
    """From now on, descendants whose parent died become children of this process. Returns what was set before."""
    before = ctypes.c_int(0)
    _prctl(_PR_GET_CHILD_SUBREAPER, ctypes.addressof(before))
    _prctl(_PR_SET_CHILD_SUBREAPER, int(on))
    return bool(before.value)


def die_with_parent(parent: int) -> None:
    """Be killed when the parent's thread that started this process ends, and right now if it has ended already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def oom_kills() -> int:
    """How many processes the kernel has killed on this machine for lack of memory."""
    for line in Path("/proc/vmstat").read_text().splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill":
            return int(value)
    return 0


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")
