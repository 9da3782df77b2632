"""Two runs beside each other as a page: what differs first, fit for a strict content policy, and nothing in it but text."""

import pytest
from pages import broken_links, read

from driftgate.cli import run_command
from driftgate.core.records import Cell, Failure
from driftgate.core.verdicts import FailureKind, verdict_of
from driftgate.steps.report import build_report
from driftgate.testing.breaks import give_breaks, graph_break
from driftgate.testing.runs import Story, synthetic_agent, synthetic_run

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A good run, and one with another torch, a new break, a lost export and a report; a name in it is markup."""
    folder = tmp_path_factory.mktemp("work") / "outputs"
    before, after = (synthetic_run(folder, models=2, stories=(Story.CLEAN,)) for _ in range(2))
    agent = synthetic_agent()
    after.write_agent(agent.model_copy(update={"packages": agent.packages | {"torch": "2.14.0", SCRIPT: SCRIPT}}))
    slug = after.lock().models[0].slug
    give_breaks(after, {slug: (graph_break("if mask.any():"),)})
    failure = Failure.of(FailureKind.UNSUPPORTED_OP, "No ONNX function found for aten.bincount")
    changes = {"failure": failure, "verdict": verdict_of(failure.kind), "payload": None}
    after.write_record(after.record(Cell(model=slug, stage="export")).model_copy(update=changes))
    build_report(after)
    return before, after


@pytest.fixture
def page(runs, capfd):
    """The page that the command writes by default."""
    before, after = runs
    code = run_command(["compare", str(before.root), str(after.root), "--format", "html"])
    index = after.root / "compare" / before.run_id / "index.html"
    assert (code, *capfd.readouterr()) == (1, f"{index}\n", "")
    return index


def test_the_page_has_what_differs_first_then_every_section(page):
    text = " ".join(read(page).text.split())
    order = (
        "2 worse, 0 better",
        "torch2.13.02.14.0",
        "Verdicts",
        "Exports",
        "✗ worse lost",
        "Graph breaks",
        "if mask.any():",
    )
    places = [text.index(words) for words in (*order, "Drift No", "Latency No")]
    assert places == sorted(places)
    assert {"verdicts", "exports", "breaks", "compile", "drift", "latency"} <= read(page).ids


def test_it_links_to_the_reports_that_there_are_and_needs_nothing_that_a_strict_policy_blocks(page, runs):
    assert broken_links({page: read(page)}, runs[1].root) == []
    assert "../../report/index.html" in read(page).links
    assert not {tag for tag, _ in read(page).elements} & {"script", "style", "iframe", "object", "form", "base"}
    assert not [a for _, a in read(page).elements if "style" in a or any(name.startswith("on") for name in a)]
    assert SCRIPT in read(page).text


def test_it_goes_into_the_folder_that_is_asked_for_and_can_be_taken_from_there(runs, tmp_path, capfd):
    call = ["compare", *(str(run.root) for run in runs), "--format", "html", "--to"]
    assert run_command([*call, str(tmp_path / "page")]) == 1
    assert {path.name for path in (tmp_path / "page").iterdir()} == {"index.html", "style.css", "icon.svg"}
    (tmp_path / "file").touch()
    assert run_command([*call, str(tmp_path / "file")]) == 2
    assert "is a file" in capfd.readouterr().err
