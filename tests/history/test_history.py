"""Runs are taken into the history whole, once, and found again."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import numpy as np
import pytest
from five_models import IMPORT, a_night, counts, facts_of_run
from sqlalchemy import select

from driftgate.core.errors import MachineryError, UsageError
from driftgate.core.records import Cell
from driftgate.history.database import Database
from driftgate.history.importing import import_run, load_run
from driftgate.history.pruning import prune
from driftgate.history.queries import facts_in, numbers_of, run_named, runs_of
from driftgate.history.schema import breaks
from driftgate.machine.store import RunStore
from driftgate.testing.run_payloads import BREAKS


def test_a_run_is_found_again_as_it_was(database: Database, tmp_path: Path) -> None:
    store = a_night(tmp_path)
    assert import_run(database, store)

    with database.reading() as connection:
        found = run_named(connection, store.run_id)
        kept = facts_in(connection, found)
    assert (found.fleet, found.cells, found.verdict) == ("synthetic", 40, store.manifest().verdict)
    assert found.agents == store.agents()
    assert kept == {one.cell: one for one in load_run(store).cells}


def test_importing_again_changes_nothing(database: Database, tmp_path: Path) -> None:
    store = a_night(tmp_path)
    import_run(database, store)
    before = counts(database)

    assert import_run(database, store) is False
    assert counts(database) == before
    assert (before["runs"], before["nights"], before["cells"]) == (1, 1, 40)


def test_a_run_that_changed_takes_the_place_of_what_it_was(database: Database, tmp_path: Path) -> None:
    store = a_night(tmp_path)
    import_run(database, store)
    manifest = store.manifest()
    store.write_manifest(manifest.model_copy(update={"verdict": "error"}))

    assert import_run(database, store)
    with database.reading() as connection:
        assert [run.verdict for run in runs_of(connection)] == ["error"]
    assert counts(database)["cells"] == 40


def test_the_window_has_a_row_for_each_series_and_a_column_for_each_night(database: Database, tmp_path: Path) -> None:
    stores = [a_night(tmp_path, days, seed=days) for days in range(3)]
    for store in stores:
        import_run(database, store)

    with database.reading() as connection:
        nights = runs_of(connection, fleet="synthetic", before=datetime(2026, 11, 24, tzinfo=UTC))
        kept = numbers_of(connection, nights)
        named = connection.execute(select(breaks.c.run, breaks.c.gb_id).distinct()).all()
    found, largest = kept.window("p50"), kept.worst()
    assert [night.run_id for night in nights] == [store.run_id for store in (stores[1], stores[0])]
    assert found.values.shape == (len(found.series), 2)
    for row, cell in enumerate(found.series):
        expected = [stores[1].record(cell), stores[0].record(cell)]
        assert found.values[row].tolist() == [record.payload.latency.p50 for record in expected]  # type: ignore[union-attr]
    explained = Cell(model="zoo--model-0", stage="explain")
    assert largest[explained]["compile_s"] == max(
        store.record(explained).payload.compile_s
        for store in stores[:2]  # type: ignore[union-attr]
    )
    assert len({run for run, _ in named}) == 3
    assert {gb_id for _, gb_id in named} == {one.gb_id for one in BREAKS}


def test_a_night_without_a_cell_is_a_gap_in_its_window(database: Database, tmp_path: Path) -> None:
    first, second = a_night(tmp_path), a_night(tmp_path, 1)
    gone = Cell(model="zoo--model-0", stage="infer", target="ort-cpu")
    second.record_path(gone).unlink()
    for store in (first, second):
        import_run(database, store)

    with database.reading() as connection:
        found = numbers_of(connection, runs_of(connection)).window("p50")
    row = found.values[found.series.index(gone)]
    assert np.isnan(row[0])
    assert row[1] > 0


def test_two_writers_at_once_lose_and_double_nothing(database: Database, tmp_path: Path) -> None:
    stores = [a_night(tmp_path, days) for days in range(4)]
    failures: list[MachineryError] = []

    def write(mine: list[RunStore]) -> None:
        own = Database(database.url)
        try:
            for store in mine:
                import_run(own, store)
        except MachineryError as error:
            failures.append(error)
        finally:
            own.close()

    writers = [threading.Thread(target=write, args=(order,)) for order in (stores, stores[::-1], stores[1:3])]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    assert counts(database)["runs"] == 4
    assert counts(database)["cells"] == 160
    assert counts(database)["series"] == 40


def _killed_while_importing(database: Database, stores: list[RunStore], after: float) -> None:
    url = database.url.render_as_string(hide_password=False)
    folders = [str(store.root) for store in stores]
    child = subprocess.Popen([sys.executable, "-c", IMPORT, url, *folders], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    time.sleep(after)
    child.send_signal(signal.SIGKILL)
    child.wait()


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.full)])
def test_a_killed_import_leaves_whole_runs_alone(kills: int, database: Database, tmp_path: Path) -> None:
    stores = [a_night(tmp_path, days) for days in range(6)]
    moments = Random(5)
    for _ in range(kills):
        _killed_while_importing(database, stores, moments.uniform(0.0, 0.4))
        found = counts(database)
        assert found["cells"] == 40 * found["runs"]
        assert found["nights"] == found["runs"]
    for store in stores:
        import_run(database, store)
    assert counts(database)["runs"] == 6
    assert counts(database)["cells"] == 240


def test_old_runs_are_forgotten_but_never_the_newest_good_one(database: Database, tmp_path: Path) -> None:
    stores = [a_night(tmp_path, days) for days in range(4)]
    for number, store in enumerate(stores):
        verdict = "passed" if number < 2 else "failed"
        store.write_manifest(store.manifest().model_copy(update={"verdict": verdict}))
        import_run(database, store)

    gone = prune(database, days=1, now=datetime(2027, 11, 22, tzinfo=UTC))

    assert [run.run_id for run in gone] == [stores[0].run_id, stores[2].run_id]
    assert counts(database)["cells"] == 80


def test_a_damaged_run_is_refused_and_nothing_is_written(database: Database, tmp_path: Path) -> None:
    store = a_night(tmp_path)
    store.record_path(Cell(model="zoo--model-1", stage="explain")).write_text("{}")

    with pytest.raises(MachineryError, match=r"explain\.json has no schema_version"):
        import_run(database, store)
    assert counts(database)["runs"] == 0


def test_a_run_of_a_newer_schema_is_refused(database: Database, tmp_path: Path) -> None:
    store = a_night(tmp_path)
    path = store.record_path(Cell(model="zoo--model-1", stage="explain"))
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 9'))

    with pytest.raises(UsageError, match="newer"):
        import_run(database, store)
    assert counts(database)["runs"] == 0


def test_a_history_can_be_rebuilt_from_archived_runs(database: Database, tmp_path: Path) -> None:
    stores = [a_night(tmp_path / "outputs", days) for days in range(2)]
    for store in stores:
        import_run(database, store)
    before = {store.run_id: facts_of_run(database, store) for store in stores}
    shutil.copytree(tmp_path / "outputs", tmp_path / "archive")

    other = Database.at(f"sqlite:///{tmp_path}/other.sqlite", tmp_path)
    for store in stores:
        import_run(other, RunStore(tmp_path / "archive" / store.run_id))
    assert {store.run_id: facts_of_run(other, store) for store in stores} == before


def test_what_was_asked_for_at_a_desk_is_no_part_of_a_night(database: Database, tmp_path: Path) -> None:
    store = a_night(tmp_path)
    desk = store.record(Cell(model="zoo--model-0", stage="explain"))
    assert desk is not None
    store.write_record(desk.model_copy(update={"variant": "b4"}))

    import_run(database, store)
    assert counts(database)["cells"] == 40
