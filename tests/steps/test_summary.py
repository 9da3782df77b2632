import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from driftgate.core.records import Cell, Failure, Findings
from driftgate.core.verdicts import FailureKind
from driftgate.steps.report import build_report
from driftgate.steps.summary import print_summary, summary_markdown
from driftgate.testing.runs import REASON, Story, synthetic_run

RED = tuple(story for story in Story if story not in (Story.CLEAN, Story.BREAKS, Story.SECOND_EXPORTER))
LONG = tuple(f"hf:acme/{'long-' * 50}{number}" for number in range(40))


def printed(store, *, width=120, encoding="utf-8", colour=False):
    """What a terminal gets, byte for byte."""
    buffer = io.BytesIO()
    file = io.TextIOWrapper(buffer, encoding=encoding, newline="")
    print_summary(store, Console(file=file, width=width, force_terminal=colour))
    file.flush()
    return buffer.getvalue().decode(encoding)


def without_path(text):
    """The lines but the last, which names the report: a path is never cut."""
    *lines, last = text.splitlines()
    assert last.startswith("Report: ")
    return lines


def test_the_first_line_of_the_summary_is_the_verdict(tmp_path):
    store = synthetic_run(tmp_path, stories=tuple(Story))
    first = summary_markdown(store).splitlines()[0]
    assert first.startswith("✗ **Failed**: 7 of 12 models broke")


def test_a_summary_has_findings_with_their_command_then_the_table_worst_first(tmp_path):
    store = synthetic_run(
        tmp_path / "outputs", models=4, stories=(Story.CLEAN, Story.BREAKS, Story.CLEAN, Story.UNSUPPORTED)
    )
    text = summary_markdown(store)
    findings, _, table = text.partition("### Models × stages")
    slug = store.lock().models[3].slug
    assert f"`driftgate export --run {store.run_id} --model {slug}`" in findings
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    assert len(rows) == 4
    assert rows[0] == "| `clip-0003` | ✓ | ✓ | ✓ | ✗ | ✓ | ✓ | – | – |"
    assert "Graph breaks: 17 in acme--tiny-vit-0001" in text


def test_a_passed_run_says_so_and_gives_the_reasons_of_what_it_expected(tmp_path):
    store = synthetic_run(tmp_path, models=2, stories=(Story.CLEAN, Story.DRIFT), expected=(Story.DRIFT,))
    text = summary_markdown(store)
    assert text.startswith("✓ **Passed**: ")
    assert "### Findings" not in text
    assert "### Failed as expected" in text
    assert REASON in text
    assert "✗" not in text
    on_screen = printed(store)
    assert "○ drift.ort-cpu of vit-0001, expected: the model's loop" in on_screen
    assert "✗" not in on_screen


@pytest.mark.parametrize("stories", [(), tuple(Story), RED])
def test_a_summary_of_a_large_fleet_fits_a_comment(tmp_path, stories):
    store = synthetic_run(tmp_path, models=60, names=LONG, stories=stories)
    assert len(summary_markdown(store).encode()) < 30_000


@pytest.mark.parametrize("models", [1, 14, 15, 60])
@pytest.mark.parametrize("stories", [(Story.CLEAN,), tuple(Story), RED])
def test_a_terminal_gets_at_most_30_lines_of_80_columns(tmp_path, models, stories):
    for names in ((), LONG):
        store = synthetic_run(tmp_path, models=models, stories=stories, names=names)
        for width in (80, 300):
            text = printed(store, width=width)
            assert len(text.splitlines()) <= 30
            assert max(map(cell_len, without_path(text))) <= 80


def test_a_narrow_terminal_is_respected(tmp_path):
    store = synthetic_run(tmp_path, stories=tuple(Story))
    assert max(map(cell_len, without_path(printed(store, width=60)))) <= 60


def test_a_small_fleet_is_shown_whole_and_a_large_one_says_what_is_left_out(tmp_path):
    assert "more" not in printed(synthetic_run(tmp_path, models=14, stories=(Story.CLEAN,)))
    many = printed(synthetic_run(tmp_path, models=40, stories=(Story.CLEAN,)))
    assert "… and 26 more, all passed" in many
    bad = printed(synthetic_run(tmp_path, models=40, stories=(Story.OOM,)))
    assert re.search(r"… and (\d+) more, \1 of them not passed", bad)


def test_every_cause_has_one_line_with_how_many_models_it_hit(tmp_path):
    text = printed(synthetic_run(tmp_path, models=40, stories=(Story.OOM, Story.CRASH, Story.CLEAN, Story.CLEAN)))
    assert "▲ infer.torch-inductor-cpu of 10 models, memory_limit: the family of processes" in text
    assert "! infer.ort-cpu of 10 models, signal: the worker died of SIGSEGV" in text


def test_the_path_of_the_report_is_whole_before_the_report_is_there_and_after(tmp_path):
    store = synthetic_run(tmp_path, models=1)
    path = str(store.root / "report" / "index.html")
    assert printed(store, width=40).splitlines()[-1] == f"Report: {path}"
    build_report(store)
    assert printed(store, width=40).splitlines()[-1] == f"Report: {path}"


def test_a_terminal_without_unicode_gets_letters(tmp_path):
    text = printed(synthetic_run(tmp_path, models=40, stories=(Story.UNSUPPORTED, Story.CLEAN)), encoding="ascii")
    assert "F export of 20 models, unsupported_op" in text


def test_colour_adds_nothing_that_is_not_said_without_it(tmp_path):
    store = synthetic_run(tmp_path, stories=tuple(Story))
    coloured = printed(store, colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == printed(store)


EVIL = "\x1b]0;pwned\x07\x1b[2J|<img src=x>`**![x](http://x)` @everyone\r\nFORGED: passed " + "宽" * 200


def test_a_hostile_message_moves_no_cursor_and_makes_no_markup(tmp_path):
    store = synthetic_run(tmp_path, models=2, stories=(Story.UNSUPPORTED, Story.CLEAN))
    cell = Cell(model=store.lock().models[0].slug, stage="export")
    failure = Failure.of(FailureKind.UNSUPPORTED_OP, EVIL)
    store.write_record(store.record(cell).model_copy(update={"failure": failure}))
    found = store.findings()
    forged = found.findings[0].model_copy(update={"sentence": EVIL, "repro": "x`|" + EVIL})
    store.write_findings(Findings(**found.model_dump(exclude={"findings"}), findings=(forged,)))
    lines = without_path(printed(store))
    assert max(map(cell_len, lines)) <= 80
    assert not [line for line in lines if line.startswith("FORGED") or "\x1b" in line or "\x07" in line]
    text = summary_markdown(store)
    assert "\x1b" not in text
    assert "<img" not in re.sub(r"`[^`]*`", "", text)
    assert "@everyone" not in re.sub(r"`[^`]*`", "", text)
    assert "\nFORGED" not in text


def test_a_run_that_was_not_judged_says_how_to_judge_it(tmp_path):
    store = synthetic_run(tmp_path, models=2, judged=False)
    assert summary_markdown(store).startswith("? **Not judged**: ")
    assert f"driftgate gate --run {store.run_id}" in " ".join(printed(store).split())
