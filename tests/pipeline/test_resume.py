"""Ctrl-C, SIGTERM and `kill -9` at any moment, then `--resume`: what is finished stays as it is, the rest is computed, nothing twice."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from driftgate.core.verdicts import FailureKind
from driftgate.machine.runs import run_ids
from driftgate.testing.models import GATE
from driftgate.testing.workplace import Workplace

MODELS = tuple(f"python:driftgate.testing.models:{name}" for name in ("healthy", "shows_defaults", "returns_nan"))
HELD = "python:driftgate.testing.models:waits_for_a_file"
PATIENCE = 90.0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"])
def test_a_run_that_is_told_to_stop_keeps_what_is_finished_and_can_go_on(
    place: Workplace, number: signal.Signals, code: int
) -> None:
    gate = place.folder / "gate"
    process = place.start("run", place.config(*MODELS[:1], HELD), **{GATE: str(gate)})
    _wait_until(place, lambda: len(_finished(place)) >= 4)
    process.send_signal(number)
    ended = place.end_of(process)

    assert ended.code == code, ended.err
    assert ended.err.splitlines()[-1].endswith("what is finished is kept, `--resume` goes on")
    assert "Traceback" not in ended.err
    assert not place.processes()
    before, events = _finished(place), len(place.events())

    gate.touch()
    resumed = place.call("run", "--resume", "latest", **{GATE: str(gate)})
    assert resumed.code == 0, resumed.err
    _check_completed(place, before, events)


def test_a_run_that_is_killed_three_times_goes_on_where_it_was(place: Workplace) -> None:
    moments = random.Random()
    config = place.config(*MODELS)
    arguments: tuple[str | Path, ...] = ("run", config)
    for least in (1, 6, 12):
        process = place.start(*arguments)
        _wait_until(place, lambda least=least: len(_finished(place)) >= least)  # type: ignore[misc]
        time.sleep(moments.uniform(0, 0.3))
        _kill(process)
        assert place.settles(lambda: not place.processes()), place.processes()
        arguments = ("run", "--resume", "latest")
    before, events = _finished(place), len(place.events())

    resumed = place.call(*arguments)
    assert resumed.code == 0, resumed.err
    _check_completed(place, before, events)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_run_that_is_killed_at_thirty_random_moments_loses_nothing(place: Workplace) -> None:
    """Whenever a run is complete, the next one is begun."""
    moments = random.Random(30)
    config = place.config(*MODELS)
    for _ in range(30):
        run, before = _newest(place), _finished(place)
        events = len(place.events()) if before else 0
        go_on = run is not None and len(before) < len(MODELS) * 7
        process = place.start(*(("run", "--resume", "latest") if go_on else ("run", config)))
        time.sleep(moments.uniform(0.2, 12.0))
        _kill(process)
        assert place.settles(lambda: not place.processes()), place.processes()
        if _newest(place) == run:
            assert _unchanged(place, before)
            if before:
                _check_nothing_twice(place, before, events)
    before = _finished(place)
    assert before  # how far it came depends on the machine; that something is kept does not
    assert place.call("run", "--resume", "latest").code == 0
    assert _unchanged(place, before)
    assert all(record.passed for record in place.records().values())
    assert place.leftovers() == []


def test_what_was_not_run_is_run_when_the_run_is_resumed(place: Workplace) -> None:
    """The gate may have judged a run that was cut off; the records that it wrote for lack of others are no results."""
    gate = place.folder / "gate"
    process = place.start("run", place.config(HELD), **{GATE: str(gate)})
    _wait_until(place, lambda: len(_finished(place)) >= 2)
    _kill(process)
    assert place.call("gate", "--run", "latest").code == 1
    kinds = [record.failure.kind for record in place.records().values() if record.failure]
    assert set(kinds) == {FailureKind.NOT_RUN}

    gate.touch()
    resumed = place.call("run", "--resume", "latest", **{GATE: str(gate)})
    assert resumed.code == 0, resumed.err
    assert all(record.passed for record in place.records().values())


def _newest(place: Workplace) -> Path | None:
    """The newest run that has a plan; None if the newest has none yet, or there is no run."""
    ids = run_ids(place.folder / "outputs")
    return place.store.root if ids and place.store.has("plan.json") else None


def _finished(place: Workplace) -> dict[str, bytes]:
    """The newest run's records on disk by "model/cell", as bytes."""
    if _newest(place) is None:
        return {}
    store = place.store
    return {str(cell): path.read_bytes() for cell in store.plan().cells if (path := store.record_path(cell)).is_file()}


def _wait_until(place: Workplace, holds: Callable[[], bool]) -> None:
    assert place.settles(holds, PATIENCE), f"waited {PATIENCE} s in vain; records: {sorted(_finished(place))}"


def _kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def _unchanged(place: Workplace, before: dict[str, bytes]) -> bool:
    now = _finished(place)
    return all(now.get(cell) == content for cell, content in before.items())


def _check_nothing_twice(place: Workplace, before: dict[str, bytes], events: int) -> None:
    started = [
        f"{event['model']}/{event['cell']}".partition("[")[0]
        for event in place.events()[events:]
        if event["event"] == "start"
    ]
    assert not before.keys() & set(started)


def _check_completed(place: Workplace, before: dict[str, bytes], events: int) -> None:
    """Every scheduled cell has a record and passed; what was finished before is as it was, and nothing of it was begun again."""
    records = place.records()
    assert all(record.passed for record in records.values())
    assert _unchanged(place, before)
    assert 0 < len(before) < len(records)
    _check_nothing_twice(place, before, events)
    assert place.leftovers() == []
    assert not place.processes()
    assert not list((place.folder / "tmp").rglob("job.json"))
