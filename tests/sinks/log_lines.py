"""Runs that have nothing but event logs."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from driftgate.core.records import Plan
from driftgate.machine.store import RunStore

TARGETS = ("torch-eager-cpu", "ort-cpu", None)


def run_with_logs(output: Path, began: datetime, logs: dict[str, Iterable[bytes]]) -> RunStore:
    """A run that began then, with one event log for each agent."""
    store = RunStore.create(output, now=began)
    store.write_plan(Plan(run_id=store.run_id, fleet="logs", cells=()))
    (store.root / "agents").mkdir()
    for agent, lines in logs.items():
        store.events_path(agent).write_bytes(b"".join(lines))
    return store


def event_lines(count: int, began: datetime, *, step: float = 0.001, agent: str = "agent-1") -> list[bytes]:
    """That many verdicts, one every `step` seconds, spread over some streams."""
    return [event_line(began + timedelta(seconds=step * number), number, agent=agent) for number in range(count)]


def event_line(moment: datetime, number: int, *, agent: str = "agent-1", **more: object) -> bytes:
    """One verdict."""
    row = {
        "time": moment.isoformat(timespec="microseconds"),
        "level": "error" if number % 7 == 0 else "info",
        "event": "verdict",
        "run_id": "20261122T021500Z-3f9a1c",
        "agent": agent,
        "commit": "0f" * 20,
        "model": f"acme--tiny-{number % 50}",
        "stage": "infer",
        "target": TARGETS[number % len(TARGETS)],
        "cell": "infer",
        "number": number,
    }
    known = {name: value for name, value in (row | more).items() if value is not None}
    return json.dumps(known).encode() + b"\n"


def minutes_ago(minutes: float) -> datetime:
    """Then."""
    return datetime.now(UTC) - timedelta(minutes=minutes)
