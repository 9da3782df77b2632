"""Progress on stderr: plain lines where nobody looks at a terminal, a live table where somebody does."""

import io
import os
import re
import select
import sys
import time
import tty
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from driftgate.cli.progress import EXPECTED, LiveWatcher, PlainWatcher, told, watcher_for
from driftgate.core.expectations import Expectation, Expectations
from driftgate.core.records import Cell
from driftgate.core.verdicts import FailureKind, Verdict
from driftgate.executors.task import RunningTask, Task
from driftgate.machine.jobs import Job
from driftgate.machine.settings import Settings
from driftgate.testing.runs import Story, synthetic_run

ESCAPE = "\x1b"
VIT = "acme--tiny-vit-0001"
NONE_EXPECTED = Expectations()
EXPORT_EXPECTED = Expectations(
    expectations=(Expectation(model=VIT, stage="export", kind=FailureKind.UNSUPPORTED_OP, reason="no translation yet"),)
)


@pytest.fixture
def records(tmp_path):
    """Sixteen: a model that passes everything, and one whose export fails, on which two cells hang."""
    return list(synthetic_run(tmp_path / "outputs", models=2, stories=(Story.CLEAN, Story.UNSUPPORTED)).records())


@contextmanager
def a_terminal(monkeypatch, **environment):
    """A pty of 100 columns as stderr, inside the test itself; what comes back reads until these texts were drawn."""
    main, side = os.openpty()
    tty.setraw(side)
    seen = io.StringIO()

    def drawn(*texts, seconds=20.0):
        give_up = time.monotonic() + seconds
        while not all(text in seen.getvalue() for text in texts) and time.monotonic() < give_up:
            if select.select([main], [], [], 0.1)[0]:
                seen.write(os.read(main, 65536).decode("utf-8", "replace"))
        return seen.getvalue()

    with os.fdopen(side, "w", encoding="utf-8") as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        patch.delenv("NO_COLOR", raising=False)
        for name, value in ({"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"} | environment).items():
            patch.setenv(name, value)
        yield drawn
    os.close(main)


def pool_that_runs(*cells, waiting=False):
    """A pool, as far as a watcher looks at it, and its tasks."""
    tasks = []
    for cell in cells:
        here = Path("unused")
        entry = {"ref": f"zoo:{cell.model}", "slug": cell.model, "scheme": "zoo", "name": cell.model}
        job = Job(run=here, work=here, cache=here, inputs=here, cell=cell, entry=entry, settings=Settings())
        tasks.append(Task(str(cell), job, "m:f", fresh=False, time_limit=9, memory_limit=1 << 30))
    since = time.monotonic() - 12
    return SimpleNamespace(running=tuple(RunningTask(task, since, waiting) for task in tasks)), tasks


def test_what_passed_and_what_only_hangs_on_a_failure_is_not_told(records):
    lines = {str(record.cell): line for record in records if (line := told(record, NONE_EXPECTED))}
    assert lines == {
        f"{VIT}/export": f"✗ {VIT}/export: failed: unsupported_op: "
        "No ONNX function found for <OpOverload(op='aten.unfold_copy')>"
    }
    assert {record.verdict for record in records} == {Verdict.PASSED, Verdict.FAILED, Verdict.SKIPPED}


def test_what_is_expected_to_fail_is_told_as_that(records):
    (export,) = (record for record in records if record.failure and record.stage == "export")
    assert told(export, EXPORT_EXPECTED) == f"{EXPECTED} {VIT}/export: unsupported_op, as expected"
    other = Expectation(model=VIT, stage="export", kind=FailureKind.COMPILE, reason="something else")
    assert told(export, Expectations(expectations=(other,))).startswith("✗")


def test_without_a_terminal_there_are_plain_lines(records, capsys):
    with watcher_for("a-run", EXPORT_EXPECTED) as watcher:
        assert isinstance(watcher, PlainWatcher)
        watcher.begin(18, 2)
        for record in records:
            watcher.tick(SimpleNamespace(running=()))
            watcher.ended(record)
    out, err = capsys.readouterr()
    assert out == ""
    assert ESCAPE not in err
    assert err.splitlines() == [
        "18 cells, 2 done before",
        f"{EXPECTED} {VIT}/export: unsupported_op, as expected",
        "18/18 cells: 13 passed, 2 skipped, 1 failed",
    ]


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"NO_COLOR": ""}, {"TERM": "dumb"}])
def test_a_terminal_that_wants_no_colours_gets_plain_lines(records, monkeypatch, environment):
    with a_terminal(monkeypatch, **environment) as drawn:
        with watcher_for("a-run", NONE_EXPECTED) as watcher:
            assert isinstance(watcher, PlainWatcher)
            watcher.begin(len(records), 0)
            for record in records:
                watcher.ended(record)
        text = drawn("16/16 cells")
    assert ESCAPE not in text
    assert f"✗ {VIT}/export: failed: unsupported_op: " in text


def test_now_and_then_a_plain_line_says_how_far_it_is(records, capsys, monkeypatch):
    watcher = PlainWatcher(NONE_EXPECTED)
    watcher.begin(len(records), 0)
    watcher.ended(records[0])
    watcher.tick(SimpleNamespace(running=()))
    assert capsys.readouterr().err == "16 cells\n"
    monkeypatch.setattr("driftgate.cli.progress.PLAIN_SECONDS", -1.0)
    watcher.tick(SimpleNamespace(running=()))
    assert capsys.readouterr().err == "1/16 cells: 1 passed\n"


def test_on_a_terminal_a_table_is_drawn_and_taken_away(records, monkeypatch):
    running = Cell(model="acme--tiny-bert-0000", stage="infer", target="ort-cpu")
    pulling = Cell(model="acme--tiny-clip-0003", stage="pull")
    pool, (_, pull) = pool_that_runs(running, pulling)
    with a_terminal(monkeypatch) as drawn:
        with watcher_for("20261122T021500Z-abcdef", EXPORT_EXPECTED) as watcher:
            assert isinstance(watcher, LiveWatcher)
            watcher.begin(32, 0)
            for record in records:
                watcher.ended(record)
            watcher.tick(pool)
            watcher.downloading(pull, 500_000, 1_000_000)
            text = drawn("16/32 cells", str(running), "50 %")
        assert f"{ESCAPE}[?25h" in drawn(f"{ESCAPE}[?25h"), "the cursor is given back"
    for part in ("20261122T021500Z-abcdef", "✓ 13 passed", "✗ 1 failed", "– 2 skipped", str(running), str(pulling)):
        assert part in text
    assert re.search(r" 1[2-9] s| [2-9]\d s", text), text
    assert "50 %" in text
    assert "━" * 10 in text
    assert f"{EXPECTED} {VIT}/export: unsupported_op, as expected" in text


def test_what_waits_for_the_machine_is_told_as_that(monkeypatch):
    pool, _ = pool_that_runs(Cell(model="m", stage="infer", target="ort-cpu"), waiting=True)
    with a_terminal(monkeypatch) as drawn, watcher_for("a-run", NONE_EXPECTED) as watcher:
        watcher.begin(1, 0)
        watcher.tick(pool)
        assert "waits for the machine" in drawn("waits for the machine")
