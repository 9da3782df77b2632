"""Taking archived runs into the history: whole or not at all, once however often it is asked for.

load_run(folder) ─┐
gate ─► Night.of() ─┴─► Night (plain values, checked) ─► take_in(night)      one transaction a run
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from driftgate.core.facts import CellFacts, facts_of
from driftgate.core.records import Agent, Finding, Findings, Manifest
from driftgate.history.database import Database
from driftgate.history.packing import packed_facts, packed_numbers
from driftgate.history.schema import breaks, cells, findings, launches, nights, runs, series
from driftgate.machine.store import RunStore

AT_ONCE = 5_000
"""Rows of one statement."""

NAME = ("model", "stage", "target", "variant")
"""The columns of a series that name its cell."""

Name = tuple[str, str, str, str]
Row = dict[str, Any]
Rows = list[Row]


@dataclass(frozen=True)
class Night:
    """A run as the history keeps it. `lines` are the cells as JSON, in their order; `digest` is the hash of all that was read: an equal
    one has nothing new."""

    manifest: Manifest
    agents: tuple[Agent, ...]
    cells: tuple[CellFacts, ...]
    lines: tuple[str, ...]
    findings: tuple[Finding, ...]
    digest: str

    @classmethod
    def of(
        cls, manifest: Manifest, agents: Sequence[Agent], cells: Iterable[CellFacts], judged: Findings | None
    ) -> Night:
        """A run from its parts: `cells` are the facts of the planned cells in their order, `judged` what the gate found if it did."""
        known = tuple(cells)
        lines = tuple(cell.model_dump_json(exclude_defaults=True) for cell in known)
        digest = hashlib.sha256()
        for told in (manifest, *agents, judged):
            digest.update(told.to_json().encode() if told is not None else b"\n")
        for line in lines:
            digest.update(line.encode())
        return cls(manifest, tuple(agents), known, lines, judged.findings if judged else (), digest.hexdigest())

    @property
    def commit(self) -> str | None:
        """The commit of the code under test, where the agents agree on one."""
        commits = {agent.commit for agent in self.agents}
        return commits.pop() if len(commits) == 1 else None


def load_run(store: RunStore) -> Night:
    """A run as it lies on disk, each record validated. Raises DamagedRecordError for a file that is damaged, UsageError for one of a newer
    schema."""
    judged = store.findings() if store.has("findings.json") else None
    return Night.of(store.manifest(), store.agents(), facts_of_plan(store), judged)


def facts_of_plan(store: RunStore) -> Iterator[CellFacts]:
    """The facts of each planned cell that has a record; what was asked for at a desk besides (a profile, a sweep) is no part of a night."""
    for cell in store.plan().cells:
        record = store.record(cell)
        if record is not None:
            yield facts_of(record)


def import_run(database: Database, store: RunStore) -> bool:
    """Take an archived run in; False if the history had it already, as it is. Raises what `load_run` and the database raise."""
    return take_in(load_run(store), database)


def take_in(night: Night, database: Database) -> bool:
    """Write a night, whole or not at all; False if the history had it already, as it is. Raises what the database raises."""
    with database.writing() as connection:
        return keep(night, connection)


def keep(night: Night, connection: Connection) -> bool:
    """Write a night in the connection's transaction, in place of an earlier state of the same run; False if nothing is new."""
    run_id = night.manifest.run_id
    before = connection.execute(select(runs.c.number, runs.c.digest).where(runs.c.run_id == run_id)).first()
    if before is not None:
        if before.digest == night.digest:
            return False
        forget(connection, [before.number])
    inserted = connection.execute(insert(runs).values(**_run_row(night)))
    number: int = inserted.inserted_primary_key[0]  # type: ignore[index]  # an insert of one row has one
    named = _series_numbers(connection, night.manifest.fleet, [_name(cell) for cell in night.cells])
    for table, rows in _rows(night, number, named):
        for start in range(0, len(rows), AT_ONCE):
            connection.execute(insert(table), rows[start : start + AT_ONCE])
    return True


