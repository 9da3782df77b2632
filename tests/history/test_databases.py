"""Databases that are older, newer, damaged, full or not there: upgraded, or told in one clear line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from five_models import IMPORT, a_night, facts_of_run
from sqlalchemy import select, text

from driftgate.core.errors import MachineryError, UsageError
from driftgate.history.database import Database
from driftgate.history.importing import import_run, load_run
from driftgate.history.queries import numbers_of, runs_of
from driftgate.history.schema import METADATA, VERSION, meta
from driftgate.machine.store import RunStore


def test_a_history_of_a_newer_format_is_refused(database: Database, tmp_path: Path) -> None:
    with database.writing() as connection:
        connection.execute(text("UPDATE meta SET value = '9'"))
    with pytest.raises(UsageError, match=f"has format 9, newer than this Driftgate's {VERSION}"):
        import_run(Database(database.url), a_night(tmp_path))


def test_a_history_of_the_first_format_is_upgraded_where_it_stands(database: Database, tmp_path: Path) -> None:
    stores = [a_night(tmp_path, days, seed=days) for days in range(2)]
    for store in stores:
        import_run(database, store)
    before = _kept(database, stores)
    with database.writing() as connection:
        connection.execute(text("DROP TABLE nights"))
        connection.execute(meta.update().values(value="1"))
        connection.execute(text("CREATE TABLE facts (run BIGINT, series BIGINT, json TEXT, PRIMARY KEY (run, series))"))
        for run, store in enumerate(stores, 1):
            rows = [{"run": run, "series": row, "json": line} for row, line in enumerate(load_run(store).lines)]
            connection.execute(text("INSERT INTO facts VALUES (:run, :series, :json)"), rows)

    again = Database(database.url)
    assert _kept(again, stores) == before
    with again.reading() as connection:
        assert connection.execute(select(meta.c.value)).scalar_one() == str(VERSION)
    again.close()


def _kept(database: Database, stores: list[RunStore]) -> object:
    with database.reading() as connection:
        kept = numbers_of(connection, runs_of(connection))
    found = kept.window("p50")
    return found.series, found.values.tolist(), kept.worst(), [facts_of_run(database, store) for store in stores]


@pytest.mark.parametrize("what", ["numbers", "facts"])
def test_a_damaged_night_is_named_by_its_run(what: str, database: Database, tmp_path: Path) -> None:
    store = a_night(tmp_path)
    import_run(database, store)
    with database.writing() as connection:
        connection.execute(METADATA.tables["nights"].update().values({what: b"torn"}))
    with pytest.raises(MachineryError, match=f"no whole {what} of {store.run_id}.*history import"):
        _kept(database, [store])


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
