"""What is asked of the history: which runs there are, the facts of one, and the numbers of a window of nights."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, Select, func, select

from driftgate.core.errors import UsageError, did_you_mean
from driftgate.core.facts import CellFacts
from driftgate.core.records import Agent, Cell
from driftgate.history.schema import breaks, cells, facts, runs, series

NUMBERS = ("p50", "compile_s", "peak_rss_bytes", "weight_bytes", "max_abs", "duration_s", "break_count")
"""The columns that `window` may be asked for."""

WORST = ("compile_s", "peak_rss_bytes", "max_abs")
"""Those of which the largest value over a window counts."""


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


@dataclass(frozen=True)
class Window:
    """A number of many series over many nights: a row for each series, a column for each run, NaN where there is none."""

    series: tuple[Cell, ...]
    runs: tuple[RunSummary, ...]
    values: NDArray[np.float64]


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


def facts_in(connection: Connection, run: int) -> dict[Cell, CellFacts]:
    """What is known of each cell of a run."""
    rows = connection.execute(select(facts.c.json).where(facts.c.run == run))
    found = (CellFacts.model_validate_json(row.json) for row in rows)
    return {one.cell: one for one in found}


def window(
    connection: Connection, over: Sequence[RunSummary], number: str = "p50", *, stage: str | None = None
) -> Window:
    """A number of all series that have it, over these runs. Raises ValueError for a number that no column holds."""
    if number not in NUMBERS:
        raise ValueError(f"{number!r} is none of {', '.join(NUMBERS)}")
    column = cells.c[number]
    asked = select(cells.c.run, cells.c.series, column).where(
        cells.c.run.in_([run.number for run in over]), column.is_not(None)
    )
    if stage is not None:
        asked = asked.where(cells.c.series.in_(select(series.c.number).where(series.c.stage == stage)))
    found = np.array(connection.execute(asked).fetchall(), dtype=np.float64).reshape(-1, 3)
    named = _cells_of(connection, {run.fleet for run in over})
    rows, row_of = np.unique(found[:, 1].astype(np.int64), return_inverse=True)
    column_of = {run.number: index for index, run in enumerate(over)}
    values = np.full((len(rows), len(over)), np.nan)
    values[row_of, [column_of[int(run)] for run in found[:, 0]]] = found[:, 2]
    return Window(tuple(named[int(row)] for row in rows), tuple(over), values)


def worst(connection: Connection, over: Sequence[RunSummary]) -> dict[Cell, dict[str, float]]:
    """The largest value of each number that each series had over these runs, where its cell passed."""
    columns = [cells.c[name] for name in WORST]
    asked = (
        select(cells.c.series, *(func.max(column).label(column.name) for column in columns))
        .where(cells.c.run.in_([run.number for run in over]), cells.c.verdict == "passed")
        .group_by(cells.c.series)
    )
    named = _cells_of(connection, {run.fleet for run in over})
    rows = connection.execute(asked)
    return {
        named[number]: {name: float(value) for name, value in zip(WORST, values, strict=True) if value is not None}
        for number, *values in rows
    }


def nights_with_break(connection: Connection, over: Iterable[RunSummary]) -> dict[tuple[Cell, str], int]:
    """In how many of these runs each break (by fingerprint) of each cell was."""
    chosen = list(over)
    asked = (
        select(breaks.c.series, breaks.c.fingerprint, func.count().label("nights"))
        .where(breaks.c.run.in_([run.number for run in chosen]))
        .group_by(breaks.c.series, breaks.c.fingerprint)
    )
    named = _cells_of(connection, {run.fleet for run in chosen})
    return {(named[row.series], row.fingerprint): row.nights for row in connection.execute(asked)}


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
