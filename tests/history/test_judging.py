"""Judging a run beside its history: what goes wrong is one clear line and leaves both as they were, a kill included."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from driftgate.cli.judging import judged
from driftgate.core.records import Cell
from driftgate.core.verdicts import FailureKind
from driftgate.history.database import VARIABLE, Database
from driftgate.history.importing import import_run
from driftgate.history.queries import runs_of
from driftgate.history.schema import METADATA, VERSION, meta, runs
from driftgate.machine.store import RunStore
from driftgate.testing.nights import failing, next_night
from driftgate.testing.runs import Story, synthetic_run

MODELS = 5
CELLS = 8 * MODELS
EXPORT = Cell(model="zoo--m2", stage="export")
LOST = failing(FailureKind.UNSUPPORTED_OP, "No ONNX function found for aten.unfold_copy")
WRITTEN = ("findings.json", "junit.xml", "summary.md")


@pytest.fixture
def first(tmp_path: Path) -> RunStore:
    """A good night, in the history beside it."""
    names = tuple(f"zoo:m{number}" for number in range(MODELS))
    store = synthetic_run(tmp_path / "outputs", models=MODELS, names=names, stories=[Story.CLEAN])
    database = history_of(store)
    import_run(database, store)
    database.close()
    return store


def history_of(store: RunStore) -> Database:
    return Database.at(f"sqlite:///{store.root.parent}/history.sqlite", store.root.parent)


def a_bad_night(first: RunStore, day: int = 1) -> RunStore:
    return next_night(first, day=day, plant={EXPORT: LOST})


def call(*arguments: str | Path, url: str | None = None) -> tuple[int, str]:
    """The exit code of a command, and what it says on stderr."""
    from driftgate.cli import run_command

    with CliRunner(env={VARIABLE: url} if url else {}).isolation() as (_, err, *_):
        return run_command([str(argument) for argument in arguments]), err.getvalue().decode()


def state(store: RunStore) -> tuple[object, ...]:
    """All that judging may change: the run's own files, and what the history has."""
    database = history_of(store)
    with database.reading() as connection:
        kept = [(run.run_id, run.verdict) for run in runs_of(connection)]
    database.close()
    return (store.root / "run.json").read_text(), *((store.root / name).exists() for name in WRITTEN), kept


def the_error(said: str) -> str:
    """The one line beside what is told of the baseline."""
    (line,) = [line for line in said.splitlines() if line.startswith("driftgate: ")]
    assert "Traceback" not in said
    return line


# -- what goes wrong -------------------------------------------------------------------------------------------------


def _damaged(night: RunStore) -> None:
    night.record_path(EXPORT).write_text('{"schema_version": 1')


def _of_a_newer_schema(night: RunStore) -> None:
    path = night.record_path(EXPORT)
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 9'))


def _without_its_plan(night: RunStore) -> None:
    (night.root / "plan.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "code", "says"),
    [
        (_damaged, 3, "export.json is not JSON"),
        (_of_a_newer_schema, 2, "export.json has schema version 9, newer than 1"),
        (_without_its_plan, 2, "plan.json is missing"),
    ],
)
def test_a_run_that_cannot_be_read_is_one_line_and_nothing_is_written(
    spoil: Callable[[RunStore], None], code: int, says: str, first: RunStore
) -> None:
    night = a_bad_night(first)
    spoil(night)
    before = state(night)

    ended, said = call("gate", "--run", night.root, "--baseline", "last-good")
    assert (ended, says in the_error(said)) == (code, True), said
    assert state(night) == before


@pytest.mark.parametrize("baseline", ["nosuch", "git:nosuch", "window:nosuch", "nosuch/run"])
def test_an_unknown_baseline_is_a_wrong_call_and_nothing_is_written(baseline: str, first: RunStore) -> None:
    night = a_bad_night(first)
    before = state(night)

    ended, said = call("gate", "--run", night.root, "--baseline", baseline)
    assert ended == 2
    assert "nosuch" in the_error(said)
    assert state(night) == before


def test_a_damaged_baseline_is_told_by_its_file(first: RunStore) -> None:
    night = a_bad_night(first)
    before = state(night)
    _damaged(first)

    ended, said = call("gate", "--run", night.root, "--baseline", first.root)
    assert ended == 3
    assert f"{first.record_path(EXPORT)} is not JSON" in the_error(said)
    assert state(night) == before


def test_a_history_of_a_newer_format_is_a_wrong_call_and_nothing_is_written(first: RunStore) -> None:
    night = a_bad_night(first)
    database = history_of(night)
    with database.writing() as connection:
        connection.execute(meta.update().values(value="9"))
    database.close()

    ended, said = call("gate", "--run", night.root, "--baseline", "last-good")
    assert (ended, f"has format 9, newer than this Driftgate's {VERSION}" in the_error(said)) == (2, True)
    assert not any((night.root / name).exists() for name in WRITTEN)


