"""Making one run of what several machines computed of it: the same plan and pins, each machine's cells with their files.

    merged = merge(store, [RunStore(part), …])

A part is a copy of the run's folder that came back from an agent. Plan, pins, configuration and what the run is judged by must be equal.
A record that is another run's, another cell's or another model's, a file whose hash is not the record's, and two different records of
one cell are refused by name, before anything is written. What steps write (findings, report, …) is not taken: judge the run again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from driftgate.core.errors import MachineryError
from driftgate.core.records import Agent, Cell, StageRecord
from driftgate.core.verdicts import KIND_FACTS, FailureKind
from driftgate.machine.expectations import NAME as EXPECTATIONS
from driftgate.machine.files import replacing, safe_name, sha256_of, write_atomic
from driftgate.machine.gate_settings import NAME as GATE
from driftgate.machine.store import RunStore
from driftgate.machine.tolerances import NAME as TOLERANCES

RULES = (EXPECTATIONS, TOLERANCES, GATE)
"""What a run is judged by: a part has it as the run has it, if at all."""

RESULT = 3
"""The weight of a record that says something about the model."""


@dataclass(frozen=True)
class Merged:
    """What merging brought: cells taken from parts, agents that took part, planned cells that still have no record."""

    taken: int
    agents: tuple[str, ...]
    missing: tuple[Cell, ...]


@dataclass(frozen=True)
class _Copy:
    """A file of a part that is to be the run's."""

    source: Path
    target: Path


def merge(store: RunStore, parts: Sequence[RunStore]) -> Merged:
    """Bring every part's cells, files and agents into the run. Again and again, if you like: nothing is doubled.

    Raises UsageError where a part lacks a plan, MachineryError for anything foreign, damaged or contradictory; then nothing has changed.
    """
    cells = store.plan().cells
    for part in (store, *parts):
        _refuse_another_run(store, part)
        _refuse_unplanned(part, frozenset(cells))
    copies = [copy for part in parts for copy in _documents(store, part)]
    agents, logs = _agents(store, parts)
    taken, missing = 0, []
    for cell in cells:
        holder, record = _best(cell, (store, *parts))
        if holder is None or record is None:
            missing.append(cell)
            continue
        if holder is not store:
            copies += _of_cell(store, holder, cell)
            taken += 1
        copies += [copy for part in parts for copy in _artifacts(store, part, record)]
    for copy in copies:
        _put(copy)
    for agent in agents:
        store.write_agent(agent)
    for name, text in logs.items():
        write_atomic(store.events_path(name), text)
    return Merged(taken, tuple(agent.agent for agent in store.agents()), tuple(missing))


def _best(cell: Cell, holders: Iterable[RunStore]) -> tuple[RunStore | None, StageRecord | None]:
    """The one record of a cell among all that there are, and who has it. Raises MachineryError where nobody can tell."""
    holder: RunStore | None = None
    best: StageRecord | None = None
    for other in holders:
        record = other.record(cell)
        if record is None or record == best:
            continue
        _refuse_two_results(cell, holder, best, other, record)
        if best is None or _order(record) > _order(best):
            holder, best = other, record
    return holder, best


def _order(record: StageRecord) -> tuple[int, datetime, str]:
    """What outweighs what: a result of the model itself, a failure of the machinery, a cell that hangs on another, one that did not run;
    among equals the later one."""
    kind = record.failure.kind if record.failure else None
    if kind is FailureKind.NOT_RUN:
        weight = 0
    elif kind is FailureKind.UPSTREAM:
        weight = 1
    else:
        weight = 2 if kind is not None and KIND_FACTS[kind].machinery else RESULT
    return weight, record.started_at, record.agent


def _refuse_two_results(
    cell: Cell, one: RunStore | None, first: StageRecord | None, other: RunStore, second: StageRecord
) -> None:
    """Two machines may not have computed one cell: no two agents write one file. One machine may have done so again."""
    if one is None or first is None or first.agent == second.agent:
        return
    if _order(first)[0] == _order(second)[0] == RESULT:
        paths = f"{one.record_path(cell)} ({first.agent}) and {other.record_path(cell)} ({second.agent})"
        raise MachineryError(f"{paths} are two results of one cell; take one of them away")


