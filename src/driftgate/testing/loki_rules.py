"""What Loki's push endpoint accepts, and what it says to the rest: from the contract, and from what the real server was seen to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

PUSH_PATH = "/loki/api/v1/push"
MOST_LABELS, MOST_VALUE, MOST_LINE = 15, 2048, 256 * 1024
MOST_AGE_S, MOST_AHEAD_S, WINDOW_S = 7 * 86_400, 600, 3600
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class Entry(NamedTuple):
    """One record."""

    labels: tuple[tuple[str, str], ...]
    nanoseconds: int
    line: str
    metadata: tuple[tuple[str, str], ...]


class UnreadableError(Exception):
    """The payload is none."""


def read(body: bytes) -> Iterator[Entry]:
    """The entries of a payload, as Loki's decoder would have them."""
    try:
        streams = json.loads(body)["streams"]
        for stream in streams:
            labels = tuple(sorted(_strings(stream["stream"]).items()))
            for value in stream["values"]:
                moment, line, *rest = value
                metadata = tuple(sorted(_strings(rest[0] if rest else {}).items()))
                if not isinstance(moment, str) or not moment.isdecimal() or not isinstance(line, str):
                    raise UnreadableError(f"Value looks like Number/Boolean/None, but can't find its end: {moment!r}")
                yield Entry(labels, int(moment), line, metadata)
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableError(f"loghttp.PushRequest: cannot be decoded: {error}") from error


def _strings(pairs: Any) -> dict[str, str]:
    if not isinstance(pairs, dict) or not all(isinstance(value, str) for value in pairs.values()):
        raise UnreadableError(f"Value is string, but can't find closing '\"' symbol: {str(pairs)[:80]}")
    return pairs


def flaw(entry: Entry, now: float) -> str | None:
    """Why an entry is refused for itself, in Loki's words."""
    labels, seconds = dict(entry.labels), entry.nanoseconds / 1e9
    wrong = next((name for name in labels if not _LABEL.fullmatch(name)), None)
    long = next((name for name, value in entry.labels if len(value) > MOST_VALUE), None)
    if not labels:
        return "error at least one label pair is required per stream"
    if wrong is not None:
        return f"error parsing labels {labels} with error: 1:2: parse error: unexpected character inside braces: {wrong[0]!r}"
    if len(labels) > MOST_LABELS:
        return f"entry for stream '{labels}' has {len(labels)} label names; limit {MOST_LABELS}"
    if long is not None:
        return f"stream '{labels}' has label value too long: '{labels[long]}'"
    if len(entry.line.encode("utf-8", "surrogatepass")) > MOST_LINE:
        return f"max entry size '{MOST_LINE}' bytes exceeded for stream '{labels}' while adding an entry with length '{len(entry.line)}'"
    if seconds < now - MOST_AGE_S:
        oldest = written(int((now - MOST_AGE_S) * 1e9))
        moment = written(entry.nanoseconds)
        return f"entry for stream '{labels}' has timestamp too old: {moment}, oldest acceptable timestamp is: {oldest}"
    if seconds > now + MOST_AHEAD_S:
        return f"entry for stream '{labels}' has timestamp too new: {written(entry.nanoseconds)}"
    return None


def written(nanoseconds: int) -> str:
    """As Loki writes a time."""
    return f"{datetime.fromtimestamp(nanoseconds // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}"
