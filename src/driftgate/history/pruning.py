"""Forgetting old runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from driftgate.history.database import Database
from driftgate.history.importing import forget
from driftgate.history.queries import RunSummary, runs_of


def prune(
    database: Database, *, days: int, fleet: str | None = None, dry_run: bool = False, now: datetime | None = None
) -> tuple[RunSummary, ...]:
    """Forget runs older than `days`; the newest run of a fleet and its newest good one stay. Returns those that went, oldest first."""
    limit = (now or datetime.now(UTC)) - timedelta(days=days)
    with database.writing() as connection:
        known = runs_of(connection, fleet=fleet)
        kept = {run.number for verdict in (None, "passed") for run in _newest(known, verdict)}
        gone = tuple(run for run in reversed(known) if run.started_at < limit and run.number not in kept)
        if not dry_run:
            forget(connection, [run.number for run in gone])
    return gone


def _newest(known: tuple[RunSummary, ...], verdict: str | None) -> tuple[RunSummary, ...]:
    """The newest run of each fleet with this verdict (None: any). `known` is sorted, newest first."""
    first: dict[str, RunSummary] = {}
    for run in known:
        if verdict in {None, run.verdict}:
            first.setdefault(run.fleet, run)
    return tuple(first.values())
