"""The one place where `huggingface_hub` meets the network: time-outs on everything, retries, no telemetry.

The library leaves some requests without a time-out and others without a retry, and neither can be passed in
everywhere; but every request goes through the client that `set_client_factory` makes.
"""

from __future__ import annotations

import logging
from ipaddress import ip_address
from typing import Any

import httpx2
from huggingface_hub import constants, get_token, set_client_factory

from driftgate.core.errors import StageFailure
from driftgate.core.verdicts import FailureKind
from driftgate.sources.patience import Patience

RETRIED = frozenset({408, 429, 500, 502, 503, 504})
TELEMETRY = frozenset({"/api/agent-harnesses"})  # asked of the public Hub whatever the endpoint
_TRANSIENT = (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError, httpx2.ProxyError)

_installed: Patience | None = None


def install(patience: Patience) -> None:
    """Make all of this process's Hub traffic patient. The last caller wins; asking for the same again is free."""
    global _installed  # noqa: PLW0603 - the library's client is one for the process, too
    if patience != _installed:
        # it logs each URL with its query, and that of a storage service carries a signature
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        set_client_factory(lambda: PatientClient(patience))
        _installed = patience


class PatientClient(httpx2.Client):
    """A client that bounds every wait and tries again what may pass: cut lines, time-outs, 429, 5xx."""

    def __init__(self, patience: Patience) -> None:
        super().__init__(follow_redirects=True, timeout=patience.timeout)
        self._patience = patience

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """As the base class's; raises StageFailure(network) when every try failed."""
        if request.url.path in TELEMETRY:
            return httpx2.Response(404, request=request)
        if constants.is_offline_mode() and not is_loopback(request.url.host):
            raise StageFailure(
                FailureKind.NETWORK,
                f"HF_HUB_OFFLINE is set, and {_place(request)} is not on this machine",
                hint="unset HF_HUB_OFFLINE, or set hub.endpoint to `embedded`",
            )
        request.extensions = {**request.extensions, "timeout": self._bounded(request)}
        for attempt in range(1, self._patience.tries + 1):
            response, problem = self._once(request, options)
            if problem is None and response is not None:
                return response
            if attempt < self._patience.tries:
                self._patience.pause(attempt, _asked_to_wait(response))
        raise StageFailure(
            FailureKind.NETWORK,
            f"{_place(request)}: {problem} ({self._patience.tries} tries)",
            hint=_hint(response),
        )

    def _once(self, request: httpx2.Request, options: dict[str, Any]) -> tuple[httpx2.Response | None, str | None]:
        try:
            response = super().send(request, **options)
        except _TRANSIENT as error:
            return None, f"{type(error).__name__}: {error}".removesuffix(": ")
        if response.status_code not in RETRIED:
            return response, None
        response.close()
        return response, f"HTTP {response.status_code} {response.reason_phrase}"

    def _bounded(self, request: httpx2.Request) -> dict[str, float]:
        asked = request.extensions.get("timeout", {})
        limit = self._patience.timeout
        return {key: min(asked.get(key) or limit, limit) for key in ("connect", "read", "write", "pool")}


def token_for(endpoint: str) -> str | bool:
    """The user's token for requests to `endpoint`; False (send none) over plain HTTP to another machine."""
    url = httpx2.URL(endpoint)
    trusted = url.scheme == "https" or is_loopback(url.host)
    return (get_token() if trusted else None) or False


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _asked_to_wait(response: httpx2.Response | None) -> float | None:
    """Seconds from Retry-After; its other form, a date, is left to the ordinary pauses."""
    text = response.headers.get("Retry-After", "") if response is not None else ""
    return float(text) if text.isdecimal() else None


def _place(request: httpx2.Request) -> str:
    """The request without its query: that of a storage service carries a signature."""
    return f"{request.method} {request.url.copy_with(query=None)}"


def _hint(response: httpx2.Response | None) -> str:
    if response is not None and response.status_code == 429:
        return "the Hub asks for fewer requests: set HF_TOKEN, lower hub.top, or try later"
    return "is the Hub up and reachable from here? check the network, proxy settings and hub.endpoint"
