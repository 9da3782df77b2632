"""What a freshly forked process must become before foreign code may run in it."""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from driftgate.machine.isolation.linux import die_with_parent

STACK_SIGNAL = signal.SIGUSR1
"""Makes a worker print where it is, also while it hangs in C."""

_OUTPUTS = (1, 2)
_PYTHONS_OWN: dict[int, Callable[[int, FrameType | None], object] | signal.Handlers] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGPIPE: signal.SIG_IGN,
    signal.SIGXFSZ: signal.SIG_IGN,
}
_UNTOUCHABLE = (signal.SIGKILL, signal.SIGSTOP)


def become_worker(guardian: int, output: int, temporary: Path) -> None:
    """A session of its own that dies with its guardian; output into a pipe, no input, signals as in a new process."""
    os.setsid()
    die_with_parent(guardian)
    Path("/proc/self/oom_score_adj").write_text("1000")  # if the machine runs out of memory, take this one
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    _reset_signals()
    _redirect(output)
    os.environ["TMPDIR"] = str(temporary)
    tempfile.tempdir = None  # the warm-up may have asked for it already
    sys.path.insert(0, os.getcwd())


def _reset_signals() -> None:
    for number in signal.valid_signals():
        if number not in _UNTOUCHABLE:
            signal.signal(number, _PYTHONS_OWN.get(number, signal.SIG_DFL))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _redirect(output: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    for number in _OUTPUTS:
        os.dup2(output, number)
    os.close(output)
    for stream, number in zip(("stdout", "stderr"), _OUTPUTS, strict=True):
        text = open(number, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        setattr(sys, stream, text)
    faulthandler.enable()
    faulthandler.register(STACK_SIGNAL)
