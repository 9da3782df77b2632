"""publish: what a run measured and found, as metrics: `metrics.prom` in the run, and one group per model in a Pushgateway.

Nothing but `metrics.prom` is written into the run, so it can be published again, and as often as one likes: a group is replaced whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from driftgate.core.errors import MachineryError, UsageError
from driftgate.core.measurements import RunTally, of_model, of_record, of_run
from driftgate.core.metrics import OF_THE_RUN, Group, Sample, model_label
from driftgate.core.records import Manifest
from driftgate.core.text import plural
from driftgate.history.baseline import USUAL_NIGHTS, newest_like
from driftgate.history.database import Database
from driftgate.history.queries import runs_of
from driftgate.machine.store import RunStore
from driftgate.sinks.exposition import exposition
from driftgate.sinks.pushgateway import Gateway, RefusedError

NAME = "metrics.prom"


@dataclass(frozen=True)
class Pushed:
    """What became of a push: how many groups are there now, and the models whose groups were deleted."""

    groups: int
    pruned: tuple[str, ...] = ()


def write_metrics(store: RunStore, database: Database, *, more: Sequence[Sample] = ()) -> tuple[Group, ...]:
    """Write `metrics.prom`, with every group's key written into the labels; returns the groups, that of the run last.

    `more` are further samples of the run as a whole. Raises UsageError for a run that has not been judged.
    """
    groups = groups_of(store, database, more=more)
    store.write_text(NAME, exposition(groups))
    return groups


def groups_of(store: RunStore, database: Database, *, more: Sequence[Sample] = ()) -> tuple[Group, ...]:
    """One group a model, and last the one of the run."""
    if not store.has("findings.json"):
        mend = f"`driftgate gate --run {store.run_id}` first"
        raise UsageError(f"{store.run_id} has not been judged", mend=mend)
    manifest, agents, tally = store.manifest(), store.agents(), RunTally()
    commits = {agent.agent: agent.commit for agent in agents}
    expected = {(failure.model, failure.cell) for failure in manifest.expected}
    groups = []
    for slug, records in groupby(store.records(), key=lambda record: record.model.slug):
        samples: list[Sample] = []
        for record in records:
            tally.add(record)
            samples += () if samples else (of_model(record.model),)
            known = (slug, record.cell.name) in expected
            samples += of_record(record, commits.get(record.agent), expected=known)
        groups.append(Group(manifest.fleet, model_label(slug), tuple(samples)))
    last_good = _last_good(manifest, database)
    run = (*of_run(manifest, store.findings(), agents, tally, last_good), *more)
    return (*groups, Group(manifest.fleet, OF_THE_RUN, run))


def push(
    groups: Sequence[Group], gateway: Gateway, *, prune: bool = False, told: Callable[[int], None] = lambda done: None
) -> Pushed:
    """Replace every group, that of the run last, so that a run looks new only when all of it is there. With `prune`, groups of the same
    fleet whose model is not among them are deleted.

    A group that the server finds fault with does not keep the others from it; after them MachineryError is raised with the server's own
    reason, and nothing is deleted. Any other trouble ends it at once.
    """
    refused: list[tuple[Group, RefusedError]] = []
    for done, group in enumerate(groups):
        told(done)
        try:
            gateway.push(group)
        except RefusedError as error:
            refused.append((group, error))
    if refused:
        first, reason = refused[0]
        count = f"{len(refused)} of {plural(len(groups), 'group')}"
        raise MachineryError(f"{count} refused, the first for model {first.model}: {reason}") from reason
    return Pushed(len(groups), _prune(groups, gateway) if prune else ())


def _prune(groups: Sequence[Group], gateway: Gateway) -> tuple[str, ...]:
    (fleet,) = {group.fleet for group in groups}
    gone = sorted(set(gateway.models(fleet)) - {group.model for group in groups})
    for model in gone:
        gateway.delete(fleet, model)
    return tuple(gone)


def _last_good(manifest: Manifest, database: Database) -> datetime | None:
    """When the newest good run that was asked for the same began, this one included."""
    own = [manifest.started_at] if manifest.verdict == "passed" else []
    if not database.exists():
        return max(own, default=None)
    with database.reading() as connection:
        known = runs_of(connection, fleet=manifest.fleet, verdict="passed", most=USUAL_NIGHTS)
    good = newest_like(manifest, known)
    return max([*own, *([good.started_at] if good else [])], default=None)
