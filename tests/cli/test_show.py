"""Records in the terminal: a model chose some of the words, and none of them is obeyed."""

import pytest

from driftgate.cli.show import print_record, print_rows
from driftgate.core.records import Failure
from driftgate.core.verdicts import FailureKind, verdict_of
from driftgate.testing.runs import Story, synthetic_run

TITLE = "\x1b]0;owned\x07"


@pytest.mark.parametrize("stage", ["explain", "export"])
def test_a_failures_message_keeps_its_lines_and_moves_no_cursor(tmp_path, capsys, stage):
    store = synthetic_run(tmp_path, models=1, stories=(Story.CLEAN,))
    record = next(one for one in store.records() if one.stage == stage)
    failure = Failure.of(FailureKind.COMPILE, f"first{TITLE}\n  second\r\x9b2J")
    print_record(record.model_copy(update={"failure": failure, "verdict": verdict_of(failure.kind), "payload": None}))
    told = capsys.readouterr().out
    assert "\n  second" in told
    assert not set(told) & set("\x1b\x07\r\x9b")


@pytest.mark.parametrize("markdown", [True, False])
def test_a_cell_of_a_table_moves_no_cursor(capsys, markdown):
    print_rows(("model",), [(f"mine{TITLE}",)], markdown=markdown)
    told = capsys.readouterr().out
    assert "mine" in told
    assert not set(told) & set("\x1b\x07")
