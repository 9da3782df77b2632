"""A pinned model below a cache folder, in the Hub's own layout: what of it is there, and whether it is right."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from driftgate.core.errors import MachineryError, StageFailure
from driftgate.core.records import LockedFile, LockEntry
from driftgate.core.verdicts import FailureKind
from driftgate.machine.files import CHUNK, sha256_of, write_atomic
from driftgate.sources.hub_pin import is_plain

COMMIT = re.compile(r"[0-9a-f]{40}")
_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of `entry` below `cache`."""

    entry: LockEntry
    cache: Path

    def __post_init__(self) -> None:
        """Raises StageFailure(integrity) for a lock that could lead out of the cache: it may come from anywhere."""
        odd = [file.path for file in self.entry.files if not is_plain(file.path)]
        if odd or not COMMIT.fullmatch(self.entry.revision or "") or not _NAME.fullmatch(self.entry.name):
            place = odd[0] if odd else f"{self.entry.name}@{self.entry.revision}"
            raise StageFailure(
                FailureKind.INTEGRITY,
                f"the lock of {self.entry.ref} names {place[:200]!r}, which is no plain name",
                hint="write models.lock.json anew with `driftgate pull`",
            )

    @property
    def storage(self) -> Path:
        """As `huggingface_hub` names it, so that its tools read this cache, too."""
        return self.cache / f"models--{self.entry.name.replace('/', '--')}"

    @property
    def folder(self) -> Path:
        return self.storage / "snapshots" / str(self.entry.revision)

    @property
    def stamp(self) -> Path:
        """Which files were verified, by size and modification time: hashing gigabytes again each night is waste."""
        return self.storage / f"verified-{self.entry.revision}.json"

    def missing(self) -> tuple[LockedFile, ...]:
        """The files that are not there in the size they were pinned with."""
        return tuple(file for file in self.entry.files if _size(self.folder / file.path) != file.size)

    def verify(self) -> None:
        """Hash what the stamp does not vouch for. A wrong file is removed; raises StageFailure(integrity)."""
        known = _read_stamp(self.stamp)
        seen: dict[str, Any] = {}
        for file in self.entry.files:
            path = self.folder / file.path
            seen[file.path] = [file.sha256, file.size, path.stat().st_mtime_ns]
            if known.get(file.path) != seen[file.path]:
                self._check(file, path)
        if known != seen:
            self._write_stamp(seen)

    def _write_stamp(self, seen: dict[str, Any]) -> None:
        try:
            write_atomic(self.stamp, json.dumps(seen))
        except MachineryError as error:
            hint = "set DRIFTGATE_CACHE to a folder that can be written"
            raise StageFailure(FailureKind.DISK, str(error), hint=hint) from error

    def _check(self, file: LockedFile, path: Path) -> None:
        blob = path.resolve()
        size = path.stat().st_size
        wanted = file.sha256 or blob.name  # small files have no sha256 at the Hub: git's hash names their blob
        found = sha256_of(path) if file.sha256 else _git_oid(path)
        nameless = file.sha256 is None and not COMMIT.fullmatch(blob.name)  # a file system without links: size alone
        if size == file.size and (found == wanted or nameless):
            return
        path.unlink()
        if blob.is_relative_to(self.storage.resolve()):
            blob.unlink(missing_ok=True)
        raise StageFailure(
            FailureKind.INTEGRITY,
            f"{self.entry.ref}: {file.path}: {size:,} bytes with hash {found[:16]}…;"
            f" pinned are {file.size:,} with {wanted[:16]}…",
            hint="the file was removed; if another run fails alike, pin the model anew: its content has changed",
        )


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _read_stamp(path: Path) -> dict[str, Any]:
    """What was verified; a stamp that cannot be read vouches for nothing."""
    try:
        data = json.loads(path.read_bytes()) if path.is_file() else {}
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _git_oid(path: Path) -> str:
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
