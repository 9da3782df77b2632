"""What is asked of the history: which runs there are, the facts of one, and the numbers of a window of nights."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from driftgate.core.errors import UsageError, did_you_mean
from driftgate.core.facts import CellFacts
from driftgate.core.records import Agent, Cell
from driftgate.history.numbers import Numbers
from driftgate.history.packing import unpacked_facts, unpacked_numbers
from driftgate.history.schema import nights, runs, series


@dataclass(frozen=True)
class RunSummary:
    """One run of the history, without its cells. `number` is the database's own."""

    number: int
    run_id: str
    fleet: str
    started_at: datetime
    verdict: str | None
    commit: str | None
    cells: int
    agents: tuple[Agent, ...]
    config: dict[str, Any]


def runs_of(
    connection: Connection,
    *,
    fleet: str | None = None,
    before: datetime | None = None,
    verdict: str | None = None,
    most: int | None = None,
) -> tuple[RunSummary, ...]:
    """The runs, newest first."""
    asked = select(runs).order_by(runs.c.started_at.desc(), runs.c.number.desc())
    if fleet is not None:
        asked = asked.where(runs.c.fleet == fleet)
    if before is not None:
        asked = asked.where(runs.c.started_at < before.isoformat())
    if verdict is not None:
        asked = asked.where(runs.c.verdict == verdict)
    return _summaries(connection, asked if most is None else asked.limit(most))


def run_named(connection: Connection, name: str, *, where: str | None = None) -> RunSummary:
    """The one run whose id begins like this (`latest`: the newest). Raises UsageError for none or several; `where` is what named it."""
    if name == "latest":
        found = runs_of(connection, most=1)
    else:
        asked = select(runs).where(runs.c.run_id.startswith(name, autoescape=True))
        found = _summaries(connection, asked.order_by(runs.c.started_at.desc()).limit(1000))
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{name[:80]!r} is the beginning of {len(found)} runs of the history", where=where, mend="add digits"
        )
    known = [run.run_id for run in runs_of(connection, most=1000)]
    raise UsageError(
        f"no run {name[:80]!r} in the history", where=where, mend=did_you_mean(name, [*known, "latest"], most=5)
    )


def runs_of_commit(connection: Connection, fleet: str, commit: str) -> tuple[RunSummary, ...]:
    """The runs of a commit of the code under test, newest first."""
    asked = select(runs).where(runs.c.fleet == fleet, runs.c.commit == commit).order_by(runs.c.started_at.desc())
    return _summaries(connection, asked)


def facts_in(connection: Connection, run: RunSummary) -> dict[Cell, CellFacts]:
    """What is known of each cell of a run. Raises MachineryError where that is damaged."""
    kept = connection.execute(select(nights.c.facts).where(nights.c.run == run.number)).scalar()
    return {one.cell: one for one in unpacked_facts(kept, run.run_id)}


def numbers_of(connection: Connection, over: Sequence[RunSummary]) -> Numbers:
    """The numbers of these runs, read in one sweep. Raises MachineryError for those that are damaged."""
    asked = select(nights.c.run, nights.c.numbers).where(nights.c.run.in_([run.number for run in over]))
    kept = {row.run: row.numbers for row in connection.execute(asked)}
    found = [unpacked_numbers(kept.get(run.number), run.run_id) for run in over]
    return Numbers(found, _cells_of(connection, {run.fleet for run in over}))


def _summaries(connection: Connection, asked: Select[Any]) -> tuple[RunSummary, ...]:
    return tuple(_summary(row) for row in connection.execute(asked))


def _summary(row: Row[Any]) -> RunSummary:
    return RunSummary(
        number=row.number,
        run_id=row.run_id,
        fleet=row.fleet,
        started_at=datetime.fromisoformat(row.started_at),
        verdict=row.verdict,
        commit=row.commit,
        cells=row.cells,
        agents=tuple(Agent.model_validate(agent) for agent in json.loads(row.agents)),
        config=json.loads(row.config),
    )


def _cells_of(connection: Connection, fleets: Iterable[str]) -> dict[int, Cell]:
    rows = connection.execute(select(series).where(series.c.fleet.in_(list(fleets))))
    return {
        row.number: Cell(model=row.model, stage=row.stage, target=row.target or None, variant=row.variant or None)
        for row in rows
    }
