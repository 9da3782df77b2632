"""A full disk and one that is read-only: exit code 3, one clear line, nothing half-written, and `--resume` once there is room."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from driftgate.testing.workplace import Ended, Workplace

MODELS = tuple(f"python:driftgate.testing.models:{name}" for name in ("healthy", "returns_nan"))
SCRIPT = """
mount -t tmpfs -o "$1" none "$2" || exit 99
shift 2
"$@"
code=$?
cp -a outputs/. kept
exit $code
"""
UNSHARE = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--mount", "--map-root-user")


def _can_mount() -> bool:
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return False
    trial = subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    return trial.returncode == 0


pytestmark = pytest.mark.skipif(
    not _can_mount(), reason="this machine lets nobody mount a small disk in a name space of its own"
)


def run_on_disk(place: Workplace, options: str, *arguments: str | Path) -> Ended:
    """A call whose `outputs/` is a disk of its own; what was on it is in `kept/` afterwards."""
    for name in ("outputs", "kept"):
        (place.folder / name).mkdir(exist_ok=True)
    command = [
        *UNSHARE,
        "sh",
        "-c",
        SCRIPT,
        "sh",
        options,
        "outputs",
        sys.executable,
        "-m",
        "driftgate",
        *map(str, arguments),
    ]
    done = subprocess.run(
        command, cwd=place.folder, env=place.environment, capture_output=True, text=True, check=False, timeout=240
    )
    assert "Traceback" not in done.stderr
    assert not place.processes()
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("options", ["size=4k", "nr_inodes=2"])
def test_a_disk_that_is_full_from_the_start_is_one_line(place: Workplace, options: str) -> None:
    ended = run_on_disk(place, options, "run", place.config(*MODELS))
    assert ended.code == 3
    assert len(ended.err.splitlines()) == 1
    assert "No space left" in ended.err or "the disk is full" in ended.err
    assert "--output" in ended.err


@pytest.mark.parametrize("size", ["44k", "80k", "160k"])
def test_a_disk_that_fills_up_ends_the_run_and_the_rest_is_done_when_there_is_room(place: Workplace, size: str) -> None:
    ended = run_on_disk(place, f"size={size}", "run", place.config(*MODELS))
    assert ended.code == 3, ended.err
    assert "the disk is full" in ended.err
    assert len([line for line in ended.err.splitlines() if line.startswith("driftgate: ")]) == 1
    kept = place.folder / "kept"
    _check_json(kept)
    (run,) = kept.iterdir()
    if not (run / "plan.json").is_file():
        return

    (place.folder / "outputs").rmdir()
    kept.rename(place.folder / "outputs")
    resumed = place.call("run", "--resume", "latest")
    assert resumed.code == 0, resumed.err
    assert all(record.passed for record in place.records().values())
    assert place.leftovers() == []


def _check_json(folder: Path) -> None:
    """Every document and every line of an event log outside of the work folder is whole."""
    documents = [path.read_text() for path in folder.rglob("*.json") if ".work" not in path.parts]
    lines = [line for path in folder.rglob("*.jsonl") for line in path.read_text().splitlines()]
    assert documents
    for text in documents + lines:
        json.loads(text)


def test_a_folder_that_cannot_be_written_is_one_line(place: Workplace) -> None:
    ended = run_on_disk(place, "ro", "run", place.config(*MODELS))
    assert ended.code == 3
    assert len(ended.err.splitlines()) == 1
    assert "Read-only file system" in ended.err
    assert "choose another --output" in ended.err
    assert not any((place.folder / "kept").iterdir())


def test_an_output_below_a_file_is_one_line(place: Workplace) -> None:
    (place.folder / "file").write_text("")
    ended = place.call("run", place.config(*MODELS), "--output", "file/outputs")
    assert ended.code == 3
    assert ended.err.splitlines() == [
        "driftgate: cannot create a run in file/outputs: Not a directory; choose another --output"
    ]
