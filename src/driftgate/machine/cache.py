"""The cache of cells: what did not change is not computed again.

    cells/KEY.json        the result of a cell and which files belong to it
    blobs/SHA256          the files, by content

A key covers everything a result depends on: the model's pinned bytes, the inputs, the settings that the stage reads, the files
that came from earlier stages, the version of our code and of the toolchain. Only passed cells and deterministic failures
are kept. Bounded in size: the least recently used go first.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from driftgate.core.errors import MachineryError
from driftgate.core.records import Artifact, CellResult, LockEntry
from driftgate.core.verdicts import KIND_FACTS
from driftgate.machine.files import reason_of, sha256_of, write_atomic
from driftgate.machine.provenance import cpu_model, package_versions

DEFAULT_BYTES = 20 * 10**9
CODE_ROOMS = ("core", "data", "machine/jobs.py", "sources", "stages", "targets")
CODE_ENDINGS = (".py", ".yaml", ".json")


@dataclass(frozen=True)
class Pruned:
    """What a clean-up removed and what is left, in entries and bytes."""

    removed: int
    removed_bytes: int
    left: int
    left_bytes: int


class CellCache:
    """Results by key, files by content."""

    def __init__(self, root: Path, *, max_bytes: int = DEFAULT_BYTES) -> None:
        self.root, self.max_bytes = root, max_bytes

    def get(self, key: str, work: Path) -> CellResult | None:
        """The result kept under `key`, its files placed into `work`; None when there is none that is whole."""
        path = self._cell(key)
        try:
            result = CellResult.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError:
            path.unlink(missing_ok=True)  # written by another version, or damaged: compute anew
            return None
        if not all(self._place(artifact, work) for artifact in result.artifacts):
            path.unlink(missing_ok=True)
            return None
        os.utime(path)
        return result

    def put(self, key: str, result: CellResult, folder: Path) -> None:
        """Keep a result whose files lie in `folder`. What may end otherwise next time is not kept."""
        if result.failure is not None and not KIND_FACTS[result.failure.kind].deterministic:
            return
        for artifact in result.artifacts:
            blob = self._blob(artifact.sha256)
            if not blob.is_file():
                blob.parent.mkdir(parents=True, exist_ok=True)
                _link_or_copy(folder / artifact.name, blob)
        write_atomic(self._cell(key), result.to_json())

    def holds(self, artifact: Artifact) -> bool:
        """Whether `restore` may bring the file back: a cheap look, without hashing."""
        return self._blob(artifact.sha256).is_file()

    def restore(self, artifact: Artifact, folder: Path) -> bool:
        """Put one kept file back into `folder`; False if the cache does not have it any more."""
        return self._place(artifact, folder)

    def prune(self, max_bytes: int | None = None) -> Pruned:
        """Drop the least recently used results until what is left fits, then every blob that no result names."""
        limit = self.max_bytes if max_bytes is None else max_bytes
        cells = sorted(_facts(self.root.glob("cells/??/*.json")), key=lambda fact: fact.used, reverse=True)
        sizes = {fact.path.name: fact.bytes for fact in _facts(self.root.glob("blobs/??/*"))}
        before, kept, named, total = sum(sizes.values()), 0, set[str](), 0
        for cell in cells:
            files = _files_of(cell.path)
            wanted = (files or set()) - named
            size = cell.bytes + sum(sizes.get(sha, 0) for sha in wanted)
            if files is None or total + size > limit:
                cell.path.unlink(missing_ok=True)
                continue
            total, kept, named = total + size, kept + 1, named | wanted
        for sha in sizes.keys() - named:
            self._blob(sha).unlink(missing_ok=True)
        left = sum(size for sha, size in sizes.items() if sha in named)
        return Pruned(len(cells) - kept, before - left, kept, left)

    def _cell(self, key: str) -> Path:
        return self.root / "cells" / key[:2] / f"{key}.json"

    def _blob(self, sha256: str) -> Path:
        return self.root / "blobs" / sha256[:2] / sha256

    def _place(self, artifact: Artifact, work: Path) -> bool:
        blob = self._blob(artifact.sha256)
        if not blob.is_file() or blob.stat().st_size != artifact.bytes or sha256_of(blob) != artifact.sha256:
            blob.unlink(missing_ok=True)
            return False
        (work / artifact.name).parent.mkdir(parents=True, exist_ok=True)
        _link_or_copy(blob, work / artifact.name)
        return True


@dataclass(frozen=True)
class _Fact:
    path: Path
    bytes: int
    used: float


def _facts(paths: Iterable[Path]) -> Iterator[_Fact]:
    """Size and last use of files; one that another process removed meanwhile is none."""
    for path in paths:
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        yield _Fact(path, status.st_size, status.st_mtime)


def _files_of(path: Path) -> set[str] | None:
    """The content that a kept result names; None for a result that cannot be read, which is then no use to anyone."""
    try:
        return {artifact.sha256 for artifact in CellResult.model_validate_json(path.read_bytes()).artifacts}
    except (ValidationError, FileNotFoundError):
        return None


def _link_or_copy(source: Path, target: Path) -> None:
    """A hard link costs no space; other file systems get a copy, under a temporary name until it is whole."""
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        try:
            os.link(source, temporary)
        except OSError as error:
            if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}:
                raise
            shutil.copyfile(source, temporary)
        temporary.replace(target)
    except OSError as error:
        raise MachineryError(f"cannot write {target}: {reason_of(error)}") from error
    finally:
        temporary.unlink(missing_ok=True)


def cell_key(entry: LockEntry, about: Mapping[str, Any]) -> str | None:
    """The key of a cell of this model, or None if the model may not be cached (`python:` without a `cache_key`).

    `about` is what else the result depends on: stage, target, settings, inputs, hashes of earlier files.
    """
    if entry.scheme == "python" and entry.cache_key is None:
        return None
    what = {
        "model": entry.model_dump(mode="json", exclude={"ref", "slug", "endpoint", "location"}),
        "about": dict(about),
        "code": code_version(),
        "toolchain": package_versions(),
        "cpu": cpu_model(),
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()


@cache
def code_version() -> str:
    """A hash over the source of every room whose code decides what a cell's result is."""
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for room in CODE_ROOMS:
        place = package / room
        paths = [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.suffix in CODE_ENDINGS)
        for path in paths:
            digest.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
