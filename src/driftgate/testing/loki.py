"""Loki's push endpoint as strict as the real one, and as unreliable as one asks for: what tests of the shipping send to.

    with LokiDouble(faults={3: Fault.HANG}) as loki:
        …                            # DRIFTGATE_LOKI_URL=loki.url
    loki.entries

A payload that cannot be read is refused whole; of one that can, the good entries are stored, and the answer is 400 with the reason of the
first bad one (`loki_rules.py`). Identical entries are stored once.
"""

from __future__ import annotations

import socket
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from driftgate.testing.loki_rules import PUSH_PATH, WINDOW_S, Entry, UnreadableError, flaw, read, written

_CREDENTIALS_LENGTH = 512
_ANSWERS = {
    204: "No Content",
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    429: "Too Many Requests",
}


class Fault(Enum):
    """How a request may go wrong."""

    NONE = auto()
    RESET = auto()
    """The connection is closed before anything was read, as by a server that is going down."""
    SLOW = auto()
    HANG = auto()
    """No answer until the client has gone."""
    TOO_MANY = auto()
    """429 with Retry-After."""
    ERROR = auto()
    """500, nothing stored."""
    ODD = auto()
    """200, nothing stored."""
    DIES = auto()
    """The connection breaks in the middle of the request."""
    DIES_AFTER = auto()
    """Everything is stored, and the connection breaks before the answer."""


@dataclass
class LokiDouble:
    """A server on a loopback port of its own. `faults` says what happens to the request of that number (from 0), a function or a mapping;
    `credentials` are asked for if given. `entries` are in order of arrival, `duplicates` counts what came again."""

    faults: Mapping[int, Fault] | Callable[[int], Fault] = field(default_factory=dict)
    credentials: tuple[str, str] | None = None
    now: Callable[[], float] = time.time
    slow_s: float = 0.05
    retry_after: str = "0"
    disallowed: str = ""
    """What it has against every record, if anything."""
    entries: list[Entry] = field(default_factory=list)
    duplicates: int = 0
    requests: int = 0
    largest: int = 0
    """Most records in one request."""
    _known: set[Entry] = field(default_factory=set)
    _newest: dict[tuple[tuple[str, str], ...], int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _server: _Server | None = None

    @property
    def url(self) -> str:
        """The base URL."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def streams(self) -> dict[tuple[tuple[str, str], ...], list[Entry]]:
        """The entries of each stream, in order of arrival."""
        found: dict[tuple[tuple[str, str], ...], list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.labels, []).append(entry)
        return found

    def next_fault(self) -> Fault:
        """Counts a request, and says what is to happen to it."""
        with self._lock:
            number = self.requests
            self.requests += 1
        return self.faults(number) if callable(self.faults) else self.faults.get(number, Fault.NONE)

    def take(self, body: bytes) -> tuple[int, str]:
        """Store what is fit to be stored; status and words of the answer."""
        try:
            entries = list(read(body))
        except UnreadableError as error:
            return 400, str(error)
        with self._lock:
            self.largest = max(self.largest, len(entries))
            problems = [problem for entry in entries if (problem := self._store(entry)) is not None]
        return (400, problems[0]) if problems else (204, "")

    def _store(self, entry: Entry) -> str | None:
        problem = self.disallowed or flaw(entry, self.now()) or self._behind(entry)
        if problem:
            return problem
        if entry in self._known:
            self.duplicates += 1
            return None
        self._known.add(entry)
        self.entries.append(entry)
        self._newest[entry.labels] = max(entry.nanoseconds, self._newest.get(entry.labels, 0))
        return None

    def _behind(self, entry: Entry) -> str | None:
        oldest = self._newest.get(entry.labels, 0) - WINDOW_S * 10**9
        if entry.nanoseconds >= oldest:
            return None
        return (
            f"entry with timestamp {written(entry.nanoseconds)} ignored, reason: 'entry too far behind, oldest acceptable timestamp is: "
            f"{written(oldest)}',\ntotal ignored: 1 out of 1 for stream: {dict(entry.labels)}"
        )

    def __enter__(self) -> Self:
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.going.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, loki: LokiDouble) -> None:
        self.loki, self.going = loki, threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        """A push, or whatever else was sent here."""
        fault = self.server.loki.next_fault()
        if fault is Fault.RESET:
            self._break()
            return
        body = self.rfile.read(int(self.headers["Content-Length"]) // (2 if fault is Fault.DIES else 1))
        if fault is Fault.DIES:
            self._break()
        elif fault is Fault.HANG:
            self._hang()
        elif fault in {Fault.TOO_MANY, Fault.ERROR, Fault.ODD}:
            self._refuse(fault)
        else:
            if fault is Fault.SLOW:
                self.server.going.wait(self.server.loki.slow_s)
            self._serve(body, answer=fault is not Fault.DIES_AFTER)

    def _serve(self, body: bytes, *, answer: bool) -> None:
        if self.path != PUSH_PATH:
            self._answer(404, "404 page not found")
        elif not self._allowed():
            self._answer(401, "no credentials provided, or wrong ones")
        else:
            status, words = self.server.loki.take(body)
            if answer:
                self._answer(status, words)
            else:
                self._break()

    def _allowed(self) -> bool:
        wanted = self.server.loki.credentials
        given = self.headers.get("Authorization", "")[:_CREDENTIALS_LENGTH].removeprefix("Basic ")
        return wanted is None or b64decode(given).decode() == ":".join(wanted)

    def _refuse(self, fault: Fault) -> None:
        status = {Fault.TOO_MANY: 429, Fault.ERROR: 500, Fault.ODD: 200}[fault]
        words = {
            429: "Ingestion rate limit exceeded for user fake",
            500: "at least 1 live replicas required",
            200: "<html>",
        }
        self._answer(status, words[status], retry_after=status == 429)

    def _answer(self, status: int, words: str, *, retry_after: bool = False) -> None:
        self.send_response(status, _ANSWERS.get(status, "Internal Server Error"))
        if retry_after:
            self.send_header("Retry-After", self.server.loki.retry_after)
        if status != 204:
            self.send_header("Content-Length", str(len(words.encode()) + 1))
        self.end_headers()
        if status != 204:
            self.wfile.write(words.encode() + b"\n")

    def _hang(self) -> None:
        """Until the client gives up, or the server ends."""
        self.connection.settimeout(0.05)
        while not self.server.going.is_set():
            try:
                if not self.connection.recv(1, socket.MSG_PEEK):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        self._break()

    def _break(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def handle(self) -> None:
        """As in the base class; a connection that breaks is what this server is for."""
        try:
            super().handle()
        except (OSError, ValueError):
            self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Silent."""
