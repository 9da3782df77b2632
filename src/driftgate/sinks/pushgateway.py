"""Groups of metrics to a Pushgateway, over one connection that is kept open.

`prometheus-client` says what is sent; its default handler would connect anew for every group, so the requests go through `httpx2`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from types import TracebackType

import httpx2
from prometheus_client import delete_from_gateway, push_to_gateway

from driftgate.core.errors import MachineryError
from driftgate.core.metrics import JOB, Group
from driftgate.sinks.endpoint import Endpoint
from driftgate.sinks.exposition import registry_of

PREFIX = "DRIFTGATE_PUSHGATEWAY"
TIMEOUT_SECONDS = 30.0
MOST_LISTED_BYTES = 512 << 20
"""The longest list of groups that is read: it holds every sample of every group."""

_STALE = (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError)
"""How a kept connection ends that the server has closed meanwhile; both PUT and DELETE may be said twice."""


class RefusedError(MachineryError):
    """The server did not want this group; another one may be fine."""


class Gateway:
    """A Pushgateway; a context, which closes the connection. Whatever goes wrong is a MachineryError in the server's own words."""

    def __init__(self, endpoint: Endpoint, *, timeout: float = TIMEOUT_SECONDS) -> None:
        self.endpoint, self.timeout = endpoint, timeout
        self._client = httpx2.Client(auth=endpoint.auth, timeout=timeout, headers={"User-Agent": "driftgate"})

    def push(self, group: Group) -> None:
        """Replace the whole group (PUT). Raises RefusedError where the server finds fault with what it holds."""
        key = {"fleet": group.fleet, "model": group.model}
        registry = registry_of(group)
        push_to_gateway(self.endpoint.url, JOB, registry, key, timeout=self.timeout, handler=self._handler)

    def delete(self, fleet: str, model: str) -> None:
        """Remove a group; the server does it in its own time."""
        key = {"fleet": fleet, "model": model}
        delete_from_gateway(self.endpoint.url, JOB, key, timeout=self.timeout, handler=self._handler)

    def models(self, fleet: str) -> tuple[str, ...]:
        """The `model` of every group that the server has of this fleet, and that is ours."""
        listing = self._ask("GET", f"{self.endpoint.url}/api/v1/metrics", b"", {})
        try:
            groups = [group["labels"] for group in json.loads(listing)["data"]]
            return tuple(found for labels in groups if (found := _model_of(labels, fleet)) is not None)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise MachineryError(f"{self.endpoint.url} does not answer like a Pushgateway") from error

    def _handler(
        self, url: str, method: str, timeout: float | None, headers: list[tuple[str, str]], data: bytes
    ) -> Callable[[], None]:
        """A request in the form that prometheus-client asks for."""
        del timeout  # the client's own, the same

        def send() -> None:
            self._ask(method, url, data, dict(headers))

        return send

    def _ask(self, method: str, url: str, data: bytes, headers: dict[str, str]) -> bytes:
        try:
            status, words, body = self._once_or_twice(method, url, data, headers)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            reason = self.endpoint.tell(str(error)) or type(error).__name__
            raise MachineryError(f"cannot push to {self.endpoint.url} ({PREFIX}_URL): {reason}") from error
        if 200 <= status < 300 and (method == "GET" or not body.strip()):  # a Pushgateway has nothing to say to a push
            return body
        raise self._refusal(status, words, body)

    def _once_or_twice(self, method: str, url: str, data: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
        try:
            return self._once(method, url, data, headers)
        except _STALE:
            return self._once(method, url, data, headers)

    def _once(self, method: str, url: str, data: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
        """Status, its words, and the body as far as it may be long."""
        body = bytearray()
        with self._client.stream(method, url, content=data, headers=headers) as response:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MOST_LISTED_BYTES:
                    raise MachineryError(f"{self.endpoint.url} answers with more than {MOST_LISTED_BYTES:,} bytes")
            return response.status_code, response.reason_phrase, bytes(body)

    def _refusal(self, status: int, words: str, body: bytes) -> MachineryError:
        said = self.endpoint.tell(body[:2000].decode("utf-8", "replace"))
        text = f"{self.endpoint.url} answers {status} {words}" + (f": {said}" if said else "")
        if status in {401, 403}:
            return MachineryError(f"{text}; check {PREFIX}_USER and {PREFIX}_PASSWORD")
        if status < 400 or status in {404, 405, 501}:
            return MachineryError(f"{text}; is {PREFIX}_URL a Pushgateway?")
        return RefusedError(text) if status == 400 else MachineryError(text)

    def __enter__(self) -> Gateway:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()


def _model_of(labels: dict[str, str], fleet: str) -> str | None:
    """The model of a group that has our grouping key and nothing more."""
    ours = set(labels) - {"instance"} == {"job", "fleet", "model"} and not labels.get("instance")
    return labels["model"] if ours and labels["job"] == JOB and labels["fleet"] == fleet else None