def forget(connection: Connection, gone: Sequence[int]) -> None:
    """Remove runs and everything of them."""
    for table in (findings, launches, breaks, nights, cells):
        connection.execute(delete(table).where(table.c.run.in_(gone)))
    connection.execute(delete(runs).where(runs.c.number.in_(gone)))


def _run_row(night: Night) -> Row:
    manifest = night.manifest
    return {
        "run_id": manifest.run_id,
        "fleet": manifest.fleet,
        "started_at": manifest.started_at.isoformat(),
        "ended_at": manifest.ended_at.isoformat() if manifest.ended_at else None,
        "verdict": manifest.verdict,
        "commit": night.commit,
        "config": json.dumps(manifest.config),
        "agents": json.dumps([agent.to_dict() for agent in night.agents]),
        "cells": len(night.cells),
        "digest": night.digest,
    }


def _series_numbers(connection: Connection, fleet: str, wanted: Sequence[Name]) -> dict[Name, int]:
    """The number of each cell's series; those that are new get one."""
    known = _known_series(connection, fleet)
    new = [name for name in wanted if name not in known]
    if not new:
        return known
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(series).on_conflict_do_nothing()
    connection.execute(statement, [{"fleet": fleet, **dict(zip(NAME, name, strict=True))} for name in new])
    return _known_series(connection, fleet)


def _known_series(connection: Connection, fleet: str) -> dict[Name, int]:
    asked = select(series.c.number, *(series.c[column] for column in NAME)).where(series.c.fleet == fleet)
    return {
        (model, stage, target, variant): number for number, model, stage, target, variant in connection.execute(asked)
    }


def _name(cell: CellFacts) -> Name:
    """A cell's name in columns: SQL's NULLs are never equal, so that what is absent is empty."""
    return cell.model, cell.stage, cell.target or "", cell.variant or ""


def _rows(night: Night, run: int, named: dict[Name, int]) -> Iterator[tuple[Table, Rows]]:
    keyed = [({"run": run, "series": named[_name(cell)]}, cell) for cell in night.cells]
    of_cells = [key | _cell_row(cell) for key, cell in keyed]
    yield cells, of_cells
    yield nights, [{"run": run, "numbers": packed_numbers(of_cells), "facts": packed_facts(night.lines)}]
    yield breaks, [row for key, cell in keyed for row in _break_rows(key, cell)]
    yield launches, [row for key, cell in keyed for row in _launch_rows(key, cell)]
    yield findings, [{"run": run} | _finding_row(finding) for finding in night.findings]


def _cell_row(cell: CellFacts) -> Row:
    return {
        "verdict": cell.verdict.value,
        "kind": cell.kind.value if cell.kind else None,
        "flaky": cell.flaky,
        "duration_s": cell.duration_s,
        "peak_rss_bytes": cell.peak_rss_bytes,
        "break_count": cell.break_count,
        "compile_s": cell.compile_s,
        "weight_bytes": cell.weight_bytes,
        "max_abs": cell.max_abs,
        "p50": cell.launches[0] if cell.launches else None,
    }


def _break_rows(key: Row, cell: CellFacts) -> Rows:
    """One row a fingerprint: two places may share one."""
    folded: dict[str, Row] = {}
    for one in cell.breaks:
        row = folded.setdefault(
            one.fingerprint,
            key
            | {
                "fingerprint": one.fingerprint,
                "site": one.site,
                "gb_id": one.gb_id,
                "gb_type": one.gb_type,
                "count": 0,
            },
        )
        row["count"] += one.count
    return list(folded.values())


def _launch_rows(key: Row, cell: CellFacts) -> Rows:
    return [
        key | {"launch": number, "p50": p50, "p90": cell.p90, "p99": cell.p99, "samples": cell.samples}
        for number, p50 in enumerate(cell.launches)
    ]


def _finding_row(finding: Finding) -> Row:
    row = finding.model_dump(include={"id", "rule", "model", "stage", "target", "variant", "sentence"})
    return row | {"severity": finding.severity.value}