def _refuse_unplanned(part: RunStore, planned: frozenset[Cell]) -> None:
    for cell, path in part.recorded():
        if cell not in planned:
            raise MachineryError(f"{path} is the record of a cell that the plan does not have; take it away")


def _refuse_another_run(store: RunStore, part: RunStore) -> None:
    if part.run_id != store.run_id:
        raise MachineryError(
            f"{part.root} is of run {part.run_id}, not of {store.run_id}: parts of one run share their id"
        )
    if part.plan() != store.plan():
        raise _refused(part, "plan.json", store, "parts of one run share their plan")
    if part.lock() != store.lock():
        raise _refused(part, "models.lock.json", store, "parts of one run share their pins")
    if store.has("run.json") and part.has("run.json") and part.manifest().config != store.manifest().config:
        raise _refused(part, "run.json", store, "parts of one run share their configuration")
    for name in RULES:
        if store.has(name) and part.has(name) and (store.root / name).read_bytes() != (part.root / name).read_bytes():
            raise _refused(part, name, store, "parts of one run are judged by the same rules")


def _refused(part: RunStore, name: str, store: RunStore, why: str) -> MachineryError:
    return MachineryError(f"{part.root / name} is not the one of {store.root}: {why}")


def _of_cell(store: RunStore, holder: RunStore, cell: Cell) -> Iterator[_Copy]:
    """A cell's record, and what its worker printed."""
    yield _Copy(_plain(holder.record_path(cell)), store.record_path(cell))
    log = holder.log_path(cell)
    if log.is_file():
        yield _Copy(_plain(log), store.log_path(cell))


def _artifacts(store: RunStore, part: RunStore, record: StageRecord) -> Iterator[_Copy]:
    """The files of a record that a part has and the run lacks. A part may have left some of them where they were."""
    if part.record(record.cell) != record:
        return
    for artifact in record.artifacts:
        if not safe_name(artifact.name):
            raise MachineryError(
                f"{part.record_path(record.cell)} names a file outside of its model: {artifact.name!r:.200}"
            )
        source, target = (one.model_folder(record.cell.model) / artifact.name for one in (part, store))
        if not os.path.lexists(source):
            continue
        if sha256_of(_plain(source)) != artifact.sha256:
            raise MachineryError(f"{source} is not the file of its record: the hash differs; copy the part again")
        if not target.is_file() or sha256_of(target) != artifact.sha256:
            yield _Copy(source, target)


def _documents(store: RunStore, part: RunStore) -> Iterator[_Copy]:
    for name in ("run.json", *RULES):
        if part.has(name) and not store.has(name):
            yield _Copy(_plain(part.root / name), store.root / name)


def _agents(store: RunStore, parts: Iterable[RunStore]) -> tuple[list[Agent], dict[str, bytes]]:
    """The agents that are new to the run, and the event logs as they are to be. Two machines of one name would be one: refused."""
    known = {agent.agent: (agent, store) for agent in store.agents()}
    logs: dict[str, bytes] = {}
    for part in parts:
        for agent in part.agents():
            first, holder = known.setdefault(agent.agent, (agent, part))
            if first != agent:
                told = f"{holder.root / 'agents'} and {part.root / 'agents'} have two machines named {agent.agent}"
                raise MachineryError(f"{told}; give each one its DRIFTGATE_AGENT")
            logs[agent.agent] = _joined(logs.get(agent.agent, _log_of(store, agent.agent)), _log_of(part, agent.agent))
    return [agent for agent, holder in known.values() if holder is not store], logs


def _log_of(store: RunStore, agent: str) -> bytes:
    path = store.events_path(agent)
    return _plain(path).read_bytes() if os.path.lexists(path) else b""


def _joined(one: bytes, other: bytes) -> bytes:
    """Two states of a log in one: the longer one, or if the agent worked in two places, all lines in the order of their times."""
    if other.startswith(one):
        return other
    if one.startswith(other):
        return one
    return b"".join(sorted({*one.splitlines(keepends=True), *other.splitlines(keepends=True)}))


def _plain(path: Path) -> Path:
    if path.is_symlink() or not path.is_file():
        raise MachineryError(f"{path} is no plain file but a link or a device; copy the part again")
    return path


def _put(copy: _Copy) -> None:
    with copy.source.open("rb") as source, replacing(copy.target) as target:
        shutil.copyfileobj(source, target)
