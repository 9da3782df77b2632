"""`driftgate field`: how far the models of runs came, as a user reads it."""

import json

import pytest

from driftgate.cli import run_command
from driftgate.testing.runs import Story, synthetic_run


def call(capfd, *arguments):
    code = run_command([str(one) for one in arguments])
    out, err = capfd.readouterr()
    return code, out, err


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Ten models with a story each; what drifts is expected."""
    return synthetic_run(
        tmp_path_factory.mktemp("work") / "outputs", models=10, stories=tuple(Story), expected=(Story.DRIFT,)
    )


def test_shares_families_and_causes_stand_within_eighty_columns(run, capfd):
    code, out, err = call(capfd, "field", run.root)
    assert (code, err) == (0, "")
    assert out.startswith("3 of 10 models all the way to torch-inductor-cpu, ort-cpu")
    assert "90 %" in out
    assert "9 of 10" in out
    assert "✗ 1 model at export, unsupported_op: No ONNX function found for" in out
    assert "○ 1 model at drift.ort-cpu, out_of_tolerance: last_hidden_state is N away" in out
    assert max(map(len, out.splitlines())) <= 80


def test_the_latest_run_is_meant_where_none_is_named(run, capfd):
    assert call(capfd, "field", "--output", run.root.parent) == call(capfd, "field", run.root)


def test_json_has_every_row_with_its_cells(run, capfd):
    code, out, _ = call(capfd, "field", run.root, "--format", "json")
    found = json.loads(out)
    slug = run.lock().models[list(Story).index(Story.UNSUPPORTED)].ref
    assert code == 0
    assert found["rows"][slug]["reach"] == "unexported"
    assert found["rows"][slug]["export"] == "unsupported_op"
    assert found["shares"][0] == {"name": "run eagerly", "part": 9, "whole": 10}
    assert {cause["kind"] for cause in found["causes"]} > {"network", "time_limit", "signal"}


def test_markdown_has_tables_and_a_list(run, capfd):
    _, out, _ = call(capfd, "field", run.root, "--format", "markdown")
    assert out.startswith("## 3 of 10 models")
    assert "| share | models | step |" in out
    assert "- ✗ 1 model at export, unsupported_op: `No ONNX function found for <OpOverload(" in out, "nothing is markup"


def test_a_run_that_is_not_there_is_exit_2(tmp_path, capfd):
    code, out, err = call(capfd, "field", "nowhere", "--output", tmp_path)
    assert (code, out) == (2, "")
    assert "no run 'nowhere'" in err
