"""Starts the processes of a pool: guardians in a fresh interpreter, and the warmed server that forks the others."""

from __future__ import annotations

import os
import re
import secrets
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from driftgate.core.errors import MachineryError
from driftgate.machine.isolation.family import children, is_done, kill_descendants, resident_bytes
from driftgate.machine.isolation.line import Line
from driftgate.machine.isolation.linux import become_subreaper
from driftgate.machine.isolation.log import clean

WARM_UP_SECONDS = 600.0
PATIENCE_SECONDS = 10.0
_STARTS = 2
_PAUSE_SECONDS = 0.005
_MARK = "DRIFTGATE_POOL"
_TAIL = 2_000
_OF_THE_PARENT = re.compile(r"DRIFTGATE_\w+_(URL|USER|PASSWORD|PASSWORD_FILE)")
"""Databases and servers, with who we are there: only the parent talks to them, and models' code runs in the workers."""


def for_workers(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without the addresses and passwords that only the parent needs."""
    return {name: value for name, value in environment.items() if not _OF_THE_PARENT.fullmatch(name)}


class Launcher:
    """Owns every process of a pool. `root` is the pool's temporary folder; what the processes themselves have to complain about
    goes to `machinery.log` there. The server is heard through `selector`, whose keys carry a function to call.

    Must be used from one thread: processes die with the thread that started them.
    """

    def __init__(self, warm: str | None, root: Path, selector: selectors.BaseSelector) -> None:
        self._warm, self._log, self._selector = warm or "", root / "machinery.log", selector
        self._mark = secrets.token_hex(8)
        self._was_subreaper = become_subreaper()
        self._fresh: dict[int, subprocess.Popen[bytes]] = {}
        self.guardians: set[int] = set()
        self._nameless: set[int] = set()
        self._server: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._started = 0.0
        self._false_starts = 0
        self._line: Line | None = None

    @property
    def server(self) -> int | None:
        """The process id of the warmed server, while there is one."""
        return self._server.pid if self._server else None

    # -- starting ------------------------------------------------------------------------------------------------

    def fresh(self, end: Line) -> int:
        """Start a guardian in an interpreter of its own; its process id. Raises OSError if there is no process to be had."""
        process = self._spawn("driftgate.executors.guarded", end, [])
        self._fresh[process.pid] = process
        self.guardians.add(process.pid)
        return process.pid

    def forked(self, end: Line) -> None:
        """Have the server fork a guardian, starting it if need be. Raises MachineryError if the server cannot start."""
        for _ in range(_STARTS):
            if self._line is None:
                self._start_server()
            line = self._line
            assert line is not None
            try:
                line.send({"fork": True}, handle=end.fileno())
            except ConnectionError:
                while self._line is line:  # it may have said why it goes
                    self._hear_server()
            else:
                return
        raise OSError("the worker server does not stay up")

    def _start_server(self) -> None:
        ours, theirs = Line.pair()
        try:
            arguments = [str(os.getpid()), self._warm]
            self._server = self._spawn("driftgate.executors.server", theirs, arguments)
        finally:
            theirs.close()
        self._line, self._ready, self._started = ours, False, time.monotonic()
        self._selector.register(ours, selectors.EVENT_READ, self._hear_server)

    def _spawn(self, module: str, end: Line, arguments: list[str]) -> subprocess.Popen[bytes]:
        # -P: modules in the user's current folder must not shadow those of the machinery; a worker puts it in front later.
        command = [sys.executable, "-P", "-m", module, str(end.fileno()), *arguments]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[end.fileno()],
                start_new_session=True,  # Ctrl-C on the terminal is for the parent alone
                env=for_workers(os.environ) | {_MARK: self._mark},
            )

    # -- the server's life ---------------------------------------------------------------------------------------

    def _hear_server(self) -> None:
        assert self._line is not None
        message = self._line.receive()
        if message is None:
            self._server_gone()
        elif "failed" in message:
            raise MachineryError(f"the worker server cannot start: {message['failed']}")
        else:
            self._ready, self._false_starts = True, 0

    def check_warm_up(self) -> None:
        """Raise MachineryError if the warm-up takes for ever."""
        if self._line is not None and not self._ready and time.monotonic() - self._started > WARM_UP_SECONDS:
            raise MachineryError(f"the warm-up {self._warm} did not end within {WARM_UP_SECONDS:g} s")

    def _server_gone(self) -> None:
        """It was killed. Its guardians live on; what it would have forked is asked for again."""
        assert self._server is not None
        assert self._line is not None
        self._selector.unregister(self._line)
        self._line.close()
        status = self._server.wait()
        self._server, self._line = None, None
        self._sweep()
        if self._ready:
            return
        self._false_starts += 1
        if self._false_starts >= _STARTS:
            words = " ".join(self.last_words().split()) or "it said nothing"
            raise MachineryError(f"the worker server died while it warmed up (status {status}): {words}")

    def last_words(self) -> str:
        """The end of what the pool's own processes had to complain about."""
        return clean(self._log.read_text(errors="replace")[-_TAIL:]) if self._log.exists() else ""

    # -- the end -------------------------------------------------------------------------------------------------

    def bury(self, guardian: int) -> None:
        """A guardian's line broke: wait until it has gone, and kill what it left behind if it could not do that itself.

        Only then has the kernel handed its children on: to the server, which does the same, or to this process.
        """
        if guardian in self._fresh:
            _end(self._fresh.pop(guardian), PATIENCE_SECONDS)
        else:
            with suppress(ChildProcessError):  # the server's child, unless the server was killed
                os.waitpid(guardian, 0)
        self.guardians.discard(guardian)
        self._sweep()

    def _sweep(self) -> None:
        """Kill what is ours and has no guardian. Whose a dying process was can't be told any more, and it hands its children on only
        when it is done: while one was met that had not been done before the look, another look is needed."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            done = {pid for pid in children(os.getpid()) if is_done(pid)}
            self._nameless.clear()
            kill_descendants(spare=lambda pid: pid in self.guardians or not self._is_ours(pid))
            if self._nameless <= done or time.monotonic() > give_up:
                return
            time.sleep(_PAUSE_SECONDS)

    def close(self) -> None:
        """Everything ends: by itself, for its line is broken, and if it does not, by force."""
        if self._line is not None:
            self._line.close()
        give_up = time.monotonic() + PATIENCE_SECONDS
        for process in [*self._fresh.values(), *([self._server] if self._server else [])]:
            _end(process, give_up - time.monotonic())
        self.guardians.clear()
        self._sweep()
        become_subreaper(on=self._was_subreaper)

    def _is_ours(self, pid: int) -> bool:
        """Whether a child of this process descends from one of the pool's: it inherited the mark in its environment."""
        if pid in self._fresh or pid == self.server:
            return False
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            environment = b""
        if not environment and not resident_bytes(pid):
            self._nameless.add(pid)
        return f"{_MARK}={self._mark}".encode() in environment


def _end(process: subprocess.Popen[bytes], patience: float) -> None:
    try:
        process.wait(max(0.0, patience))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
