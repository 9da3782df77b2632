"""`driftgate breaks`: the ledger as a user reads it."""

import json

import pytest

from driftgate.cli import run_command
from driftgate.core.records import Cell, Failure, SecondShape
from driftgate.core.verdicts import FailureKind, verdict_of
from driftgate.testing.breaks import OWN, give_breaks, graph_break
from driftgate.testing.runs import Story, synthetic_run

ITEM = graph_break("n = mask.sum().item()", "GB0124", count=3)
BRANCH = graph_break("if mask.any():", line=512)
PRINT = graph_break("print(x.shape)", "GB0059", file=OWN)


def call(capfd, *arguments):
    code = run_command([str(one) for one in arguments])
    out, err = capfd.readouterr()
    return code, out, err


def with_breaks(output, *breaks):
    """A run whose models break like this, one after the other."""
    store = synthetic_run(output, models=4, stories=(Story.CLEAN,))
    slugs = [entry.slug for entry in store.lock().models]
    return give_breaks(store, dict(zip(slugs, breaks, strict=False)))


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    return tmp_path_factory.mktemp("work") / "outputs"


@pytest.fixture(scope="module")
def run(outputs):
    """Four models: one breaks at a line of a library, one there and at another, one in its own code, one nowhere."""
    return with_breaks(outputs, (ITEM,), (ITEM, BRANCH), (PRINT,))


def test_reasons_are_told_with_the_models_they_cost(run, capfd):
    code, out, err = call(capfd, "breaks", "--run", run.root)
    assert (code, err) == (0, "")
    assert "8 graph breaks at 3 places, in 3 of 4 models" in out
    assert "GB0124 Unsupported Tensor.item()" in out
    assert " 1. frees 1, with those above 1; touches 2 models" in out
    assert f"{BRANCH.file}:512 in forward" in out
    assert OWN not in out.partition("Library code")[2]


@pytest.mark.parametrize(
    ("by", "says"),
    [
        ("reason", "GB0059 Failed to trace print"),
        ("family", "whisper"),
        ("frame", "modeling_led.py"),
        ("model", "acme--tiny-vit-0001"),
    ],
)
def test_every_grouping_has_its_table(run, capfd, by, says):
    code, out, _ = call(capfd, "breaks", "--run", run.root, "--by", by)
    assert code == 0
    assert says in out
    assert max(map(len, out.splitlines())) <= 100


def test_json_stands_alone_and_has_everything(run, capfd):
    _, out, err = call(capfd, "breaks", "--run", run.root, "--by", "model", "--format", "json")
    told = json.loads(out)
    assert err == ""
    assert (told["run"], told["models"], told["explained"], told["events"]) == (run.run_id, 3, 4, 8)
    assert told["groups"][0]["key"] == ["acme--tiny-vit-0001"]
    assert told["levers"][0]["code"] == ITEM.code
    assert told["levers"][1]["together"] == 2


def test_markdown_is_a_table(run, capfd):
    _, out, _ = call(capfd, "breaks", "--run", run.root, "--format", "markdown")
    assert out.startswith("## ")
    assert "| models | frees | places | events | reason |" in out
    assert "| 2 | 1 | 1 | 6 | GB0124 Unsupported Tensor.item() |" in out


def test_what_is_new_against_another_run_is_told(run, tmp_path, capfd):
    before = with_breaks(tmp_path, (ITEM,), (ITEM,), (graph_break(PRINT.code, "GB0059", file=OWN, line=3),))
    code, out, _ = call(capfd, "breaks", "--run", run.root, "--against", before.root)
    assert code == 0
    new = out.partition(f"Against {before.run_id}")[2]
    assert "✗ appeared in acme--tiny-vit-0001: GB0170 Data-dependent branching" in new
    assert f"(was {OWN}:3 in forward)" in " ".join(new.split())
    _, out, _ = call(capfd, "breaks", "--run", run.root, "--against", before.root, "--format", "json")
    told = json.loads(out)
    assert told["against"] == before.run_id
    assert {one["what"] for one in told["changes"]} == {"appeared", "moved"}


def test_two_runs_that_break_alike_have_nothing_new(run, capfd):
    _, out, _ = call(capfd, "breaks", "--run", run.root, "--against", run.root)
    assert f"no break is other than in {run.run_id}" in out


def test_the_latest_run_is_meant_where_none_is_named(run, outputs, capfd):
    code, out, _ = call(capfd, "breaks", "--output", outputs)
    assert code == 0
    assert run.run_id in out


def test_models_that_could_not_be_explained_are_not_passed_over(tmp_path, capfd):
    store = synthetic_run(tmp_path, models=2, stories=(Story.CLEAN,))
    lost = Cell(model=store.lock().models[0].slug, stage="explain")
    failure = Failure.of(FailureKind.TIME_LIMIT, "too long")
    changes = {"failure": failure, "verdict": verdict_of(failure.kind), "payload": None}
    store.write_record(store.record(lost).model_copy(update=changes))
    _, out, _ = call(capfd, "breaks", "--run", store.root)
    assert "0 graph breaks at 0 places, in 0 of 1 model" in out
    assert f"1 model could not be explained: {lost.model}" in out


def test_what_breaks_at_a_second_size_alone_is_not_passed_over(tmp_path, capfd):
    store = with_breaks(tmp_path, ())
    cell = Cell(model=store.lock().models[0].slug, stage="explain")
    record = store.record(cell)
    second = SecondShape(recompiles=1, breaks=1, seconds=1, found=(graph_break("if x.shape[0] > 2:"),))
    store.write_record(
        record.model_copy(update={"payload": record.payload.model_copy(update={"second_shape": second})})
    )
    _, out, _ = call(capfd, "breaks", "--run", store.root)
    assert f"at a second input size alone: 1 more place in {cell.model}" in out
    told = json.loads(call(capfd, "breaks", "--run", store.root, "--format", "json")[1])
    assert (told["second_size"], told["events"]) == ({cell.model: 1}, 0)


def test_a_name_from_a_record_moves_no_cursor(tmp_path, capfd):
    evil = graph_break("x = '\x1b[2J' + y  # | `", file="transformers/\x1b[31m.py")
    store = with_breaks(tmp_path, (evil,))
    for form in ("table", "markdown"):
        assert "\x1b" not in call(capfd, "breaks", "--run", store.root, "--format", form)[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("breaks", "--run", "nowhere"), "no run 'nowhere'"),
        (("breaks", "--by", "colour"), "'colour' is not one of"),
        (("breaks", "--against", "nowhere"), "no run 'nowhere'"),
    ],
)
def test_a_wrong_call_is_exit_2_and_one_line(run, outputs, capfd, arguments, says):
    code, out, err = call(capfd, *arguments, "--output", outputs)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.splitlines()) == 1
