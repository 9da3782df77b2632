"""Downloading the files of a pinned model, several at a time, large ones resumably.

`huggingface_hub` resumes a file only within one call: what a killed process had of it is thrown away. So a large
file is first fetched into `blobs/<sha256>.part`, which survives, and `hf_hub_download` finds the finished blob.
"""

from __future__ import annotations

import fcntl
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx2
from huggingface_hub import constants, hf_hub_download, hf_hub_url
from huggingface_hub.file_download import http_get
from huggingface_hub.utils._headers import build_hf_headers
from huggingface_hub.utils.tqdm import silent_tqdm

from driftgate.core.errors import StageFailure
from driftgate.core.records import LockedFile
from driftgate.core.verdicts import FailureKind
from driftgate.sources.base import Progress
from driftgate.sources.hub_errors import explained
from driftgate.sources.hub_snapshot import Snapshot
from driftgate.sources.patience import Patience

RESUMABLE = constants.DOWNLOAD_CHUNK_SIZE  # smaller files come in one piece, so there is never a half to go on with
SPARE = 100_000_000
WORKERS = 4
SILENT: Any = silent_tqdm  # the caller draws the only bar


class Meter:
    """How much of each file is here; reports the sum."""

    def __init__(self, files: Iterable[LockedFile], missing: Iterable[LockedFile], progress: Progress) -> None:
        self._here = {file.path: file.size for file in files}
        self._total = sum(self._here.values())
        self._progress, self._lock = progress, threading.Lock()
        self._here.update({file.path: 0 for file in missing})
        progress(sum(self._here.values()), self._total)

    def put(self, path: str, size: int) -> None:
        """`size` bytes of the file `path` are here now."""
        with self._lock:
            self._here[path] = size
            self._progress(sum(self._here.values()), self._total)


@dataclass(frozen=True, slots=True)
class Downloader:
    """Fetches the files of one snapshot from `endpoint`."""

    snapshot: Snapshot
    endpoint: str
    token: str | bool
    patience: Patience

    def fetch(self, missing: tuple[LockedFile, ...], progress: Progress) -> None:
        """Fetch the missing files. Raises StageFailure; what is complete by then stays."""
        self._check_disk(sum(file.size for file in missing))
        meter = Meter(self.snapshot.entry.files, missing, progress)
        pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="hub")
        try:
            for done in [pool.submit(self._fetch_one, file, meter) for file in missing]:
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _check_disk(self, needed: int) -> None:
        with explained(self.snapshot.entry.ref):
            self.snapshot.storage.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.snapshot.storage).free
        if free < needed + SPARE:
            raise StageFailure(
                FailureKind.DISK,
                f"{self.snapshot.entry.ref} needs {needed:,} bytes and {SPARE:,} to spare; {free:,} are free",
                hint="free some space, run `driftgate cache prune`, or set DRIFTGATE_CACHE to a larger disk",
            )

    def _fetch_one(self, file: LockedFile, meter: Meter) -> None:
        place = self.snapshot.folder / file.path
        with explained(f"{self.snapshot.entry.ref}: {file.path}"):
            place.unlink(missing_ok=True)  # it has not the pinned size: the client would take it for good
            if file.sha256 is not None and file.size >= RESUMABLE:
                self._patiently(lambda: self._fetch_part(file, meter))
            self._patiently(lambda: self._place(file))
        meter.put(file.path, file.size)

    def _place(self, file: LockedFile) -> None:
        """Into the snapshot's folder; downloads nothing where the blob is there already."""
        hf_hub_download(
            self.snapshot.entry.name,
            file.path,
            revision=self.snapshot.entry.revision,
            cache_dir=self.snapshot.cache,
            endpoint=self.endpoint,
            token=self.token,
            etag_timeout=self.patience.timeout,
            tqdm_class=SILENT,
        )

    def _fetch_part(self, file: LockedFile, meter: Meter) -> None:
        """Fetch a large file into its blob, going on where an earlier process stopped."""
        blob = self.snapshot.storage / "blobs" / str(file.sha256)
        blob.parent.mkdir(parents=True, exist_ok=True)
        with _locked(blob.with_suffix(".lock")):
            if blob.exists():
                return
            part = blob.with_suffix(".part")
            if part.exists() and part.stat().st_size > file.size:
                part.unlink()
            with part.open("ab") as stream:
                self._download(file, _Watched(stream, lambda size: meter.put(file.path, size)))
            part.replace(blob)

    def _download(self, file: LockedFile, stream: _Watched) -> None:
        entry = self.snapshot.entry
        http_get(
            hf_hub_url(entry.name, file.path, revision=entry.revision, endpoint=self.endpoint),
            stream,  # type: ignore[arg-type] # it writes, seeks, tells and truncates, and asks for no more
            resume_size=stream.tell(),
            headers=build_hf_headers(token=self.token),
            expected_size=file.size,
            tqdm_class=SILENT,
        )

    def _patiently(self, work: Callable[[], None]) -> None:
        """Again after a connection that was reset in the middle of a file, which the client does not do."""
        for attempt in range(1, self.patience.tries):
            try:
                return work()
            except httpx2.ReadError:
                self.patience.pause(attempt)
        return work()


class _Watched:
    """A file that tells its size after each write."""

    def __init__(self, stream: IO[bytes], tell_size: Callable[[int], None]) -> None:
        self._stream, self._tell_size = stream, tell_size
        self.tell, self.seek, self.truncate = stream.tell, stream.seek, stream.truncate

    def write(self, chunk: bytes) -> int:
        written = self._stream.write(chunk)
        self._tell_size(self._stream.tell())
        return written


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Held by one process at a time; the file stays, since removing it would let two hold it."""
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
