"""Nights of one fleet on disk: the same run again, a day later, with what a test plants in it.

first = synthetic_run(tmp_path, models=6, stories=[Story.CLEAN])
tonight = next_night(first, day=1, plant={export_of_b: lost})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from random import Random

from driftgate.core.records import Cell, ExplainPayload, Failure, GraphBreak, InferPayload, StageRecord
from driftgate.core.verdicts import FailureKind, verdict_of
from driftgate.machine.store import RunStore

Plant = Callable[[StageRecord], StageRecord]
"""What a record becomes."""


def next_night(
    store: RunStore, *, day: int, plant: Mapping[Cell, Plant] | None = None, spread: float = 0.0, seed: int = 0
) -> RunStore:
    """The run again, `day` days later, in the same folder; its times move by `spread` from launch to launch. Not judged."""
    manifest, random = store.manifest(), Random(f"{seed} {day}")
    again = RunStore.create(store.root.parent, now=manifest.started_at + timedelta(days=day))
    again.write_lock(store.lock())
    again.write_plan(store.plan().model_copy(update={"run_id": again.run_id}))
    for agent in store.agents():
        again.write_agent(agent)
    for record in store.records():
        moved = _timed(record, random.lognormvariate(0, spread)).model_copy(update={"run_id": again.run_id})
        again.write_record((plant or {}).get(record.cell, _as_it_was)(moved))
    later = timedelta(days=day)
    of_tonight = {
        "run_id": again.run_id,
        "started_at": manifest.started_at + later,
        "ended_at": manifest.ended_at + later if manifest.ended_at else None,
        "verdict": None,
        "expected": (),
    }
    again.write_manifest(manifest.model_copy(update=of_tonight))
    return again


def breaking_at(one: GraphBreak) -> Plant:
    """An explain record with one more break."""

    def plant(record: StageRecord) -> StageRecord:
        payload = record.payload
        assert isinstance(payload, ExplainPayload)
        more = {"breaks": (*payload.breaks, one), "break_count": payload.break_count + one.count}
        return record.model_copy(update={"payload": payload.model_copy(update=more)})

    return plant


def failing(kind: FailureKind, message: str, *, with_payload: bool = False) -> Plant:
    """A record that ends with this failure; what it had to say is kept where it is a drift's table."""

    def plant(record: StageRecord) -> StageRecord:
        update = {"verdict": verdict_of(kind), "failure": Failure.of(kind, message)}
        return record.model_copy(update=update if with_payload else update | {"payload": None, "artifacts": ()})

    return plant


def slower(factor: float) -> Plant:
    """An infer record whose times are that many times as long."""
    return lambda record: _timed(record, factor)


def _as_it_was(record: StageRecord) -> StageRecord:
    return record


def _timed(record: StageRecord, factor: float) -> StageRecord:
    payload = record.payload
    if not isinstance(payload, InferPayload) or payload.latency is None:
        return record
    latency = payload.latency
    times = {name: getattr(latency, name) * factor for name in ("p50", "p90", "p95", "p99", "min", "max", "mean")}
    timed = payload.model_copy(update={"latency": latency.model_copy(update=times)})
    return record.model_copy(update={"payload": timed})
