"""The event log, and how far it has been sent."""

import json
import os
from datetime import datetime
from pathlib import Path

import pytest

from driftgate.core.errors import MachineryError
from driftgate.core.records import Cell
from driftgate.machine.backlog import Backlog, Cursor
from driftgate.machine.events import EventLog


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def log_of(path: Path, *lines: str) -> Backlog:
    path.write_text("".join(line + "\n" for line in lines))
    return Backlog(path)


def test_an_event_says_when_and_about_what_and_leaves_out_what_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "agents" / "a.events.jsonl"
    with EventLog(path, run_id="R", commit=None) as events:
        events.write("start", about=Cell(model="m", stage="infer", target="ort-cpu"), attempt=1, part=None)
        events.write("finding", level="error", message="a\nb \udc80")
    start, finding = rows(path)
    assert datetime.fromisoformat(str(start.pop("time"))).utcoffset() is not None
    assert start == {
        "level": "info", "event": "start", "run_id": "R", "model": "m", "stage": "infer", "target": "ort-cpu",
        "cell": "infer.ort-cpu", "attempt": 1,
    }  # fmt: skip
    assert finding["message"] == "a\nb \udc80"


def test_half_a_line_that_a_crash_left_does_not_spoil_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "a.events.jsonl"
    path.write_text('{"time": "2026-')
    with EventLog(path) as events:
        events.write("start")
    assert rows_from(path, 1)[0]["event"] == "start"


def rows_from(path: Path, line: int) -> list[dict[str, object]]:
    return [json.loads(text) for text in path.read_text().splitlines()[line:]]


def test_a_log_that_cannot_be_written_is_a_fault_of_the_machinery(tmp_path: Path) -> None:
    (tmp_path / "agents").write_text("a file")
    with pytest.raises(MachineryError, match="cannot write"):
        EventLog(tmp_path / "agents" / "a.events.jsonl")


def test_a_cursor_goes_on_where_it_was_and_half_a_line_waits_for_its_end(tmp_path: Path) -> None:
    backlog = log_of(tmp_path / "a.events.jsonl", "one", "two")
    first = next(backlog.lines(0))
    backlog.move(Cursor(), first.end, sent=1)
    with backlog.log.open("a") as log:
        log.write("thr")
    assert [line.text for line in backlog.lines(backlog.cursor().offset)] == [b"two"]
    assert backlog.waiting() == 1
    assert backlog.cursor().sent == 1


def test_a_cursor_is_right_for_a_copy_and_not_for_another_file(tmp_path: Path) -> None:
    backlog = log_of(tmp_path / "a.events.jsonl", "one", "two")
    cursor = backlog.move(Cursor(), 4, sent=1)
    copied = tmp_path / "copy.jsonl"
    copied.write_bytes(backlog.log.read_bytes())
    os.replace(copied, backlog.log)
    assert backlog.cursor() == cursor
    log_of(backlog.log, "ONE", "two", "three")
    assert backlog.cursor() == Cursor()
    log_of(backlog.log, "on")
    assert backlog.cursor() == Cursor()


@pytest.mark.parametrize("text", ["", "{", '{"offset": "x"}', "[]"])
def test_a_damaged_cursor_begins_anew(tmp_path: Path, text: str) -> None:
    backlog = log_of(tmp_path / "a.events.jsonl", "one")
    backlog.cursor_path.write_text(text)
    assert backlog.cursor() == Cursor()


def test_a_line_without_end_is_cut_and_passed_over(tmp_path: Path) -> None:
    backlog = log_of(tmp_path / "a.events.jsonl", "x" * 3_000_000, "two")
    long, two = backlog.lines(0)
    assert len(long.text) == 1 << 20
    assert two.text == b"two"
    assert two.end == backlog.log.stat().st_size
