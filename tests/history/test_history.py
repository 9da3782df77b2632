"""Runs are taken into the history whole, once, and found again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import numpy as np
import pytest
from sqlalchemy import func, select, text

from driftgate.core.errors import MachineryError, UsageError
from driftgate.core.records import Cell
from driftgate.history.database import Database
from driftgate.history.importing import import_run, load_run
from driftgate.history.pruning import prune
from driftgate.history.queries import facts_in, nights_with_break, run_named, runs_of, window, worst
from driftgate.history.schema import breaks, cells, facts, findings, launches, runs, series
from driftgate.machine.store import RunStore
from driftgate.testing.runs import Story, synthetic_run

TABLES = (runs, cells, facts, breaks, launches, findings, series)
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


def test_a_run_is_found_again_as_it_was(database: Database, tmp_path: Path) -> None:
    store = a_night(tmp_path)
    assert import_run(database, store)

    with database.reading() as connection:
        found = run_named(connection, store.run_id)
        kept = facts_in(connection, found.number)
    assert (found.fleet, found.cells, found.verdict) == ("synthetic", 40, store.manifest().verdict)
    assert found.agents == store.agents()
    assert kept == {one.cell: one for one in load_run(store).cells}


def test_importing_again_changes_nothing(database: Database, tmp_path: Path) -> None:
    store = a_night(tmp_path)
    import_run(database, store)
    before = counts(database)

    assert import_run(database, store) is False
    assert counts(database) == before
    assert before["cells"] == before["facts"] == 40


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
        found = window(connection, nights, "p50", stage="infer")
        largest = worst(connection, nights)
        seen = nights_with_break(connection, nights)
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
    assert {nights for (cell, _), nights in seen.items() if cell.model == "zoo--model-1"} == {2}


def test_a_night_without_a_cell_is_a_gap_in_its_window(database: Database, tmp_path: Path) -> None:
    first, second = a_night(tmp_path), a_night(tmp_path, 1)
    gone = Cell(model="zoo--model-0", stage="infer", target="ort-cpu")
    second.record_path(gone).unlink()
    for store in (first, second):
        import_run(database, store)

    with database.reading() as connection:
        found = window(connection, runs_of(connection), "p50")
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
        assert found["cells"] == found["facts"] == 40 * found["runs"]
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


def test_a_history_of_a_newer_format_is_refused(database: Database, tmp_path: Path) -> None:
    with database.writing() as connection:
        connection.execute(text("UPDATE meta SET value = '9'"))
    with pytest.raises(UsageError, match="has format 9, newer than this Driftgate's 1"):
        import_run(Database(database.url), a_night(tmp_path))


def _no_database(folder: Path) -> str:
    (folder / "history.sqlite").write_text("no database at all, and long enough to be looked at as one" * 20)
    return "not a database"


def _folder_in_its_place(folder: Path) -> str:
    (folder / "history.sqlite").mkdir()
    return "unable to open database file"


@pytest.mark.parametrize("spoil", [_no_database, _folder_in_its_place])
def test_a_spoilt_file_is_one_clear_line(spoil: Callable[[Path], str], tmp_path: Path) -> None:
    store = a_night(tmp_path / "outputs")
    says = spoil(tmp_path)
    with pytest.raises(MachineryError, match=says) as error:
        import_run(Database.at(f"sqlite:///{tmp_path}/history.sqlite", tmp_path), store)
    assert "\n" not in str(error.value)


def test_a_read_only_history_can_be_read_and_not_written(tmp_path: Path) -> None:
    first, second = a_night(tmp_path), a_night(tmp_path, 1)
    import_run(Database.at(f"sqlite:///{tmp_path}/history.sqlite", tmp_path), first)
    locked = Database.at(f"sqlite:///file:{tmp_path}/history.sqlite?mode=ro&uri=true", tmp_path)

    with locked.reading() as connection:
        assert len(runs_of(connection)) == 1
    with pytest.raises(MachineryError, match="readonly"):
        import_run(locked, second)


def test_a_full_disk_leaves_the_history_as_it_was(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk."""
    first, second = a_night(tmp_path), a_night(tmp_path, 1)
    place = tmp_path / "history.sqlite"
    database = Database.at(f"sqlite:///{place}", tmp_path)
    import_run(database, first)
    database.close()
    most = place.stat().st_size // 1024 + 1
    command = f"exec {sys.executable} -c '{IMPORT}' sqlite:///{place} {second.root}"
    shell = f"ulimit -f {most}; trap '' XFSZ; {command}"
    answer = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)

    assert answer.returncode != 0
    assert "MachineryError: cannot write the history" in answer.stderr
    with Database.at(f"sqlite:///{place}", tmp_path).reading() as connection:
        assert [run.run_id for run in runs_of(connection)] == [first.run_id]


@pytest.mark.parametrize("url", ["mysql://user:secret@nowhere/base", "no url", "postgresql+nodriver://x/y"])
def test_a_url_that_means_nothing_is_a_wrong_call_and_no_password_is_told(url: str, tmp_path: Path) -> None:
    try:
        Database.at(url, tmp_path)
    except UsageError as error:
        assert "secret" not in f"{error} {error.mend}"
        assert "postgresql://USER:PASSWORD@HOST/NAME" in str(error.mend)
    else:
        assert url.startswith("postgresql")


def test_an_unreachable_server_is_one_line_without_its_password(tmp_path: Path) -> None:
    database = Database.at("postgresql://me:secret@127.0.0.1:1/base", tmp_path)
    with pytest.raises(MachineryError, match="Connection refused") as error, database.reading():
        pass
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_history_that_is_not_there_is_empty_and_is_not_made_by_looking(tmp_path: Path) -> None:
    database = Database.at(None, tmp_path)
    assert not database.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_history_can_be_rebuilt_from_archived_runs(database: Database, tmp_path: Path) -> None:
    stores = [a_night(tmp_path / "outputs", days) for days in range(2)]
    for store in stores:
        import_run(database, store)
    before = {store.run_id: _facts(database, store) for store in stores}
    shutil.copytree(tmp_path / "outputs", tmp_path / "archive")

    other = Database.at(f"sqlite:///{tmp_path}/other.sqlite", tmp_path)
    for store in stores:
        import_run(other, RunStore(tmp_path / "archive" / store.run_id))
    assert {store.run_id: _facts(other, store) for store in stores} == before


def _facts(database: Database, store: RunStore) -> object:
    with database.reading() as connection:
        return facts_in(connection, run_named(connection, store.run_id).number)


def test_the_environment_names_the_database(tmp_path: Path) -> None:
    line = "from driftgate.history.database import Database; from pathlib import Path; print(Database.at(None, Path('x')).name)"
    answer = subprocess.run(
        [sys.executable, "-c", line],
        env=os.environ | {"DRIFTGATE_DB_URL": f"sqlite:///{tmp_path}/mine.sqlite"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == f"{tmp_path}/mine.sqlite"
