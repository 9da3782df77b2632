"""One exchange with a client, as values: what was asked, what is answered, and how a refusal is put.

The client tells errors apart by `X-Error-Code`, so every refusal carries one where the Hub has one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked. `parts` are the decoded segments of the path, so `%2F` stays inside its segment."""

    method: str
    parts: tuple[str, ...]
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)  # lower-case names
    body: bytes = b""

    @property
    def path(self) -> str:
        return "/" + "/".join(self.parts)

    def first(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        return self.query.get(name, [default])[0]

    def flag(self, name: str) -> bool:
        return self.first(name).lower() in {"true", "1"}


@dataclass(frozen=True, slots=True)
class FilePart:
    """`length` bytes of a file from `offset` on."""

    location: Path
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered; the server adds Content-Length and the request's id."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | FilePart = b""

    @property
    def length(self) -> int:
        return self.body.length if isinstance(self.body, FilePart) else len(self.body)


class Refusal(Exception):
    """An answer that says no. `code` is the Hub's `X-Error-Code`; `message` reaches the user's terminal."""

    def __init__(self, status: int, code: str | None, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers

    def reply(self) -> Reply:
        headers = {"X-Error-Message": self.message, **self.headers}
        if self.code is not None:
            headers["X-Error-Code"] = self.code
        return json_reply({"error": self.message}, self.status, headers)


def json_reply(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """An answer in JSON; dates of a front matter are written as text."""
    body = json.dumps(data, default=str).encode()
    return Reply(status, {"Content-Type": "application/json; charset=utf-8", **(headers or {})}, body)
