"""Writing an archive: a first pass measures and hashes every file, the second one packs them behind the manifest."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from driftgate.core.errors import MachineryError
from driftgate.core.records import ArchivedFile, ArchiveManifest
from driftgate.machine.files import CHUNK, reason_of, replacing
from driftgate.sinks.archive.tar import END, header, padding
from driftgate.sinks.archive.veil import Veil

MANIFEST = "archive.json"
LEVEL = 6
TEXTS = frozenset(
    (".json", ".jsonl", ".log", ".md", ".xml", ".html", ".css", ".svg", ".yaml", ".py", ".prom", ".txt", ".csv")
)
"""Files in which a secret is blackened; another file that holds one does not go in at all."""

KEPT_BACK = "it holds a secret"


def measured(path: Path, name: str, secrets: Iterable[str]) -> ArchivedFile | str:
    """The file as an archive would hold it, or why it stays out: it is no text, and holds a secret. Raises MachineryError."""
    veil, digest, size = Veil(secrets), hashlib.sha256(), 0
    if path.suffix not in TEXTS and (reason := _stays_out(path, veil)):
        return reason
    for chunk in _content(path, veil):
        digest.update(chunk)
        size += len(chunk)
    return ArchivedFile(name=name, bytes=size, sha256=digest.hexdigest(), hidden=veil.hidden)


def write_archive(target: Path, root: Path, manifest: ArchiveManifest, secrets: Iterable[str]) -> int:
    """Pack the manifest's files from `root` into `target`, whole or not at all; the bytes that it takes.

    Raises MachineryError for a file that is no longer what the manifest says, and for a disk that refuses.
    """
    about, secrets = manifest.to_json().encode(), tuple(secrets)
    with (
        replacing(target) as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=LEVEL, mtime=0) as packed,
    ):
        for chunk in _member(f"{manifest.run_id}/{MANIFEST}", len(about), (about,)):
            packed.write(chunk)
        for file in manifest.files:
            for chunk in _member(f"{manifest.run_id}/{file.name}", file.bytes, _as_measured(root, file, secrets)):
                packed.write(chunk)
        packed.write(END)
    return target.stat().st_size


def _member(name: str, size: int, content: Iterable[bytes]) -> Iterator[bytes]:
    yield header(name, size)
    yield from content
    yield padding(size)


def _as_measured(root: Path, file: ArchivedFile, secrets: Iterable[str]) -> Iterator[bytes]:
    digest, size = hashlib.sha256(), 0
    for chunk in _content(root / file.name, Veil(secrets)):
        digest.update(chunk)
        size += len(chunk)
        if size > file.bytes:
            break
        yield chunk
    if (size, digest.hexdigest()) != (file.bytes, file.sha256):
        raise MachineryError(f"{root / file.name} changed while it was archived; archive again when nothing is at work")


def _stays_out(path: Path, veil: Veil) -> str | None:
    """Why a file that is no text stays out; a `.gz` that a killed worker left half written cannot be searched."""
    with _opened(path) as stream:
        if path.suffix != ".gz":
            return KEPT_BACK if veil.is_in(stream) else None
        try:
            with gzip.GzipFile(fileobj=stream) as packed:
                found = veil.is_in(packed)  # type: ignore[arg-type]  # it reads like any binary stream
        except (EOFError, gzip.BadGzipFile, zlib.error):
            return "it is damaged, and cannot be searched for secrets"
        return KEPT_BACK if found else None


def _content(path: Path, veil: Veil) -> Iterator[bytes]:
    with _opened(path) as stream:
        if path.suffix in TEXTS:
            yield from veil.over(stream)
            return
        while chunk := stream.read(CHUNK):
            yield chunk


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as stream:
            yield stream
    except OSError as error:
        raise MachineryError(f"cannot read {path}: {reason_of(error)}") from error
