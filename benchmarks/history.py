"""The history at a million cells: how fast runs are taken in, and how long the gate's question takes.

250 nights of 500 models × 8 cells are written as runs on disk, one after the other, and imported from there.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from benchmarks.harness import Figure
from driftgate.history.baseline import find_baseline
from driftgate.history.database import Database
from driftgate.history.importing import Night, import_run, keep, load_run
from driftgate.machine.store import RunStore
from driftgate.steps.against import Against
from driftgate.testing.runs import synthetic_run

TITLE = "History"
MODELS, NIGHTS = 500, 250


def measure() -> list[Figure]:
    """Import rate from disk to database; the gate's question against 90 nights."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        database = Database.at(f"sqlite:///{folder}/history.sqlite", folder)
        first = synthetic_run(folder / "runs", models=MODELS)
        night = load_run(first)
        cells = len(night.cells)
        _fill(database, night, NIGHTS - 20)
        seconds = _import(database, first, 20)
        rate = 20 * cells / seconds
        size = (folder / "history.sqlite").stat().st_size
        asked = _ask(database, first)
    return [
        Figure("cells in the history", NIGHTS * cells, "cells"),
        Figure("import of the last 20 runs, from their records on disk", rate, "cells/s", 5_000, most=False),
        Figure("size of a cell in SQLite", size / (NIGHTS * cells), "bytes"),
        Figure("the gate's question: baseline, window of 90 nights, worst values", asked, "s", 1.0),
    ]


def _fill(database: Database, night: Night, nights: int) -> None:
    """Nights that differ in their name and day, written without the detour over the disk."""
    for number in range(nights):
        with database.writing() as connection:
            keep(_dated(night, number), connection)


def _dated(night: Night, number: int) -> Night:
    manifest = night.manifest
    started = manifest.started_at + timedelta(days=number)
    dated = manifest.model_copy(update={"run_id": f"night-{number:03d}", "started_at": started, "verdict": "passed"})
    return dataclasses.replace(night, manifest=dated, digest=str(number))


def _import(database: Database, store: RunStore, nights: int) -> float:
    """The same records again under the names of other nights: reading and checking them is the work, whatever they say."""
    spent, manifest = 0.0, store.manifest()
    for number in range(nights):
        started = manifest.started_at + timedelta(days=NIGHTS + number)
        store.write_manifest(manifest.model_copy(update={"run_id": f"last-{number:03d}", "started_at": started}))
        began = time.perf_counter()
        import_run(database, store)
        spent += time.perf_counter() - began
    return spent


def _ask(database: Database, store: RunStore) -> float:
    """The median of five."""
    later = {"run_id": "tonight", "started_at": store.manifest().started_at + timedelta(days=NIGHTS)}
    tonight = store.manifest().model_copy(update=later)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        baseline = find_baseline("window:90", tonight, database, store.root.parent)
        assert baseline is not None
        against = Against.of(baseline, store.agents(), database)
        times.append(time.perf_counter() - began)
        assert len(against.nights) == 90
    return sorted(times)[2]
