"""A run in one file: the same bytes every time, nothing secret inside, and what is left out is told with the way back."""

import gzip
import os
import shutil
import tarfile
from datetime import UTC, datetime

import pytest

from driftgate.cli import run_command
from driftgate.core.errors import MachineryError, UsageError
from driftgate.machine.retention import prune_runs
from driftgate.machine.runs import archive_path, archived_ids, run_ids
from driftgate.machine.settings import Settings
from driftgate.machine.store import RunStore
from driftgate.sinks.archive.reading import open_archive, read_manifest
from driftgate.sinks.archive.writing import write_archive
from driftgate.steps.archive import archive, archive_if_kept, secrets_in
from driftgate.steps.gate import gate
from driftgate.steps.report import build_report
from driftgate.steps.tidy import retire
from driftgate.testing.nights import next_night
from driftgate.testing.parts import leave_files
from driftgate.testing.runs import Story, synthetic_run

HUGE = 5_000_000
TOKEN = "hf_" + "aB3" * 12


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A judged run with a report, each cell with its files; never changed."""
    store = synthetic_run(tmp_path_factory.mktemp("made"), models=2, stories=[Story.BREAKS, Story.CRASH])
    leave_files(store)
    config = Settings().model_dump(mode="json") | {"fleet": "synthetic"}
    store.write_manifest(store.manifest().model_copy(update={"config": config}))
    gate(store)
    build_report(store)
    return store


@pytest.fixture
def run(made, tmp_path):
    return RunStore(shutil.copytree(made.root, tmp_path / "outputs" / made.run_id))


def content(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def call(capfd, *arguments):
    code = run_command([str(argument) for argument in arguments])
    out, err = capfd.readouterr()
    return code, out, err


# -- into one file and back --------------------------------------------------------------------------------------


def test_what_is_packed_and_opened_is_the_same_run(run, tmp_path):
    before = content(run.root)
    made = archive(run)
    assert made.path == archive_path(run.root)
    assert made.bytes == made.path.stat().st_size
    opened, manifest = open_archive(made.path, tmp_path / "elsewhere")
    after = content(opened.root)
    assert after.pop("archive.json").decode() == manifest.to_json()
    assert after == before
    assert manifest.left_out == ()


def test_the_same_run_gives_the_same_bytes_wherever_and_whenever(run, tmp_path):
    first = archive(run).path.read_bytes()
    copy = RunStore(shutil.copytree(run.root, tmp_path / "a copy"))
    for path in copy.root.rglob("*"):
        os.utime(path, (1_000_000, 1_000_000))
        path.chmod(0o700)
    assert archive(copy, tmp_path / "again.tar.gz").path.read_bytes() == first
    opened, _ = open_archive(archive_path(run.root), tmp_path / "elsewhere")
    assert archive(opened).path.read_bytes() == first


def test_any_tar_opens_it_and_the_manifest_comes_first(run):
    with tarfile.open(archive(run).path) as tar:
        infos = tar.getmembers()
    names = [info.name for info in infos]
    assert names[0] == f"{run.run_id}/archive.json"
    assert names[1:] == sorted(names[1:])
    assert {(info.mtime, info.uid, info.gid, info.uname, info.mode) for info in infos} == {(0, 0, 0, "", 0o644)}


def test_after_opening_every_command_works_on_it(run, tmp_path, capfd):
    packed = archive(run).path
    code, out, err = call(capfd, "open", packed, "--output", tmp_path / "new")
    assert (code, out) == (0, f"{tmp_path / 'new' / run.run_id}\n")
    assert "files" in err
    where = ("--run", run.run_id, "--output", tmp_path / "new")
    assert call(capfd, "report", *where)[0] == 0
    assert call(capfd, "gate", *where)[0] == 1
    assert call(capfd, "compare", run.root, tmp_path / "new" / run.run_id)[0] == 0
    assert call(capfd, "history", "import", run.run_id, "--output", tmp_path / "new")[0] == 0


def test_the_history_takes_archives(run, tmp_path, capfd):
    packed = archive(run).path
    for said in ("1 run imported, 0 there already", "0 runs imported, 1 there already"):
        code, out, _ = call(capfd, "history", "import", packed, "--output", tmp_path / "kept")
        assert code == 0
        assert said in out
    _, out, _ = call(capfd, "history", "list", "--output", tmp_path / "kept")
    assert run.run_id in out
    assert run_ids(tmp_path / "kept") == []


def test_an_id_of_which_there_is_an_archive_alone_names_the_way_to_it(run, tmp_path, capfd):
    packed = archive(run).path
    shutil.rmtree(run.root)
    for name in (run.run_id, run.run_id[:12], packed):
        code, _, err = call(capfd, "report", "--run", name, "--output", tmp_path / "outputs")
        assert code == 2
        assert f"is archived; `driftgate open {packed}` unpacks it" in err


# -- what stays out ----------------------------------------------------------------------------------------------


def test_what_a_cell_can_make_again_and_is_large_stays_out_and_says_how_it_comes_back(made, tmp_path):
    store = RunStore(shutil.copytree(made.root, tmp_path / made.run_id))
    leave_files(store, size=20_000)
    manifest = archive(store, largest=10_000).manifest
    assert [one.name for one in manifest.left_out] == [f"models/{slug}/model.onnx" for slug in slugs(store)]
    first = manifest.left_out[0]
    assert (first.bytes, first.reason) == (20_000, "larger than 10 KB (keep.archive_file)")
    assert first.rebuild == f"driftgate export --run {store.run_id} --model {slugs(store)[0]}"


def slugs(store):
    return [entry.slug for entry in store.lock().models]


def test_what_was_left_out_is_still_told_when_an_opened_run_is_archived_again(run, tmp_path):
    leave_files(run, size=20_000)
    first = archive(run, largest=10_000)
    opened, _ = open_archive(first.path, tmp_path / "elsewhere")
    again = archive(opened)
    assert again.manifest.left_out == first.manifest.left_out
    assert again.path.read_bytes() == first.path.read_bytes()


def test_the_runs_own_settings_say_what_is_large(run):
    manifest = run.manifest()
    keep = manifest.config["keep"] | {"archive_file": 250}
    run.write_manifest(manifest.model_copy(update={"config": manifest.config | {"keep": keep}}))
    assert len(archive(run).manifest.left_out) == 2


def test_what_people_put_there_goes_in_whatever_its_size_and_what_is_at_work_does_not(run):
    (run.root / "notes.md").write_bytes(b"n" * HUGE)
    (run.root / ".work").mkdir()
    (run.root / ".work" / "half").write_text("unfinished")
    (run.root / "models" / ".pull.json.abc.tmp").write_text("unfinished")
    manifest = archive(run, largest=10).manifest
    names = {file.name for file in manifest.files} | {one.name for one in manifest.left_out}
    assert "notes.md" in {file.name for file in manifest.files}
    assert not [name for name in names if "half" in name or ".tmp" in name]


def test_links_devices_and_names_that_are_not_safe_stay_out(run, tmp_path):
    (run.root / "link.json").symlink_to("/etc/passwd")
    (run.root / "folder").symlink_to("/etc")
    os.mkfifo(run.root / "pipe")
    (run.root / "a\nb.txt").write_text("x")
    (run.root / "RUN.json").write_text("x")
    made = archive(run)
    told = {one.name: one.reason for one in made.manifest.left_out}
    assert told == {
        "link.json": "it is no plain file",
        "folder": "it is no plain file",
        "pipe": "it is no plain file",
        "a\nb.txt": "its name is not safe everywhere",
        "RUN.json": "another name differs by case alone",
    }
    open_archive(made.path, tmp_path / "elsewhere")


def test_a_damaged_record_goes_in_as_it_is(run, tmp_path):
    path = run.record_path(run.plan().cells[0])
    path.write_text("half a rec")
    opened, _ = open_archive(archive(run).path, tmp_path / "elsewhere")
    assert opened.record_path(run.plan().cells[0]).read_text() == "half a rec"


# -- secrets -----------------------------------------------------------------------------------------------------


def test_no_secret_goes_in(run, tmp_path, monkeypatch):
    monkeypatch.setenv("ACME_API_KEY", "s3cr3t-value")
    monkeypatch.setenv("DRIFTGATE_DB_URL", "postgresql://me:pass4word@db/name")
    log = run.log_path(run.plan().cells[0])
    log.write_text(f"key s3cr3t-value, https://me:other@hub/x, pass4word, {TOKEN}\n" * 3)
    (run.root / "trace.jsonl.gz").write_bytes(gzip.compress(b"... s3cr3t-value ..."))
    (run.root / "state.bin").write_bytes(b"\0\1 pass4word \2")
    made = archive(run)
    opened, manifest = open_archive(made.path, tmp_path / "elsewhere")
    said = opened.log_path(run.plan().cells[0]).read_text()
    assert said == f"key {'*' * 12}, https://{'*' * 8}@hub/x, {'*' * 9}, {'*' * len(TOKEN)}\n" * 3
    assert len(said) == len(log.read_text())
    (file,) = (file for file in manifest.files if file.hidden)
    assert (file.name, file.hidden) == (log.relative_to(run.root).as_posix(), 12)
    assert {one.name: one.reason for one in manifest.left_out} == dict.fromkeys(
        ("state.bin", "trace.jsonl.gz"), "it holds a secret"
    )
    everything = b"".join(content(opened.root).values())
    for secret in (b"s3cr3t-value", b"pass4word", b"me:other", TOKEN.encode()):
        assert secret not in everything
    assert archive(opened).path.read_bytes() == made.path.read_bytes()


def test_what_a_killed_worker_left_half_packed_stays_out_where_secrets_must_be_looked_for(run, monkeypatch):
    packed = gzip.compress(bytes(range(256)) * 40)
    halves = {"short.gz": packed[:40], "torn.gz": packed[:20] + b"\xff" * 40, "none.gz": b"no gzip at all"}
    for name, data in halves.items():
        (run.root / name).write_bytes(data)
    assert archive(run).manifest.left_out == ()
    monkeypatch.setenv("ACME_API_KEY", "s3cr3t-value")
    assert {one.name: one.reason for one in archive(run).manifest.left_out} == dict.fromkeys(
        halves, "it is damaged, and cannot be searched for secrets"
    )


@pytest.mark.parametrize("place", [(1 << 20) - 5, (1 << 20) - 4098, (1 << 20), (2 << 20) - 12, (2 << 20) - 1])
def test_a_secret_that_lies_across_two_chunks_is_found(run, tmp_path, place):
    path = run.root / "long.log"
    path.write_bytes((b"x" * (place - 2) + b"//user:word@host " + TOKEN.encode()).ljust(3 << 20, b" "))
    opened, _ = open_archive(archive(run).path, tmp_path / "elsewhere")
    text = (opened.root / "long.log").read_bytes()
    assert b"user:word" not in text
    assert TOKEN.encode() not in text
    assert text == path.read_bytes().replace(b"user:word", b"*" * 9).replace(TOKEN.encode(), b"*" * len(TOKEN))


def test_variables_are_known_by_their_names_and_urls_by_their_passwords():
    environment = {
        "HF_TOKEN": "one-secret",
        "DB_PASSWORD": "two-secret",
        "SOME_URL": "https://me:three-secret@host",
        "PATH": "/usr/bin",
    }
    assert set(secrets_in(environment)) == {"one-secret", "two-secret", "three-secret"}


# -- what can go wrong -------------------------------------------------------------------------------------------


def test_a_file_that_changes_meanwhile_is_told_and_leaves_no_archive(run, tmp_path):
    manifest = archive(run, tmp_path / "one.tar.gz").manifest
    (run.root / "summary.md").write_text("changed")
    with pytest.raises(MachineryError, match=r"summary.md changed while it was archived"):
        write_archive(tmp_path / "two.tar.gz", run.root, manifest, ())
    assert not list(tmp_path.glob("*two*"))


def test_the_place_is_a_file_or_a_folder_and_never_inside_the_run(run, tmp_path):
    (tmp_path / "kept").mkdir()
    assert archive(run, tmp_path / "kept").path == tmp_path / "kept" / f"{run.run_id}.tar.gz"
    assert archive(run, tmp_path / "deep" / "x.tgz").path == tmp_path / "deep" / "x.tgz"
    for place in (run.root, run.root / "report" / "x.tar.gz"):
        with pytest.raises(UsageError, match="lies inside the run"):
            archive(run, place)


def test_a_place_that_takes_no_files_is_exit_3_and_a_run_that_is_none_is_exit_2(run, tmp_path, capfd):
    (tmp_path / "file").write_text("")
    where = ("archive", "--output", tmp_path / "outputs")
    code, _, err = call(capfd, *where, "--run", "latest", "--to", tmp_path / "file" / "x.tar.gz")
    assert code == 3
    assert "cannot write" in err
    assert call(capfd, *where, "--run", "nope")[0] == 2
    assert call(capfd, *where, "--run", "latest", "--max-file", "big")[0] == 2


def test_a_run_of_agents_without_a_manifest_can_be_archived(run):
    (run.root / "run.json").unlink()
    assert archive(RunStore(run.root)).manifest.fleet == "synthetic"


# -- how long archives stay --------------------------------------------------------------------------------------


def kept(run, **keep):
    manifest = run.manifest()
    config = manifest.config | {"keep": manifest.config["keep"] | keep}
    run.write_manifest(manifest.model_copy(update={"config": config}))
    return run


def test_a_run_is_archived_by_default_and_not_where_the_settings_say_so(run):
    assert archive_if_kept(kept(run, archive_days=0)) is None
    assert not archive_path(run.root).exists()
    assert archive_if_kept(kept(run, archive_days=1)).path.is_file()


def test_a_run_is_pruned_to_its_archive_which_goes_later(run, tmp_path, capfd):
    output = tmp_path / "outputs"
    later = next_night(run, day=30)
    for store in (run, later):
        archive(store)
    now = datetime(2026, 12, 22, 12, tzinfo=UTC)
    gone = prune_runs(output, days=14, archive_days=90, now=now)
    assert [str(old) for old in gone] == [run.run_id]
    assert (run_ids(output), archived_ids(output)) == ([later.run_id], [run.run_id, later.run_id])
    gone = prune_runs(output, days=14, archive_days=20, now=now)
    assert [str(old) for old in gone] == [f"the archive of {run.run_id}"]
    assert archived_ids(output) == [later.run_id]


def test_where_space_is_short_the_run_goes_before_its_archive_and_the_newest_stays(run, tmp_path):
    output = tmp_path / "outputs"
    later = next_night(run, day=1)
    old, new = (archive(store) for store in (run, later))
    newest = new.bytes + sum(len(data) for data in content(later.root).values())
    now = datetime(2026, 11, 24, tzinfo=UTC)
    bounds = {"days": 14, "archive_days": 90, "now": now, "dry_run": True}
    assert [str(one) for one in prune_runs(output, max_bytes=newest + old.bytes, **bounds)] == [run.run_id]
    both = [f"the archive of {run.run_id}", run.run_id]
    assert [str(one) for one in prune_runs(output, max_bytes=1, **bounds)] == both


def test_a_night_retires_archives_of_its_own_fleet_alone(run, tmp_path):
    output = tmp_path / "outputs"
    archive(run)
    shutil.rmtree(run.root)
    (output / "20260101T000000Z-abcdef.tar.gz").write_text("not an archive of ours")
    tonight = next_night(RunStore(open_archive(archive_path(run.root), tmp_path / "x")[0].root), day=1)
    shutil.move(tonight.root, output / tonight.run_id)
    gone = retire(kept(RunStore(output / tonight.run_id), archive_days=1, max_size=1))
    assert [str(old) for old in gone] == [f"the archive of {run.run_id}"]
    assert (output / "20260101T000000Z-abcdef.tar.gz").exists()


def test_prune_tells_runs_and_archives_apart(run, tmp_path, capfd):
    archive(run)
    next_night(run, day=1)
    code, out, _ = call(capfd, "prune", "--output", tmp_path / "outputs", "--max-size", "1B", "--dry-run")
    assert code == 0
    assert f"would remove the archive of {run.run_id}" in out
    assert "1 run, 1 archive, " in out
    assert read_manifest(archive_path(run.root)).run_id == run.run_id
