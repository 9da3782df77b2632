"""The few parts of tar that an archive uses: headers of plain files, long names as GNU writes them, two empty blocks at the end.

Reading is strict and by hand, because `tarfile` takes in links, devices and extended headers of any size: here all else is refused.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from driftgate.core.errors import UsageError
from driftgate.machine.files import CHUNK

BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)
MODE = 0o644
LONG_NAME = 4096
"""The longest name, in bytes, that is read."""

_KINDS = {
    tarfile.SYMTYPE: "a link",
    tarfile.LNKTYPE: "a link",
    tarfile.DIRTYPE: "a folder",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.XHDTYPE: "an extended header",
    tarfile.XGLTYPE: "an extended header",
    tarfile.GNUTYPE_LONGLINK: "a link",
    tarfile.GNUTYPE_SPARSE: "a file with holes",
}


def header(name: str, size: int) -> bytes:
    """The header of a plain file, the same wherever and whenever it is made."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, MODE
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")


def padding(size: int) -> bytes:
    """What fills the last block of a file."""
    return bytes(-size % BLOCK)


@dataclass(frozen=True)
class Member:
    """A plain file of an archive. `size` is what its header says."""

    name: str
    size: int


class Members:
    """Walks through the members of a gzipped tar, once and in order, never holding more than a chunk.

    Raises UsageError, with `path` and what is wrong, for anything that a Driftgate would not have written.
    """

    def __init__(self, raw: BinaryIO, path: str) -> None:
        self._packed = gzip.GzipFile(fileobj=raw, mode="rb")
        self._path = path

    def next(self) -> Member | None:
        """The next file; None at the end, behind which nothing may stand."""
        block = self._take(BLOCK)
        if block == bytes(BLOCK):
            self._end()
            return None
        info = self._header(block)
        if info.type != tarfile.GNUTYPE_LONGNAME:
            return self._plain(info, info.name)
        if not 0 < info.size <= LONG_NAME:
            raise self.refused(f"it has a name of {info.size:,} bytes")
        name = b"".join(self.content(info.size)).rstrip(b"\0")
        return self._plain(self._header(self._take(BLOCK)), name.decode("utf-8", "backslashreplace"))

    def content(self, size: int) -> Iterator[bytes]:
        """The bytes of the file that `next` told of, in chunks; to be read to the end before the next one."""
        left = size
        while left:
            chunk = self._take(min(left, CHUNK))
            left -= len(chunk)
            yield chunk
        if any(self._take(-size % BLOCK)):
            raise self.refused("what fills its last block is not empty")

    def refused(self, reason: str) -> UsageError:
        """The error that says what is wrong with the archive."""
        return UsageError(f"not a sound archive of a run: {reason}", where=self._path, mend="download it again")

    def _plain(self, info: tarfile.TarInfo, name: str) -> Member:
        if info.type != tarfile.REGTYPE:
            raise self.refused(f"{name[:200]!r} is {_KINDS.get(info.type, 'no plain file')}")
        if info.size < 0:
            raise self.refused(f"{name[:200]!r} has a size below 0")
        return Member(name, info.size)

    def _header(self, block: bytes) -> tarfile.TarInfo:
        try:
            return tarfile.TarInfo.frombuf(block, "utf-8", "backslashreplace")
        except tarfile.HeaderError as error:
            raise self.refused(f"a header is damaged ({error})") from error

    def _end(self) -> None:
        if any(self._take(BLOCK)) or self._read(1):
            raise self.refused("it goes on after its end")

    def _take(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self._read(size - len(data))
            if not more:
                raise self.refused("it ends in the middle")
            data += more
        return data

    def _read(self, size: int) -> bytes:
        try:
            return self._packed.read(size)
        except EOFError as error:
            raise self.refused("it ends in the middle") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise self.refused(f"gzip says: {error}") from error
