"""The ledger of a run's graph breaks, and what is new in it against another run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from driftgate.core.break_words import where
from driftgate.core.comparison import Difference, Pair, break_differences
from driftgate.core.ledger import Group, Ledger, Lever
from driftgate.core.records import ExplainPayload, StageRecord
from driftgate.machine.store import RunStore

STAGE = "explain"


def ledger_of(store: RunStore) -> Ledger:
    """Every graph break that the run's explain cells found. Raises UsageError for a run without a plan."""
    ledger = Ledger()
    for record in _explained(store):
        if isinstance(record.payload, ExplainPayload):
            ledger.add(record.model, record.payload)
    return ledger


def _explained(store: RunStore) -> Iterator[StageRecord]:
    for cell in store.plan().cells:
        record = store.record(cell) if cell.stage == STAGE else None
        if record is not None:
            yield record


def not_explained(store: RunStore) -> tuple[str, ...]:
    """Planned models of which nothing can be said: their explain cell failed, or has no record."""
    cells = [cell for cell in store.plan().cells if cell.stage == STAGE]
    told = {record.model.slug for record in _explained(store) if record.payload is not None}
    return tuple(dict.fromkeys(cell.model for cell in cells if cell.model not in told))


def changes_between(before: RunStore, after: RunStore) -> tuple[Difference, ...]:
    """What became of the breaks of every model that both runs explained."""
    found: list[Difference] = []
    for record in _explained(after):
        was = before.record(record.cell)
        if was is not None:
            found += break_differences(Pair(was, record))
    return tuple(found)


def group_facts(group: Group) -> dict[str, Any]:
    """A group as JSON: its key, its costs, and the break it was first seen as."""
    seen = group.seen
    return {
        "key": list(group.key),
        "models": group.models,
        "frees": group.frees,
        "places": group.places,
        "events": group.events,
        "gb_id": seen.gb_id,
        "gb_type": seen.gb_type,
        "where": where(seen),
        "code": seen.code,
        "hints": list(seen.hints),
        "url": seen.url,
    }


def lever_facts(lever: Lever) -> dict[str, Any]:
    """A lever as JSON."""
    return group_facts(lever.group) | {"together": lever.together}
