"""Reading records of older schema versions: one function a version, applied in turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic_core import from_json

from driftgate.core.errors import DamagedRecordError, UsageError
from driftgate.core.records.base import SCHEMA_VERSION, Record

UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Version → the function that makes a document of that version one of the next."""


def upgraded(raw: bytes, kind: type[Record], name: str) -> dict[str, Any]:
    """The document as today's version. A newer version is a UsageError: this Driftgate is too old for it."""
    try:
        document: Any = from_json(raw)
    except ValueError as error:
        raise DamagedRecordError(f"{name} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise DamagedRecordError(f"{name} is not a JSON object")
    if "schema_version" not in kind.model_fields:
        return dict(document)
    version = document.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise DamagedRecordError(f"{name} has no schema_version")
    if version > SCHEMA_VERSION:
        raise UsageError(
            f"{name} has schema version {version}, newer than {SCHEMA_VERSION}, the newest that this Driftgate reads",
            mend="use the Driftgate that wrote it, or a newer one",
        )
    for step in range(version, SCHEMA_VERSION):
        document = UPGRADES[step](document)
    return dict(document)
