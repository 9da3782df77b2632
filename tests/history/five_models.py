"""Nights of five models, and what a history has of them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select

from driftgate.history.database import Database
from driftgate.history.queries import facts_in, run_named
from driftgate.history.schema import METADATA, meta
from driftgate.machine.store import RunStore
from driftgate.testing.runs import Story, synthetic_run

TABLES = [table for table in METADATA.tables.values() if table is not meta]
NAMES = tuple(f"zoo:model-{number}" for number in range(5))
STORIES = (Story.CLEAN, Story.BREAKS, Story.UNSUPPORTED, Story.DRIFT, Story.NETWORK)


def a_night(folder: Path, days: int = 0, **more: object) -> RunStore:
    """A run of five models, that many days after the first."""
    store = synthetic_run(folder, models=5, names=NAMES, stories=STORIES, **more)  # type: ignore[arg-type]
    manifest = store.manifest()
    store.write_manifest(manifest.model_copy(update={"started_at": manifest.started_at + timedelta(days=days)}))
    return store


def counts(database: Database) -> dict[str, int]:
    with database.reading() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one() for table in TABLES
        }


def facts_of_run(database: Database, store: RunStore) -> object:
    with database.reading() as connection:
        return facts_in(connection, run_named(connection, store.run_id))


IMPORT = """
import sys
from pathlib import Path
from driftgate.history.database import Database
from driftgate.history.importing import import_run
from driftgate.machine.store import RunStore
database = Database.at(sys.argv[1], Path("."))
print("ready", flush=True)
for folder in sys.argv[2:]:
    import_run(database, RunStore(Path(folder)))
"""
