"""The cache as a whole: what lies in it besides cells, and how each room is bounded.

cells/ blobs/      results of cells                       least recently used first
models/            pulled models, one folder each         least recently used first
models/inductor/   what torch's compiler built            oldest files first
models/zoo/        zoo models made for references         least recently used first
environments/      an environment per set of versions         least recently used first
zoo/               the embedded Hub's models, a folder per toolchain; the newest two stay
scratch/           runs of single commands at a desk      a week
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from driftgate.machine.cache import DEFAULT_BYTES, CellCache
from driftgate.machine.retention import folder_bytes, prune_runs

SCRATCH_DAYS = 7
ZOO_FOLDERS = 2
SHARES = {"cells": 0.35, "models": 0.35, "compiler": 0.1, "environments": 0.1, "scratch": 0.1}
"""Which part of the whole each room may take."""


@dataclass(frozen=True)
class RoomPruned:
    """What was removed from a room of the cache, and what is left, in bytes."""

    room: str
    removed_bytes: int
    left_bytes: int


def prune_cache(root: Path, max_bytes: int = DEFAULT_BYTES) -> tuple[RoomPruned, ...]:
    """Bound every room; with `max_bytes` 0 everything goes."""
    room = {name: int(max_bytes * share) for name, share in SHARES.items()}
    cells = CellCache(root).prune(room["cells"])
    models = [*_folders(root / "models", "models--*"), *_folders(root / "models" / "zoo", "*")]
    compiler = [path for path in (root / "models" / "inductor").rglob("*") if path.is_file()]
    zoo = sorted(_folders(root / "zoo", "*"), key=_used, reverse=True)
    kept = 0 if max_bytes == 0 else sum(folder_bytes(folder) for folder in zoo[:ZOO_FOLDERS])
    return (
        RoomPruned("cells", cells.removed_bytes, cells.left_bytes),
        _bound("models", models, room["models"]),
        _bound("compiler", compiler, room["compiler"]),
        _bound("zoo", zoo, kept),
        *prune_benches(root, max_bytes),
    )


def prune_benches(root: Path, max_bytes: int = DEFAULT_BYTES) -> tuple[RoomPruned, RoomPruned]:
    """Bound what searching for a cause leaves behind: environments and scratch runs."""
    return (
        _bound("environments", _folders(root / "environments", "*"), int(max_bytes * SHARES["environments"])),
        _scratch(root / "scratch", int(max_bytes * SHARES["scratch"])),
    )


def _bound(room: str, places: Iterable[Path], max_bytes: int) -> RoomPruned:
    """Remove the least recently used places until the rest fits."""
    left = removed = 0
    for place in sorted(places, key=_used, reverse=True):
        size = folder_bytes(place) if place.is_dir() else place.stat().st_size
        if left + size <= max_bytes:
            left += size
            continue
        removed += size
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    return RoomPruned(room, removed, left)


def _scratch(folder: Path, max_bytes: int) -> RoomPruned:
    gone = sum(run.bytes for run in prune_runs(folder, days=SCRATCH_DAYS, max_bytes=max_bytes))
    if max_bytes == 0 and folder.is_dir():
        gone += folder_bytes(folder)
        shutil.rmtree(folder)
    return RoomPruned("scratch", gone, folder_bytes(folder))


def _folders(parent: Path, pattern: str) -> list[Path]:
    return [path for path in parent.glob(pattern) if path.is_dir()]


def _used(place: Path) -> float:
    return place.stat().st_mtime
