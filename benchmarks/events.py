"""What an event costs whoever writes it, and how fast what waits is sent to a Loki on this machine."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.harness import Figure
from driftgate.core.records import Cell, Plan
from driftgate.machine.events import EventLog
from driftgate.machine.store import RunStore
from driftgate.sinks.shipping import ship
from driftgate.testing.loki import LokiDouble

TITLE = "Events and their shipping"
RECORDS = 20_000
ROUNDS = 5


def measure() -> list[Figure]:
    """Write records as a run does, then send them."""
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore.create(Path(folder), now=datetime.now(UTC))
        store.write_plan(Plan(run_id=store.run_id, fleet="events", cells=()))
        with EventLog.of_run(store, "agent-1", "0f" * 20) as events:
            costs = sorted(_cost(lambda: _write(events)) for _ in range(ROUNDS))
        with LokiDouble() as loki:
            seconds = _cost(lambda: _ship(store, loki))
        written = ROUNDS * RECORDS
        assert len(loki.entries) == written
    return [
        Figure(
            f"writing an event, median of {ROUNDS} rounds of {RECORDS:,}", costs[ROUNDS // 2] / RECORDS * 1e6, "µs", 50
        ),
        Figure("sending one, 500 a request", seconds / written * 1e6, "µs", note="server included"),
    ]


def _write(events: EventLog) -> None:
    cell = Cell(model="acme--tiny-bert", stage="infer", target="ort-cpu")
    for number in range(RECORDS):
        events.write("verdict", about=cell, verdict="passed", duration_s=number / 7, cached=False)


def _ship(store: RunStore, loki: LokiDouble) -> None:
    shipped = ship(store, patience_s=600, environment={"DRIFTGATE_LOKI_URL": loki.url})
    assert shipped is not None
    assert shipped.problem is None
    assert shipped.waiting == 0


def _cost(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
