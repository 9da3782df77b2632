"""An embedded Hub that misbehaves by a script, for tests of what a client makes of it.

    script = {"GET */model.safetensors": [cut(after=1000), status(500)]}
    with FaultyHub(folder, script) as hub: ...

Each request whose `METHOD /path` matches a pattern uses up the pattern's next fault; when there is none left, the
Hub answers properly. `repeat(fault)` of itertools never ends. `hub.requests` keeps what was asked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from driftgate.sources.embedded_hub.exchange import Refusal, Reply, Request
from driftgate.sources.embedded_hub.server import EmbeddedHub, Wire

Fault = Callable[["FaultyHub", Reply, Wire], None]
"""Puts something on the wire in place of the reply."""


class FaultyHub(EmbeddedHub):
    """Serves `folder`, with the faults of `script` (pattern → faults, in order)."""

    def __init__(self, folder: Path, script: Mapping[str, Iterable[Fault]], **options: Any) -> None:
        super().__init__(folder, **options)
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._script: list[tuple[str, Iterator[Fault]]] = [(line, iter(faults)) for line, faults in script.items()]
        self._lock = threading.Lock()

    def asked(self, pattern: str) -> list[Request]:
        """The requests so far whose `METHOD /path` matches."""
        return [request for request in self.requests if fnmatchcase(f"{request.method} {request.path}", pattern)]

    def deliver(self, request: Request, reply: Reply, wire: Wire) -> None:
        with self._lock:
            self.requests.append(request)
            fault = self._next_fault(request)
        if fault is None:
            wire.send(reply)
        else:
            fault(self, reply, wire)

    def close(self) -> None:
        self.closing.set()  # whoever hangs lets go
        super().close()

    def _next_fault(self, request: Request) -> Fault | None:
        line = f"{request.method} {request.path}"
        return next((fault for pattern, faults in self._script if fnmatchcase(line, pattern) for fault in faults), None)


def status(code: int, error_code: str | None = None, **headers: str) -> Fault:
    """An error status. Headers are given with underscores: `Retry_After="1"`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    refusal = Refusal(code, error_code, f"the script says {code}", **named)
    return lambda _hub, _reply, wire: wire.send(refusal.reply())


def cut(after: int) -> Fault:
    """All headers, `after` bytes of the body, then the line is cut."""

    def fault(_hub: FaultyHub, reply: Reply, wire: Wire) -> None:
        wire.start(reply)
        wire.wfile.write(_body(reply)[:after])
        wire.close_connection = True

    return fault


def slow(chunk: int, pause: float) -> Fault:
    """The right answer, `chunk` bytes at a time with `pause` seconds between."""

    def fault(hub: FaultyHub, reply: Reply, wire: Wire) -> None:
        wire.start(reply)
        body = _body(reply)
        for start in range(0, len(body), chunk):
            wire.wfile.write(body[start : start + chunk])
            hub.closing.wait(pause)

    return fault


def hang() -> Fault:
    """Accepts the request and never answers, until the Hub is closed."""

    def fault(hub: FaultyHub, _reply: Reply, wire: Wire) -> None:
        hub.closing.wait()
        wire.close_connection = True

    return fault


def stall(after: int) -> Fault:
    """All headers, `after` bytes of the body, then silence until the Hub is closed."""

    def fault(hub: FaultyHub, reply: Reply, wire: Wire) -> None:
        wire.start(reply)
        wire.wfile.write(_body(reply)[:after])
        hub.closing.wait()
        wire.close_connection = True

    return fault


def changed() -> Fault:
    """Other content of the right length, under the old hash."""

    def fault(_hub: FaultyHub, reply: Reply, wire: Wire) -> None:
        wire.send(Reply(reply.status, reply.headers, bytes(byte ^ 0xFF for byte in _body(reply))))

    return fault


def wrong_length(difference: int) -> Fault:
    """A Content-Length that is off by `difference` bytes; then the line is closed."""

    def fault(_hub: FaultyHub, reply: Reply, wire: Wire) -> None:
        wire.start(reply, **{"Content-Length": str(reply.length + difference)})
        wire.wfile.write(_body(reply)[: reply.length + min(difference, 0)])
        wire.close_connection = True

    return fault


def garbage(body: bytes = b"<html>please log in</html>") -> Fault:
    """Status 200 and something that is not what was asked for, as a proxy's login page does."""
    return lambda _hub, _reply, wire: wire.send(Reply(200, {"Content-Type": "application/json"}, body))


def _body(reply: Reply) -> bytes:
    if isinstance(reply.body, bytes):
        return reply.body
    with reply.body.location.open("rb") as stream:
        stream.seek(reply.body.offset)
        return stream.read(reply.body.length)
