"""What an archive of a run holds: its first member (`archive.json`), by which every other one is checked."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from driftgate.core.records.base import SCHEMA_VERSION, Record, Sha256

Bytes = Annotated[int, Field(ge=0, lt=2**63)]


class ArchivedFile(Record):
    """One file: its name inside the run, its size in bytes and its hash. `hidden` places in it were secrets, and are asterisks now."""

    name: str
    bytes: Bytes
    sha256: Sha256
    hidden: Annotated[int, Field(ge=0)] = 0


class NotArchived(Record):
    """A file of the run that is not inside, why, and the command that makes it again (None: there is none)."""

    name: str
    bytes: Bytes
    reason: str
    rebuild: str | None = None


class ArchiveManifest(Record):
    """`archive.json`: the run, every file inside in the order of the archive, and what was left out."""

    schema_version: int = SCHEMA_VERSION
    run_id: str
    fleet: str
    files: tuple[ArchivedFile, ...]
    left_out: tuple[NotArchived, ...] = ()

    @property
    def bytes(self) -> int:
        """The size of all files, unpacked."""
        return sum(file.bytes for file in self.files)
