"""Loki's push endpoint: python-logging-loki's handler and emitter, made fit for batches, for silence and for refusals.

The package stamps the time of sending, posts one record at a time, waits for ever, and takes any answer but 204 for the end of the
record. Here a batch is one POST with each record's own time, within time-outs, and the answer is told apart: stored, refused for what
it is (never to be sent again), not now, or not here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from logging import LogRecord
from typing import Any
from urllib.parse import urlsplit

import requests
from logging_loki import LokiHandler
from logging_loki.emitter import LokiEmitterV1
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as TooSlowError

from driftgate.sinks.endpoint import Endpoint

PUSH_PATH = "/loki/api/v1/push"
CONNECT_SECONDS = 5.0
_MOST_WORDS_BYTES = 4096
_REFUSED = frozenset({400, 413, 422})
_NOT_NOW = frozenset({408, 425, 429})
_MENDS = {
    401: "; check DRIFTGATE_LOKI_USER and DRIFTGATE_LOKI_PASSWORD",
    403: "; check DRIFTGATE_LOKI_USER and DRIFTGATE_LOKI_PASSWORD",
    404: "; is DRIFTGATE_LOKI_URL a Loki?",
}


def push_url(endpoint: Endpoint) -> str:
    """The URL of the push endpoint: its path is added where only the server is named."""
    return endpoint.url if urlsplit(endpoint.url).path else endpoint.url + PUSH_PATH


class Outcome(Enum):
    """What an answer means for the batch."""

    STORED = auto()
    REFUSED = auto()
    NOT_NOW = auto()
    NOT_HERE = auto()


@dataclass(frozen=True)
class Answer:
    """What became of a batch. `words` is the server's own reason, `wait_s` how long it asks to be left alone."""

    outcome: Outcome
    words: str = ""
    wait_s: float | None = None


class _Session(requests.Session):
    """Requests with an end: a time-out that each call may shorten, and no redirect (a POST would come out as a GET)."""

    patience_s = 10.0

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        """As in `requests`."""
        limits = (min(CONNECT_SECONDS, self.patience_s), self.patience_s)
        return super().request(*arguments, **options | {"timeout": limits, "allow_redirects": False, "stream": True})


class _Emitter(LokiEmitterV1):  # type: ignore[misc]  # the package has no types
    """Payloads with the record's own time, few labels, and the rest as structured metadata."""

    session_class = _Session

    def build_tags(self, record: LogRecord) -> dict[str, str]:
        """The labels of the record's stream. Source: LokiEmitter.build_tags, which would add the logger's name to each."""
        labels: dict[str, str] = self.tags | record.__dict__["tags"]
        return labels

    def build_payload(self, record: LogRecord, line: str) -> dict[str, Any]:
        """The payload of one record, its time to the microsecond."""
        nanoseconds = str(round(record.created * 1e6) * 1000)
        value = [nanoseconds, line, record.__dict__["metadata"]]
        return {"streams": [{"stream": self.build_tags(record), "values": [value]}]}


class LokiBatches(LokiHandler):  # type: ignore[misc]  # the package has no types
    """A logging handler for one endpoint; `push` sends many records by one POST."""

    emitters = {"1": _Emitter}  # "0" is an old path that answers 204 and keeps nothing

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(push_url(endpoint), {"app": "driftgate"}, endpoint.auth, version="1")
        self._tell = endpoint.tell

    def push(self, batch: Sequence[LogRecord], patience_s: float) -> Answer:
        """Send the batch, in order. Never raises for what a server or a network does; returns after about `patience_s`."""
        session: _Session = self.emitter.session
        session.patience_s = max(0.1, patience_s)
        try:
            with session.post(self.emitter.url, json=self._payload(batch)) as response:
                outcome, wait_s = _understood(response)
                words = self._tell(_words(response)) + _MENDS.get(response.status_code, "")
                return Answer(outcome, words, wait_s)
        except (requests.RequestException, HTTPError) as error:
            self.emitter.close()
            return Answer(Outcome.NOT_NOW, self._tell(_reason(error, patience_s)))

    def _payload(self, batch: Sequence[LogRecord]) -> dict[str, Any]:
        """One stream for each set of labels, in the order of the records."""
        streams: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
        for record in batch:
            (stream,) = self.emitter.build_payload(record, self.format(record))["streams"]
            known = streams.setdefault(tuple(sorted(stream["stream"].items())), stream)
            if known is not stream:
                known["values"] += stream["values"]
        return {"streams": list(streams.values())}


def _understood(response: requests.Response) -> tuple[Outcome, float | None]:
    status = response.status_code
    if status == 204:
        return Outcome.STORED, None
    if status in _REFUSED:
        return Outcome.REFUSED, None
    if 200 <= status < 300 or status in _NOT_NOW or status >= 500:  # 200: somebody else's answer, a page of a proxy
        return Outcome.NOT_NOW, _retry_after(response.headers.get("Retry-After"))
    return Outcome.NOT_HERE, None


def _words(response: requests.Response) -> str:
    body = response.raw.read(_MOST_WORDS_BYTES, decode_content=True).decode("utf-8", "replace")
    head = f"{response.status_code} {response.reason or ''}".strip()
    note = " (Loki answers 204 to what it has stored)" if 200 <= response.status_code < 300 else ""
    return f"{head}: {body}{note}" if body.strip() else head + note


def _retry_after(value: str | None) -> float | None:
    """Seconds, from a number or a date."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _reason(error: requests.RequestException | HTTPError, patience_s: float) -> str:
    """The system's own words, out of the wrappers that urllib3 and requests put around them."""
    if isinstance(error, requests.Timeout | TooSlowError):
        return f"no answer within {patience_s:.3g} s"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        inner = cause.args[0] if cause.args and isinstance(cause.args[0], BaseException) else None
        cause = getattr(inner, "reason", None) or inner or cause.__cause__ or cause.__context__
    return str(error)
