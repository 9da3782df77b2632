"""The warmed server: imports the heavy libraries once, then forks a guardian for each job.

    python -P -m driftgate.executors.server HANDLE PARENT "module:warm_up"

A fork copies only the thread that forks. So the server runs no Python thread but its main one, and refuses to serve when the
warm-up left another.
"""

from __future__ import annotations

import gc
import os
import select
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from importlib import import_module

from driftgate.executors.guarded import guard
from driftgate.machine.isolation.family import kill_descendants
from driftgate.machine.isolation.line import Line
from driftgate.machine.isolation.linux import become_subreaper, die_with_parent

_MESSAGE_LENGTH = 4_000
_OBJECTS_BETWEEN_COLLECTIONS = 10_000
"""Python's own 700 costs a compiler a twelfth of its time: it makes millions of objects, and nearly all of them stay."""


class Server:
    """Forks on request, reaps its guardians, and kills what a killed guardian leaves behind."""

    def __init__(self, parent: Line) -> None:
        self._parent, self._listening = parent, True
        self._poll = select.poll()
        self._poll.register(parent.fileno(), select.POLLIN)
        self._guardians: dict[int, int] = {}  # pidfd → pid

    def serve(self) -> None:
        """Until the parent goes; then wait for the guardians, who notice by themselves."""
        while self._listening or self._guardians:
            for handle, _ in self._poll.poll():
                if handle in self._guardians:
                    self._reap(handle)
                else:
                    self._answer()
        kill_descendants()

    def _answer(self) -> None:
        message, handle = self._parent.receive_with_handle()
        if message is None or handle is None:
            self._listening = False
            self._poll.unregister(self._parent.fileno())
            return
        try:
            self._fork(handle)
        except OSError as error:
            Line.of(handle).send({"broken": f"cannot start a process: {error.strerror}"})

    def _fork(self, handle: int) -> None:
        pid = os.fork()
        if pid == 0:
            self._become_guardian(handle)
        os.close(handle)
        pidfd = os.pidfd_open(pid)
        self._guardians[pidfd] = pid
        self._poll.register(pidfd, select.POLLIN)

    def _become_guardian(self, handle: int) -> None:
        status = 1
        try:
            self._parent.close()
            for pidfd in self._guardians:
                os.close(pidfd)
            guard(handle)
            status = 0
        except BaseException:  # noqa: BLE001  # whatever it is, this process must not go on as a second server
            traceback.print_exc()
        os._exit(status)

    def _reap(self, pidfd: int) -> None:
        os.waitpid(self._guardians.pop(pidfd), 0)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        guardians = frozenset(self._guardians.values())
        kill_descendants(spare=guardians.__contains__)


def warm_up(place: str) -> str | None:
    """Call the warm-up function. Returns why the server cannot serve, or None if it can."""
    module, _, name = place.partition(":")
    try:
        function: Callable[[], None] = getattr(import_module(module), name)
        function()
    except Exception as error:  # noqa: BLE001  # libraries fail in many ways at import; the parent tells all of them
        traceback.print_exc()
        return f"the warm-up {place} failed: {traceback.format_exception_only(error)[-1].strip()}"
    others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if others:
        return f"the warm-up {place} left a thread running ({', '.join(others)}): forking would be unsafe"
    return None


def main(handle: int, parent: int, warm: str) -> int:
    """Serve until the parent goes. Exit status 1: the warm-up failed."""
    die_with_parent(parent)
    become_subreaper()
    # Native threads of the libraries do not come along into a fork, and do no harm: measured with torch and ONNX Runtime.
    warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork", category=DeprecationWarning)
    line = Line.of(handle)
    trouble = warm_up(warm) if warm else None
    if trouble is not None:
        line.send({"failed": trouble[:_MESSAGE_LENGTH]})
        return 1
    gc.collect()
    gc.freeze()  # a collection in a child would touch, and so copy, every page of the server
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    sys.stdout.flush()
    sys.stderr.flush()
    line.send({"ready": True})
    Server(line).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
