import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from driftgate.core.errors import MachineryError, UsageError
from driftgate.core.records import Cell, Plan
from driftgate.machine.files import replacing, write_atomic
from driftgate.machine.retention import prune_runs
from driftgate.machine.runs import run_ids
from driftgate.machine.store import RunStore


def make_run(output, stamp):
    store = RunStore.create(output, now=datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC))
    store.write_plan(Plan(run_id=store.run_id, fleet="f", cells=(Cell(model="m", stage="pull"),)))
    return store


def test_a_run_is_found_by_path_id_prefix_and_latest(tmp_path):
    first, second = make_run(tmp_path, "20261121T020000Z"), make_run(tmp_path, "20261122T020000Z")
    assert RunStore.find(str(first.root), tmp_path).root == first.root
    assert RunStore.find(first.run_id, tmp_path).root == first.root
    assert RunStore.find("20261122", tmp_path).root == second.root
    assert RunStore.find("latest", tmp_path).root == second.root
    assert run_ids(tmp_path) == [first.run_id, second.run_id]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("2026112", "is the beginning of 2 runs"), ("nope", "no run 'nope'"), ("", "no run ''"), ("latestt", "latest")],
)
def test_a_run_that_is_not_there_or_not_unique_is_a_usage_error(tmp_path, name, hint):
    make_run(tmp_path, "20261121T020000Z")
    make_run(tmp_path, "20261122T020000Z")
    with pytest.raises(UsageError, match=hint):
        RunStore.find(name, tmp_path)


def test_latest_of_nothing_says_how_to_make_a_run(tmp_path):
    with pytest.raises(UsageError, match="driftgate run"):
        RunStore.find("latest", tmp_path / "none")


@pytest.mark.parametrize("slug", ["../up", "a/b", "", ".hidden", "a\0b", "x" * 200])
def test_no_slug_leads_out_of_the_run(tmp_path, slug):
    with pytest.raises(UsageError):
        RunStore(tmp_path).model_folder(slug)


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    write_atomic(path, "old")
    with pytest.raises(RuntimeError), replacing(path) as stream:
        stream.write(b"half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_place_that_takes_no_files_is_told_as_such():
    with pytest.raises(MachineryError, match="cannot write"):
        write_atomic(Path("/proc/1/none/a"), "x")


def test_a_folder_that_cannot_be_written_is_told_as_such(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineryError, match="choose another --output"):
        RunStore.create(tmp_path / "file")


def test_old_runs_go_by_age_and_size_and_the_newest_stays(tmp_path):
    runs = [make_run(tmp_path, f"202611{day:02}T020000Z") for day in (1, 10, 20)]
    (runs[1].root / "big").write_bytes(b"x" * 10_000)
    now = datetime(2026, 11, 21, tzinfo=UTC)
    assert [r.run_id for r in prune_runs(tmp_path, days=15, dry_run=True, now=now)] == [runs[0].run_id]
    assert len(run_ids(tmp_path)) == 3
    assert [r.run_id for r in prune_runs(tmp_path, days=100, max_bytes=5_000, now=now)] == [runs[1].run_id]
    prune_runs(tmp_path, days=1, max_bytes=1, now=now)
    assert run_ids(tmp_path) == [runs[2].run_id]
