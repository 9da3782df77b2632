"""What the fakes share."""

from __future__ import annotations

from typing import Any

from driftgate.core.records import PullPayload, Record

FOREVER = 1_000_000


class Loose(Record):
    """A payload that takes anything."""

    values: dict[str, Any]


def a_payload(source: str) -> PullPayload:
    """What a stage that behaves returns: a pull payload."""
    return PullPayload(files=1, bytes=4, downloaded_bytes=0, source=source)
