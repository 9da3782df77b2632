"""Writing files so that a reader sees the old one or the new one, never half of it."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from driftgate.core.errors import MachineryError

CHUNK = 1 << 20
NAME_BYTES = 240


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write to a temporary name beside `path`, sync, rename. Raises MachineryError when the disk refuses."""
    data = content.encode() if isinstance(content, str) else content
    with replacing(path) as stream:
        stream.write(data)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A binary stream whose content takes the place of `path` when the block ends without an exception."""
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name[-100:]}.", suffix=".tmp", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise MachineryError(f"cannot write {path}: {reason_of(error)}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def reason_of(error: OSError) -> str:
    """Why the disk refused, and what mends it."""
    mends = {
        errno.ENOSPC: "the disk is full; free some space or choose another --output",
        errno.EROFS: "the file system is read-only; choose another --output",
        errno.EACCES: "permission denied; choose another --output",
        errno.EDQUOT: "the disk quota is used up",
    }
    return mends.get(error.errno or 0, error.strerror or str(error))


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def safe_name(name: str) -> bool:
    """Whether a relative path may become part of a run: plain, printable, one way of writing it, no part that begins with a dot."""
    path = PurePosixPath(name)
    return (
        bool(path.parts)
        and path.as_posix() == name
        and not path.is_absolute()
        and not any(part.startswith(".") for part in path.parts)
        and "\\" not in name
        and name.isprintable()
        and len(name.encode("utf-8", "surrogateescape")) <= NAME_BYTES
    )


def cache_root() -> Path:
    """Where downloads and cached results live: DRIFTGATE_CACHE, else XDG_CACHE_HOME, else ~/.cache."""
    own = os.environ.get("DRIFTGATE_CACHE")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "driftgate"
