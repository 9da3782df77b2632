import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from driftgate.core.records import Cell, Failure, Findings, Severity
from driftgate.core.verdicts import FailureKind
from driftgate.steps.report import build_report
from driftgate.steps.summary import print_summary, summary_markdown
from driftgate.testing.findings import drifted, finding, findings
from driftgate.testing.runs import Story, synthetic_run

RED = tuple(story for story in Story if story not in (Story.CLEAN, Story.BREAKS, Story.SECOND_EXPORTER))
LONG = tuple(f"hf:acme/{'long-' * 50}{number}" for number in range(40))


def printed(store, *, width=120, encoding="utf-8", colour=False):
    """What a terminal gets, byte for byte."""
    buffer = io.BytesIO()
    file = io.TextIOWrapper(buffer, encoding=encoding, newline="")
    print_summary(store, Console(file=file, width=width, force_terminal=colour, _environ={"TERM": "xterm"}))
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


def test_a_summary_has_findings_with_their_command_and_nothing_that_did_not_change(tmp_path):
    store = synthetic_run(
        tmp_path / "outputs", models=4, stories=(Story.CLEAN, Story.BREAKS, Story.CLEAN, Story.UNSUPPORTED)
    )
    text = summary_markdown(store)
    slug = store.lock().models[3].slug
    assert f"  `driftgate export --run {store.run_id} --model {slug}`" in text
    assert [line for line in text.splitlines() if line.startswith("#")] == ["### New findings"]
    assert store.lock().models[1].slug not in text


def test_a_passed_run_says_so_in_its_first_line_and_the_terminal_gives_the_reasons(tmp_path):
    store = synthetic_run(tmp_path, models=2, stories=(Story.CLEAN, Story.DRIFT), expected=(Story.DRIFT,))
    text = summary_markdown(store)
    assert text.startswith("✓ **Passed**: ")
    assert "1 failed as expected" in text.splitlines()[0]
    assert "###" not in text
    on_screen = printed(store)
    assert "○ drift.ort-cpu of vit-0001, expected: the model's loop" in on_screen
    assert "✗" not in on_screen


ORT = "onnxruntime 1.30.0 → 1.31.1"
NEWS = (
    finding("better", "a", "drift", severity=Severity.INFO, sentence="drift of a passes again"),
    finding("graph_changed", "b", severity=Severity.INFO, sentence="export made another graph"),
    finding("flaky", "c", "explain", severity=Severity.WARNING, sentence="explain of c passed only at try 2"),
    finding("memory", "d", "infer", severity=Severity.WARNING, sentence="infer of d takes 2 GB"),
    drifted("e", severity=Severity.INFO, accepted="until *their* fix", sentence="drift of e"),
)


def with_findings(store, *some, **more):
    """The run as if the gate had found these."""
    store.write_findings(findings(*some, run_id=store.run_id, **more))
    return store


def test_what_changed_is_told_by_likely_cause_the_worst_first(tmp_path):
    store = synthetic_run(tmp_path, models=1, stories=(Story.CLEAN,))
    some = [drifted(f"m{number % 9}", variant=f"v{number}", owner="runtime") for number in range(14)]
    text = summary_markdown(with_findings(store, *some, *NEWS, changes=(ORT,), baseline="LAST"))
    lines = text.splitlines()
    assert lines[2] == f"Compared with LAST: {ORT}."
    assert [line.removeprefix("### ") for line in lines if line.startswith("#")] == [
        "New findings", "Warnings", "Flaky", "Better", "Otherwise different", "Accepted",
    ]  # fmt: skip
    assert f"- **{ORT}: 14 findings in 9 models, all in LayerNormalization** (runtime)" in lines
    assert "  - … and 11 more" in lines
    assert "- drift of e (accepted: until \\*their\\* fix)" in lines


def test_the_terminal_has_a_line_for_each_likely_cause_with_its_owner(tmp_path):
    store = synthetic_run(tmp_path, models=1, stories=(Story.CLEAN,))
    some = [drifted(f"m{number}", owner="kernels and runtime, both of them") for number in range(14)]
    text = printed(with_findings(store, *some, *NEWS, changes=(ORT,)))
    assert f"✗ {ORT}: 14 findings in 14 models, all in\n  LayerNormalization [kernels and runtime, bo…]\n" in text
    assert "△ explain of c passed only at try 2\n" in text
    assert "· 3 findings more: better than before, changed or accepted\n" in text
    assert max(map(cell_len, without_path(text))) <= 80


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Twenty models with every story, what failed expected."""
    return synthetic_run(tmp_path_factory.mktemp("run"), models=20, stories=tuple(Story), expected=RED)


@pytest.mark.parametrize("causes", [1, 8, 9, 30])
def test_however_many_causes_the_terminal_keeps_its_thirty_lines(fleet, causes):
    apart = [{"operator": f"O{n}", "hint": f"{n}", "fingerprint": f"{n}"} for n in range(causes)]
    some = [drifted("m" * 200, owner="x" * 90, **one) for one in apart]
    lines = printed(with_findings(fleet, *some, *NEWS[:1])).splitlines()
    assert len(lines) <= 30
    assert sum(line.startswith("✗ ") for line in lines[1:]) == min(causes, 8 if causes <= 8 else 7)


def test_two_thousand_findings_fit_a_comment_and_the_rest_is_counted(tmp_path):
    store = synthetic_run(tmp_path, models=1, stories=(Story.CLEAN,))
    long = {"sentence": "x " * 400, "repro": "driftgate " + "y" * 500}
    some = [drifted(f"m{number}", operator=f"Op{number // 2}", **long) for number in range(2000)]
    text = summary_markdown(with_findings(store, *some, *NEWS))
    assert len(text) < 30_000
    shown = text.count("findings in 2 models")
    assert 3 < shown < 1000
    assert f"- … and {1000 - shown:,} more causes ({2000 - 2 * shown:,} findings), in `findings.json`" in text
    assert text.splitlines()[-1].startswith("Run `")


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


EVIL = (
    "\x1b]0;pwned\x07\x1b[2J|<img src=x>`**![x](http://x)` @everyone fixes #12 www.x.org\r\nFORGED: passed "
    + "宽" * 200
)


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
    assert "http://" not in re.sub(r"`[^`]*`", "", text)
    assert "#12" not in re.sub(r"`[^`]*`", "", text)
    assert "\nFORGED" not in text


def test_a_run_that_was_not_judged_says_how_to_judge_it(tmp_path):
    store = synthetic_run(tmp_path, models=2, judged=False)
    assert summary_markdown(store).startswith("? **Not judged**: ")
    assert f"driftgate gate --run {store.run_id}" in " ".join(printed(store).split())
