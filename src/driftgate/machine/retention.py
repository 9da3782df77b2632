"""What stays on disk of past runs, bounded in days and bytes."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from driftgate.machine.store import run_ids


@dataclass(frozen=True)
class OldRun:
    """A run that goes."""

    run_id: str
    bytes: int


def prune_runs(
    output: Path,
    *,
    days: int,
    max_bytes: int | None = None,
    only: frozenset[str] | None = None,
    dry_run: bool = False,
    now: datetime | None = None,
) -> tuple[OldRun, ...]:
    """Remove runs older than `days`, and the oldest ones until the rest fits into `max_bytes`. The newest stays.

    `only` names the runs that it is about; None means all.
    """
    limit = (now or datetime.now(UTC)) - timedelta(days=days)
    gone: list[OldRun] = []
    total = 0
    runs = [run_id for run_id in reversed(run_ids(output)) if only is None or run_id in only]
    for number, run_id in enumerate(runs):
        size = folder_bytes(output / run_id)
        too_old = datetime.strptime(run_id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) < limit
        too_big = max_bytes is not None and total + size > max_bytes
        if number and (too_old or too_big):
            gone.append(OldRun(run_id, size))
            if not dry_run:
                shutil.rmtree(output / run_id)
        else:
            total += size
    return tuple(gone)


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
