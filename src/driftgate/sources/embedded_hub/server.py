"""The server: sockets, limits, one thread a connection. What is answered is decided in `routes.py`."""

from __future__ import annotations

import sys
import threading
import traceback
import uuid
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from driftgate import __version__
from driftgate.core.errors import MachineryError, UsageError
from driftgate.sources.embedded_hub.catalogue import Catalogue, Log
from driftgate.sources.embedded_hub.exchange import Refusal, Reply, Request
from driftgate.sources.embedded_hub.routes import Routes

HOST = "127.0.0.1"
TARGET_LIMIT = 8_192
BODY_LIMIT = 1_000_000
IDLE_SECONDS = 60
PAGE_SIZE = 1_000


class EmbeddedHub:
    """Serves a folder of models on loopback.

    As a context manager it serves from a background thread: `with EmbeddedHub(folder) as hub: hub.url`.
    Port 0 takes a free one. `token` opens gated and private models to whoever sends it. `log` gets one line
    a request, and a sentence for each file that is left out.
    """

    def __init__(
        self,
        folder: Path,
        port: int = 0,
        *,
        token: str | None = None,
        log: Log | None = None,
        page_size: int = PAGE_SIZE,
    ) -> None:
        """Binds at once. Raises UsageError if there is no such folder, MachineryError if the port is taken."""
        if not folder.is_dir():
            raise UsageError(f"{folder} is no folder", mend="give a folder laid out as FOLDER/org/name/<files>")
        self.log: Log = log or (lambda _line: None)
        self._server = _bind(port, self)
        self.port: int = self._server.server_address[1]
        self.url = f"http://{HOST}:{self.port}"
        self.routes = Routes(Catalogue(folder, self.log), self.url, token, page_size)
        self._thread: threading.Thread | None = None

    def answer(self, request: Request) -> Reply:
        """The reply to a request."""
        return self.routes.answer(request)

    def deliver(self, request: Request, reply: Reply, wire: Wire) -> None:  # noqa: ARG002 - fakes look at it
        """Put a reply on the wire."""
        wire.send(reply)

    def serve_forever(self) -> None:
        """Serve from this thread until `close` is called from another, or an exception (Ctrl-C) comes."""
        try:
            self._server.serve_forever(poll_interval=0.05)
        finally:
            self._server.server_close()

    def close(self) -> None:
        """Stop serving and free the port."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever, name="embedded-hub", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Wire(BaseHTTPRequestHandler):
    """One connection. Reads requests within limits, and sends replies."""

    protocol_version = "HTTP/1.1"
    server_version = f"driftgate-hub/{__version__}"
    sys_version = ""
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        try:
            request = self._read()
        except Refusal as refusal:
            self.close_connection = True  # what is left of the request is unread
            self.send(refusal.reply())
            return
        self.server.hub.deliver(request, self.server.hub.answer(request), self)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def send(self, reply: Reply) -> None:
        """Headers, then the body unless the method is HEAD."""
        self.start(reply)
        if self.command == "HEAD":
            return
        if isinstance(reply.body, bytes):
            self.wfile.write(reply.body)
        elif reply.length:
            with reply.body.location.open("rb") as stream:
                sent = self.connection.sendfile(stream, reply.body.offset, reply.length)
            self.close_connection |= sent != reply.length  # the file shrank: let the client see a cut line

    def start(self, reply: Reply, **instead: str) -> None:
        """Status and headers; `instead` replaces some (a fake lies about Content-Length)."""
        self.send_response(reply.status)
        fixed = {"Content-Length": str(reply.length), "X-Request-Id": uuid.uuid4().hex}
        for name, value in {**fixed, "X-Content-Type-Options": "nosniff", **reply.headers, **instead}.items():
            self.send_header(name, value.encode("ascii", "replace").decode())
        self.end_headers()

    def _read(self) -> Request:
        if len(self.path) > TARGET_LIMIT:
            raise Refusal(414, None, f"the request's target is longer than {TARGET_LIMIT} bytes")
        headers = {name.lower(): value for name, value in self.headers.items()}
        if headers.get("host", "").rpartition(":")[0] not in {HOST, "localhost"}:
            # a web page may point a name of its own at loopback and read from there
            raise Refusal(403, None, f"this Hub answers to {HOST} and localhost alone")
        target = urlsplit(self.path)
        try:
            parts = tuple(unquote(part, errors="strict") for part in target.path.split("/")[1:])
            query = parse_qs(target.query, errors="strict", max_num_fields=1_000)
        except ValueError as error:
            raise Refusal(400, None, f"the request's target is not UTF-8: {error}") from error
        return Request(self.command, parts, query, headers, self._body(headers))

    def _body(self, headers: dict[str, str]) -> bytes:
        text = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not text.isdecimal():
            raise Refusal(411, None, "send the body with its Content-Length")
        if int(text) > BODY_LIMIT:
            raise Refusal(413, None, f"the body is larger than {BODY_LIMIT} bytes")
        return self.rfile.read(int(text))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        line = format % args
        self.server.hub.log("".join(c if c.isprintable() else "?" for c in line))


class _Server(ThreadingMixIn, TCPServer):
    # not http.server's HTTPServer: its bind asks the resolver for this machine's name, which may take seconds
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, hub: EmbeddedHub) -> None:
        self.hub = hub
        super().__init__((HOST, port), Wire)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's form
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            self.hub.log(traceback.format_exc())


def _bind(port: int, hub: EmbeddedHub) -> _Server:
    try:
        return _Server(port, hub)
    except OSError as error:
        raise MachineryError(f"port {port} of {HOST}: {error.strerror}; choose another with --port") from error
    except OverflowError as error:
        raise UsageError(f"{port} is no port", mend="choose one from 1 to 65535, or 0 for a free one") from error
