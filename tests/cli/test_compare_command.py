"""`driftgate compare`: provenance first, then what is worse, better and different."""

import json

import pytest
from rich.cells import cell_len

from driftgate.cli import run_command
from driftgate.core.records import Cell, Failure
from driftgate.core.verdicts import FailureKind, verdict_of
from driftgate.testing.breaks import give_breaks, graph_break
from driftgate.testing.findings import finding, findings
from driftgate.testing.runs import Story, synthetic_agent, synthetic_run

STAYS, GOES, COMES = (graph_break(f"if mask[{index}]:", function=f"part_{index}") for index in range(3))


def call(capfd, *arguments):
    code = run_command([str(one) for one in arguments])
    out, err = capfd.readouterr()
    return code, out, err


def made(folder, *, torch="2.13.0", models=3, breaks=(STAYS,), config=None):
    store = synthetic_run(folder, models=models, stories=(Story.CLEAN,))
    agent = synthetic_agent()
    store.write_agent(agent.model_copy(update={"packages": agent.packages | {"torch": torch}}))
    if config is not None:
        store.write_manifest(store.manifest().model_copy(update={"config": store.manifest().config | config}))
    return give_breaks(store, {entry.slug: breaks for entry in store.lock().models[:2]})


def failing(store, stage, target=None, kind=FailureKind.UNSUPPORTED_OP):
    """Let the first model's cell fail."""
    cell = Cell(model=store.lock().models[0].slug, stage=stage, target=target)
    failure = Failure.of(kind, "No ONNX function found for aten.bincount\nmore")
    changes = {"failure": failure, "verdict": verdict_of(kind), "payload": None}
    store.write_record(store.record(cell).model_copy(update=changes))
    return store


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Under an older torch, and under a newer one: a break came, another went, an export was lost, a drift appeared."""
    folder = tmp_path_factory.mktemp("work") / "outputs"
    before = made(folder, torch="2.12.0", breaks=(STAYS, GOES), config={"explain": {"second_shape": True}})
    after = made(folder, breaks=(STAYS, COMES), config={"explain": {"second_shape": False}})
    failing(after, "export")
    failing(after, "drift", "ort-cpu", FailureKind.OUT_OF_TOLERANCE)
    return before, after


def test_what_the_runs_were_made_with_stands_at_the_top(runs, capfd):
    before, after = runs
    _, out, err = call(capfd, "compare", before.root, after.root)
    head, _, first, second, *_ = out.splitlines()
    assert f"{before.run_id} → {after.run_id}" in head
    assert first.strip() == "torch 2.12.0 → 2.13.0"
    assert second.strip() == "explain.second_shape True → False"
    assert err == ""


def test_what_got_worse_is_told_over_the_fleet_and_per_model_and_ends_1(runs, capfd):
    code, out, _ = call(capfd, "compare", *(run.root for run in runs))
    assert code == 1
    assert max(map(cell_len, out.splitlines())) <= 80
    assert "4 worse, 2 better, 0 otherwise different, in 24 cells" in " ".join(out.split())
    assert "✗ appeared in 2 models: GB0170 Data-dependent branching" in out
    assert "    if mask[2]:" in out
    assert "✓ gone in 2 models" in out
    assert "✗ lost in acme--tiny-bert-0000: export: dynamo → failed (unsupported_op)" in out
    assert "    No ONNX function found for aten.bincount\n" in out
    assert "✗ broke in acme--tiny-bert-0000: drift.ort-cpu: passed → failed\n    (out_of_tolerance)\n" in out
    assert "1 appeared, 1 gone" in out


def test_the_other_way_round_it_got_better_and_worse(runs, capfd):
    before, after = runs
    code, out, _ = call(capfd, "compare", after.root, before.root)
    assert code == 1, "the break that went comes back"
    assert "2 worse, 4 better" in out
    assert "✓ gained in acme--tiny-bert-0000: export: failed (unsupported_op) → dynamo" in out


def test_a_run_is_like_itself(runs, capfd):
    code, out, _ = call(capfd, "compare", runs[0].root, runs[0].root)
    assert code == 0
    assert "0 worse, 0 better, 0 otherwise different" in " ".join(out.split())
    assert "the same packages, machine and settings" in out


def test_json_stands_alone_and_has_every_difference(runs, capfd):
    code, out, err = call(capfd, "compare", *(run.root for run in runs), "--format", "json")
    told = json.loads(out)
    assert (code, err, told["worse"], told["better"]) == (1, "", 4, 2)
    assert told["provenance"] == [{"name": "torch", "before": "2.12.0", "after": "2.13.0"}]
    assert [one["what"] for one in told["sections"]["exports"]] == ["lost"]
    (break_of_one,) = (
        one
        for one in told["sections"]["breaks"]
        if one["what"] == "appeared" and one["model"] == "acme--tiny-bert-0000"
    )
    assert (break_of_one["fingerprint"], break_of_one["code"]) == (COMES.fingerprint, COMES.code)


def test_markdown_has_a_table_for_each_section(runs, capfd):
    _, out, _ = call(capfd, "compare", *(run.root for run in runs), "--format", "markdown")
    assert "- torch 2.12.0 → 2.13.0" in out
    assert [line for line in out.splitlines() if line.startswith("### ")] == [
        "### Verdicts",
        "### Exports",
        "### Graph breaks",
    ]
    assert "| ✗ | appeared | GB0170 Data-dependent branching" in out
    assert "`if mask[2]:`" in out


def test_what_one_run_lacks_is_counted_and_never_compared(tmp_path, capfd):
    before, after = made(tmp_path, models=3), made(tmp_path, models=2)
    lost = Cell(model=after.lock().models[0].slug, stage="explain")
    after.record_path(lost).unlink()
    code, out, _ = call(capfd, "compare", before.root, after.root)
    assert code == 0
    assert f"1 model in {before.run_id} alone: acme--tiny-whisper-0002" in out
    assert "explain of 1 model not compared" in out


def test_models_with_other_bytes_are_named(tmp_path, capfd):
    before, after = made(tmp_path), made(tmp_path)
    lock = after.lock()
    changed = lock.models[0].model_copy(update={"revision": "f" * 40})
    records = [one for one in after.records() if one.model.slug == changed.slug]
    after.write_lock(lock.model_copy(update={"models": (changed, *lock.models[1:])}))
    for record in records:
        after.write_record(record.model_copy(update={"model": changed.identity()}))
    _, out, _ = call(capfd, "compare", before.root, after.root)
    assert "1 model at another revision: acme--tiny-bert-0000" in out


def test_a_failure_of_the_machinery_accuses_no_model(tmp_path, capfd):
    before, after = made(tmp_path), failing(made(tmp_path), "infer", "ort-cpu", FailureKind.DISK)
    code, out, _ = call(capfd, "compare", before.root, after.root)
    assert code == 0
    assert "· not tested in acme--tiny-bert-0000" in out


def test_secrets_in_settings_are_not_printed(tmp_path, capfd):
    before, after = (made(tmp_path, config={"hub": {"token": token}}) for token in ("hunter2", "hunter3"))
    _, out, _ = call(capfd, "compare", before.root, after.root)
    assert "hunter" not in out


@pytest.mark.parametrize("runs_named", [("nowhere", "latest"), ("latest", "nowhere")])
def test_an_unknown_run_is_exit_2(runs, capfd, runs_named):
    code, out, err = call(capfd, "compare", *runs_named, "--output", runs[0].root.parent)
    assert (code, out) == (2, "")
    assert "no run 'nowhere'" in err
    assert len(err.splitlines()) == 1


def test_a_damaged_run_is_exit_3_and_one_line(tmp_path, capfd):
    before, after = made(tmp_path), made(tmp_path)
    after.record_path(after.plan().cells[2]).write_text("{")
    code, _, err = call(capfd, "compare", before.root, after.root)
    assert code == 3
    assert "explain.json" in err
    assert len(err.splitlines()) == 1


def slower(store, factor=1.5):
    """Let the first model take longer with ONNX Runtime."""
    record = store.record(Cell(model=store.lock().models[0].slug, stage="infer", target="ort-cpu"))
    latency = record.payload.latency.model_copy(update={"p50": record.payload.latency.p50 * factor})
    store.write_record(record.model_copy(update={"payload": record.payload.model_copy(update={"latency": latency})}))
    return store


def test_a_slower_cell_is_shown_and_fails_nothing_until_launching_anew_confirms_it(tmp_path, capfd):
    before, after = made(tmp_path, models=2), slower(made(tmp_path, models=2))
    code, out, _ = call(capfd, "compare", before.root, after.root)
    assert code == 0
    assert "· slower in acme--tiny-bert-0000: infer.ort-cpu: p50" in out
    assert "in 1 cell, from one launch a side: none of them confirmed" in " ".join(out.split())

    slow = finding("latency", "acme--tiny-bert-0000", "infer", target="ort-cpu", confirmed=True, sentence="50 % slower")
    after.write_findings(findings(slow, run_id=after.run_id, baseline=before.run_id))
    code, out, _ = call(capfd, "compare", before.root, after.root)
    assert code == 1
    assert "✗ slower in acme--tiny-bert-0000" in out
    assert "    50 % slower" in out
    assert call(capfd, "compare", after.root, before.root)[0] == 0, "confirmed against that run alone"


def test_times_of_unlike_machines_are_not_compared_and_that_is_said(tmp_path, capfd):
    before, after = made(tmp_path, models=2), slower(made(tmp_path, models=2), 9)
    (agent,) = after.agents()
    after.write_agent(agent.model_copy(update={"cpu": "Another CPU", "environment": {"OMP_NUM_THREADS": "2"}}))
    code, out, _ = call(capfd, "compare", before.root, after.root)
    assert code == 0
    assert "latency of 6 cells not compared: the machines differ (cpu, $OMP_NUM_THREADS)" in " ".join(out.split())
    assert "slower" not in out
    told = json.loads(call(capfd, "compare", before.root, after.root, "--format", "json")[1])
    assert told["sections"]["latency"] == []
    assert told["timing"] == {
        "compared": 0, "unlike_machines": 6, "machines_differ_in": ["cpu", "$OMP_NUM_THREADS"], "median_ratio": {},
    }  # fmt: skip


def test_where_the_page_goes_is_asked_of_a_page_alone(runs, tmp_path, capfd):
    code, out, err = call(capfd, "compare", *(run.root for run in runs), "--to", tmp_path / "page")
    assert (code, out) == (2, "")
    assert "--to is for --format html alone" in err
    assert not (tmp_path / "page").exists()
