"""What stays on disk of past runs and of their archives, bounded in days and bytes."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from driftgate.machine.runs import archive_path, archived_ids, run_ids


@dataclass(frozen=True)
class OldRun:
    """A run that goes, or the archive of one."""

    run_id: str
    bytes: int
    archive: bool = False

    def __str__(self) -> str:
        return f"the archive of {self.run_id}" if self.archive else self.run_id


def prune_runs(
    output: Path,
    *,
    days: int,
    max_bytes: int | None = None,
    archive_days: int | None = None,
    only: frozenset[str] | None = None,
    dry_run: bool = False,
    now: datetime | None = None,
) -> tuple[OldRun, ...]:
    """Remove runs older than `days`, archives beside them older than `archive_days` (None: they stay), and the oldest of both until the
    rest fits into `max_bytes`: a run goes before its archive does. The newest run stays, and its archive.

    `only` names the runs that it is about; None means all.
    """
    gone: list[OldRun] = []
    total = 0
    there = sorted({*run_ids(output), *archived_ids(output)}, reverse=True)
    for number, run_id in enumerate(run_id for run_id in there if only is None or run_id in only):
        for path, most_days in ((archive_path(output / run_id), archive_days), (output / run_id, days)):
            size = _bytes_of(path)
            too_big = max_bytes is not None and total + size > max_bytes
            if size and number and (too_big or _is_older(run_id, most_days, now)):
                gone.append(OldRun(run_id, size, archive=path.is_file()))
                if not dry_run:
                    _remove(path)
            else:
                total += size
    return tuple(gone)


def _is_older(run_id: str, days: int | None, now: datetime | None) -> bool:
    began = datetime.strptime(run_id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return days is not None and began < (now or datetime.now(UTC)) - timedelta(days=days)


def _bytes_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else folder_bytes(path)


def _remove(path: Path) -> None:
    path.unlink() if path.is_file() else shutil.rmtree(path)


def folder_bytes(folder: Path) -> int:
    """Bytes of all plain files; one that other names share (a hard link into the cache) counts as well."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def drop_files(paths: Iterable[Path]) -> int:
    """Delete files that are there; the bytes that this freed."""
    freed = 0
    for path in paths:
        if path.is_file():
            freed += path.stat().st_size
            path.unlink()
    return freed
