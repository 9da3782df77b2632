"""The history at a million cells: how fast runs are taken in, how long the gate's question takes, what a year of nights costs.

250 nights of 500 models × 8 cells are written as runs on disk, one after the other, and imported from there.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.harness import Figure
from driftgate.history.baseline import find_baseline
from driftgate.history.database import Database
from driftgate.history.importing import Night, import_run, load_run, take_in
from driftgate.history.pruning import prune
from driftgate.history.queries import runs_of
from driftgate.machine.store import RunStore
from driftgate.steps.against import Against
from driftgate.steps.gate import gate
from driftgate.testing.runs import START, synthetic_run

TITLE = "History"
MODELS, NIGHTS, FROM_DISK = 500, 250, 20
YEAR = 365
CELLS_OF_EIGHT_TARGETS = 19
"""Of one model: pull, inputs, explain, export, infer on eight targets, drift on seven."""


def measure() -> list[Figure]:
    """Import rate from disk to database; the gate's question against 90 nights; size and pruning."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        file = folder / "history.sqlite"
        database = Database.at(f"sqlite:///{file}", folder)
        store = synthetic_run(folder / "runs", models=MODELS)
        night = load_run(store)
        cells = len(night.cells)
        _fill(database, night, NIGHTS - FROM_DISK)
        rate = FROM_DISK * cells / _import(database, store, FROM_DISK)
        size = file.stat().st_size / (NIGHTS * cells)
        asked = _ask(database, store)
        judged = _judge(database, store)
        forgotten = _prune(database)
    return [
        Figure("cells in the history", NIGHTS * cells, "cells"),
        Figure(f"import of the last {FROM_DISK} runs, from their records on disk", rate, "cells/s", 5_000, most=False),
        Figure("the gate's question: baseline, window of 90 nights, worst values", asked, "s", 1.0),
        Figure(f"the gate of a night of {cells} cells, its import included", judged, "s"),
        Figure("size of a cell in SQLite", size, "bytes"),
        Figure("a year of 500 models × 8 cells", YEAR * cells * size / 1e6, "MB"),
        Figure("a year of 500 models × 8 targets", YEAR * MODELS * CELLS_OF_EIGHT_TARGETS * size / 1e6, "MB"),
        Figure("`history prune` of all but 90 nights", forgotten, "s"),
    ]


def _fill(database: Database, night: Night, nights: int) -> None:
    """Nights that differ in their name and day, written without the detour over the disk."""
    for number in range(nights):
        take_in(_dated(night, number), database)


def _dated(night: Night, number: int) -> Night:
    manifest = night.manifest
    started = manifest.started_at + timedelta(days=number)
    dated = manifest.model_copy(update={"run_id": f"night-{number:03d}", "started_at": started, "verdict": "passed"})
    return dataclasses.replace(night, manifest=dated, digest=str(number))


def _import(database: Database, store: RunStore, nights: int) -> float:
    """The same records again as those of other nights: reading and checking them is the work, whatever they say."""
    spent = 0.0
    for number in range(nights):
        again = _renamed(store, f"last-{number:03d}", START + timedelta(days=NIGHTS - nights + number))
        began = time.perf_counter()
        import_run(database, again)
        spent += time.perf_counter() - began
    return spent


def _renamed(store: RunStore, run_id: str, started: datetime) -> RunStore:
    """The run in its place under another id: whatever speaks of a run names it."""
    before = store.manifest().run_id
    for path in store.root.rglob("*.json"):
        path.write_text(path.read_text("utf-8").replace(before, run_id), "utf-8")
    again = RunStore(store.root)
    again.write_manifest(again.manifest().model_copy(update={"started_at": started}))
    return again


def _ask(database: Database, store: RunStore) -> float:
    """The median of five."""
    tonight = _renamed(store, "tonight", START + timedelta(days=NIGHTS))
    times = []
    for _ in range(5):
        began = time.perf_counter()
        against = _against(database, tonight)
        times.append(time.perf_counter() - began)
        assert len(against.nights) == 90
    return sorted(times)[2]


def _judge(database: Database, store: RunStore) -> float:
    """Every rule over every record, against the newest good night; findings, JUnit and summary written, the run in the history."""
    tonight = RunStore(store.root)
    against = _against(database, tonight)
    began = time.perf_counter()
    gate(tonight, against=against, history=database)
    return time.perf_counter() - began


def _against(database: Database, tonight: RunStore) -> Against:
    baseline = find_baseline("window:90", tonight.manifest(), database, tonight.root.parent)
    assert baseline is not None
    return Against.of(baseline, tonight.agents(), database)


def _prune(database: Database) -> float:
    with database.reading() as connection:
        newest = max(run.started_at for run in runs_of(connection))
    began = time.perf_counter()
    gone = prune(database, days=90, now=newest)
    assert len(gone) >= NIGHTS - 91
    return time.perf_counter() - began
