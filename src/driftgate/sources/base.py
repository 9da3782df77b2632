"""The contract of a source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from driftgate.core.records import LockEntry
from driftgate.core.references import Reference
from driftgate.machine.settings import HubSettings

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here and the bytes in all (None: not known)."""


@dataclass(frozen=True)
class Fetched:
    """A model's files are present and verified. `folder` is None where there are no files (`python:`)."""

    folder: Path | None
    files: int = 0
    bytes: int = 0
    downloaded_bytes: int = 0


class Source(Protocol):
    """What every source can do. Constructed with the hub's settings (most ignore them)."""

    def __init__(self, hub: HubSettings) -> None: ...

    def pin(self, reference: Reference) -> LockEntry:
        """The reference with everything that identifies it: revision, files and hashes, family, task, architecture.

        `slug` may be left as `slug_of(str(reference))`; the caller makes it unique. Raises UsageError for a name
        that cannot be, StageFailure(network, auth, not_found …) where the source says no.
        """
        ...

    def present(self, entry: LockEntry, cache: Path) -> bool:
        """Whether the files of a pinned model are all there: a cheap look, without hashing."""
        ...

    def fetch(self, entry: LockEntry, cache: Path, progress: Progress) -> Fetched:
        """Make the files of a pinned model present under `cache` and verify them. Touches no network if they are
        there. Raises StageFailure with a kind of network, auth, not_found, integrity, disk or load."""
        ...
