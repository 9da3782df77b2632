"""Packing and opening runs: time beside the size, memory that does not grow with it, and what of a run the archive takes."""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path

from benchmarks.fleet_memory import peak_mb
from benchmarks.harness import DRIFTGATE, Figure, run_timed
from driftgate.machine.runs import archive_path
from driftgate.machine.store import RunStore
from driftgate.steps.report import build_report
from driftgate.testing.runs import Story, synthetic_run

TITLE = "Archives"
MODELS = 1000
LARGE = 500_000_000


def measure() -> list[Figure]:
    """A thousand models' records and report, and a run with one file of 500 MB, half of it noise."""
    with tempfile.TemporaryDirectory(prefix="driftgate-bench-") as name:
        place = Path(name)
        fleet = synthetic_run(place / "fleet", models=MODELS, stories=tuple(Story))
        build_report(fleet)
        large = synthetic_run(place / "large", models=1)
        _noise(large.root / "notes.bin", LARGE)
        return [*_times(fleet), *_memory(large)]


def _times(fleet: RunStore) -> list[Figure]:
    packing = run_timed([*DRIFTGATE, "archive", "--run", str(fleet.root)])
    first = archive_path(fleet.root).read_bytes()
    run_timed([*DRIFTGATE, "archive", "--run", str(fleet.root)])
    opening = run_timed(_open(fleet))
    size = sum(path.stat().st_size for path in fleet.root.rglob("*") if path.is_file())
    return [
        Figure(f"packing {MODELS:,} models' records and report", packing, "s", note=f"{size / 1e6:.0f} MB"),
        Figure("size of the archive beside the run", 100 * len(first) / size, "%"),
        Figure("bytes that differ when packed again", float(first != archive_path(fleet.root).read_bytes()), "", 0),
        Figure("opening and verifying it", opening, "s"),
    ]


def _memory(large: RunStore) -> list[Figure]:
    command = [*DRIFTGATE, "archive", "--run", str(large.root)]
    packing = run_timed(command)
    return [
        Figure("packing a file of 500 MB", LARGE / packing / 1e6, "MB/s"),
        Figure("peak memory of packing it", peak_mb(command, large.root.parent), "MB", 150),
        Figure("peak memory of opening it", peak_mb(_open(large), large.root.parent), "MB", 150),
    ]


def _open(store: RunStore) -> list[str]:
    return [*DRIFTGATE, "open", str(archive_path(store.root)), "--output", str(store.root.parent / "opened")]


def _noise(path: Path, size: int) -> None:
    block = random.Random(0).randbytes(1 << 19) + bytes(1 << 19)
    with path.open("wb") as stream:
        for _ in range(size // len(block)):
            stream.write(block)
        stream.write(os.urandom(size % len(block)))