def test_a_history_that_cannot_be_written_is_one_line_and_nothing_is_written(first: RunStore) -> None:
    night = a_bad_night(first)
    before = state(night)
    url = f"sqlite:///file:{night.root.parent}/history.sqlite?mode=ro&uri=true"

    for baseline in ("last-good", str(first.root)):
        ended, said = call("gate", "--run", night.root, "--baseline", baseline, url=url)
        assert ended == 3
        assert "cannot write the history" in the_error(said)
        assert "readonly" in the_error(said)
        assert "no baseline" not in said
        assert state(night) == before


def test_a_postgresql_that_cannot_be_written_is_one_line_and_nothing_is_written(first: RunStore, postgres: str) -> None:
    night = a_bad_night(first)
    database = Database.at(postgres, night.root.parent)
    import_run(database, first)
    database.close()
    before = state(night)

    readonly = f"{postgres}?options=-c%20default_transaction_read_only%3Don"
    ended, said = call("gate", "--run", night.root, "--baseline", "last-good", url=readonly)
    assert (ended, "read-only transaction" in the_error(said)) == (3, True)
    assert state(night) == before


def test_a_disk_that_is_full_is_one_line_and_nothing_is_written(first: RunStore) -> None:
    """A limit on the size of files, which the history has just reached, stands for the full disk."""
    night = a_bad_night(first)
    before, place = state(night), night.root.parent / "history.sqlite"
    most = place.stat().st_size // 1024 + 1
    command = f"{sys.executable} -m driftgate gate --run {night.root} --baseline last-good --no-confirm"
    answer = subprocess.run(
        ["bash", "-c", f"ulimit -f {most}; trap '' XFSZ; exec {command}"], capture_output=True, text=True, check=False
    )

    assert answer.returncode == 3, answer.stderr
    assert "cannot write the history" in the_error(answer.stderr)
    assert state(night) == before
    assert call("gate", "--run", night.root, "--baseline", "last-good", "--no-confirm")[0] == 1


# -- a kill ----------------------------------------------------------------------------------------------------------

GATE = """
import sys
from pathlib import Path
import driftgate.steps.gate, driftgate.steps.finding_events, driftgate.history.baseline
from driftgate.cli.judging import judged
from driftgate.machine.store import RunStore
print("ready", flush=True)
for folder in sys.argv[1:]:
    judged(RunStore(Path(folder)), "last-good", confirm=False)
"""


def _killed_while_judging(nights: list[RunStore], after: float) -> None:
    command = [sys.executable, "-c", GATE, *(str(night.root) for night in nights)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    time.sleep(after)
    child.send_signal(signal.SIGKILL)
    child.wait()


def _whole(night: RunStore) -> None:
    """Each file that is there can be read to its end."""
    assert night.manifest().run_id == night.run_id
    if night.has("findings.json"):
        assert night.findings().run_id == night.run_id
    if night.has("junit.xml"):
        assert len(list(ET.parse(night.root / "junit.xml").getroot().iter("testcase"))) >= CELLS
    if night.has("summary.md"):
        assert (night.root / "summary.md").read_text().endswith("\n")
    assert len(list(night.records())) == CELLS


def _counts(database: Database) -> dict[str, int]:
    with database.reading() as connection:
        return {
            name: connection.execute(select(func.count()).select_from(METADATA.tables[name])).scalar_one()
            for name in ("runs", "cells", "nights", "findings")
        }


def _findings(night: RunStore) -> list[dict[str, object]]:
    return json.loads((night.root / "findings.json").read_text())["findings"]


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.full)])
def test_a_killed_gate_loses_and_doubles_nothing(kills: int, first: RunStore) -> None:
    nights = [a_bad_night(first, day) for day in range(1, 5)]
    database, moments = history_of(first), Random(5)
    for _ in range(kills):
        _killed_while_judging(nights, moments.uniform(0.0, 0.6))
        for night in nights:
            _whole(night)
        found = _counts(database)
        assert found["cells"] == CELLS * found["runs"]
        assert found["nights"] == found["runs"]

    for night in nights:
        judged(night, "last-good", confirm=False)
    told, once = [_findings(night) for night in nights], _counts(database)
    assert once["runs"] == 1 + len(nights)
    assert once["findings"] == sum(map(len, told))
    assert [[one["rule"] for one in some] for some in told] == [["export_lost"]] * len(nights)

    for night in nights:
        judged(night, "last-good", confirm=False)
        assert import_run(database, night) is False
    assert ([_findings(night) for night in nights], _counts(database)) == (told, once)
    database.close()


def test_the_gate_keeps_a_run_as_an_import_of_it_would(first: RunStore, tmp_path: Path) -> None:
    night = a_bad_night(first)
    judged(night, "last-good", confirm=False)

    other = Database.at(f"sqlite:///{tmp_path}/other.sqlite", tmp_path)
    import_run(other, night)
    database = history_of(night)
    with other.reading() as imported, database.reading() as gated:
        asked = select(runs.c.digest).where(runs.c.run_id == night.run_id)
        assert imported.execute(asked).scalar_one() == gated.execute(asked).scalar_one()
    for one in (other, database):
        one.close()
