"""What the parent makes of an exit status and a result file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from driftgate.core.records import CellResult, Failure
from driftgate.core.verdicts import FailureKind
from driftgate.executors.judge import judge
from driftgate.machine.isolation.guardian import Order, Outcome


def _judged(folder: Path, content: object = None, **facts: Any) -> CellResult:
    order = Order(
        function="m:f",
        job=folder / "job.json",
        result=folder / "result.json",
        temporary=folder / "tmp",
        log=folder / ".log",
        time_limit=90,
        memory_limit=2 * 10**9,
    )
    if content is not None:
        order.result.write_text(content if isinstance(content, str) else json.dumps(content))
    (folder / "work").mkdir()
    (folder / "work" / "kept.txt").write_text("kept")
    outcome = Outcome(**({"status": 0, "started_at": datetime.now(UTC), "duration_s": 1.0} | facts))
    return judge(order, folder / "work", outcome)


def _failure(result: CellResult) -> Failure:
    assert result.payload is None
    assert result.failure is not None
    return result.failure


def test_a_kill_while_the_kernel_ran_out_of_memory_is_a_matter_of_memory(tmp_path: Path) -> None:
    failure = _failure(_judged(tmp_path, status=9, oom_kills=1))
    assert (failure.kind, failure.signal) == (FailureKind.MEMORY_LIMIT, "SIGKILL")


def test_a_signal_without_a_name_has_its_number(tmp_path: Path) -> None:
    failure = _failure(_judged(tmp_path, status=40))
    assert (failure.kind, failure.message) == (FailureKind.SIGNAL, "the worker was killed by signal 40")


def test_a_record_is_not_believed_after_a_crash(tmp_path: Path) -> None:
    failure = _failure(_judged(tmp_path, {"payload": {"files": 1}}, status=11))
    assert failure.kind is FailureKind.SIGNAL


def test_a_passed_cell_whose_log_could_not_be_written_is_a_matter_of_the_disk(tmp_path: Path) -> None:
    failure = _failure(_judged(tmp_path, {"payload": {"files": 1}}, disk="cannot write x: the disk is full"))
    assert (failure.kind, failure.message) == (FailureKind.DISK, "cannot write x: the disk is full")


def test_processes_that_will_not_die_are_not_passed_over(tmp_path: Path) -> None:
    failure = _failure(_judged(tmp_path, {"payload": {"files": 1}}, survivors=(17,)))
    assert "1 processes of the worker could not be killed" in failure.message


def test_the_end_of_a_hang_has_one_fingerprint_whatever_the_stack(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    one, other = (
        _failure(
            _judged(tmp_path / name, status=None, stopped_by="time", last_words=f"x\nCurrent thread 0x{name}: {name}")
        )
        for name in "ab"
    )
    assert one.traceback == "Current thread 0xa: a"
    assert (one.fingerprint, one.kind) == (other.fingerprint, FailureKind.TIME_LIMIT)


ARTIFACT = {"name": "kept.txt", "bytes": 4, "sha256": "0" * 64}


def test_a_valid_record_is_taken_as_it_is(tmp_path: Path) -> None:
    result = _judged(tmp_path, {"payload": {"files": 1}, "artifacts": [ARTIFACT]})
    assert (result.payload, result.failure, result.artifacts[0].name) == ({"files": 1}, None, "kept.txt")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "Expecting value"),
        ("{}", "neither a payload nor a failure"),
        ('{"payload": {"x": NaN}}', "contains NaN"),
        ('{"payload": {}, "more": 1}', "more: Extra inputs are not permitted"),
        ("[" * 100_000, "recursion"),
        ({"payload": {}, "artifacts": [ARTIFACT | {"name": "/etc/passwd"}]}, "outside the work folder"),
        ({"payload": {}, "artifacts": [ARTIFACT | {"name": "a/../../x"}]}, "outside the work folder"),
        ({"payload": {}, "artifacts": [ARTIFACT | {"name": ".hidden"}]}, "outside the work folder"),
        ({"payload": {}, "artifacts": [ARTIFACT | {"name": "missing"}]}, "not the plain file"),
        ({"payload": {}, "artifacts": [ARTIFACT | {"bytes": 5}]}, "not the plain file"),
    ],
)
def test_a_record_that_is_not_valid_is_told_with_its_reason(content: object, says: str, tmp_path: Path) -> None:
    failure = _failure(_judged(tmp_path, content))
    assert failure.kind is FailureKind.BAD_RECORD
    assert says in failure.message
    assert failure.hint


def test_a_link_in_the_place_of_a_record_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.json").write_text('{"payload": {}}')
    (tmp_path / "result.json").symlink_to(tmp_path / "elsewhere.json")
    assert _failure(_judged(tmp_path)).kind is FailureKind.BAD_RECORD
