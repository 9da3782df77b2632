"""Runs of several machines become one; what does not belong to it is refused by name, and nothing has changed then."""

import json
import shutil
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftgate.cli import run_command
from driftgate.core.errors import MachineryError, UsageError
from driftgate.core.records import Failure
from driftgate.core.verdicts import FailureKind, Verdict
from driftgate.executors.merging import merge
from driftgate.machine.runs import run_ids
from driftgate.machine.store import RunStore
from driftgate.steps.archive import archive
from driftgate.steps.gate import gate
from driftgate.steps.report import build_report
from driftgate.testing.parts import leave_files, part_of
from driftgate.testing.runs import Story, synthetic_run

STORIES = (Story.BREAKS, Story.CRASH)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A complete run, each cell with its files; never changed."""
    folder = tmp_path_factory.mktemp("whole")
    return leave_files(synthetic_run(folder, models=2, stories=STORIES, judged=True))


@pytest.fixture(scope="module")
def judged(whole, tmp_path_factory):
    """What the gate says of the complete run."""
    return said(gate(RunStore(shutil.copytree(whole.root, tmp_path_factory.mktemp("judged") / whole.run_id))))


def emptied(whole, folder):
    """The run as it is before anybody has computed anything."""
    return part_of(whole, folder / "outputs", (), agent="controller")


def cells_of(whole, *, target):
    return [cell for cell in whole.plan().cells if (cell.target == "ort-cpu") == (target == "ort-cpu")]


def two_parts(whole, folder):
    return [
        part_of(whole, folder / "one", cells_of(whole, target=None), agent="one"),
        part_of(whole, folder / "two", cells_of(whole, target="ort-cpu"), agent="two"),
    ]


def content(store):
    return {
        path.relative_to(store.root).as_posix(): path.read_bytes()
        for path in sorted(store.root.rglob("*"))
        if path.is_file()
    }


def said(findings):
    return [(f.id, f.sentence.replace("\n", " "), f.severity) for f in findings.findings]


# -- two agents make one complete run ----------------------------------------------------------------------------


def test_two_machines_with_different_targets_make_one_complete_run(whole, judged, tmp_path):
    store = emptied(whole, tmp_path)
    merged = merge(store, two_parts(whole, tmp_path))
    assert (merged.taken, merged.missing) == (16, ())
    assert merged.agents == ("controller", "one", "two")
    assert {record.cell for record in store.records()} == set(whole.plan().cells)
    assert {record.agent for record in store.records()} == {"one", "two"}
    files = {name for name in content(whole) if name.startswith("models/")}
    assert {name for name in content(store) if name.startswith("models/")} == files
    assert said(gate(store)) == judged


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_partition_over_any_agents_in_any_order_merges_to_the_same_findings(whole, judged, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("partition")
    cells = whole.plan().cells
    owners = data.draw(st.lists(st.integers(0, 3), min_size=len(cells), max_size=len(cells)))
    named = [(f"agent-{n}", [c for c, owner in zip(cells, owners, strict=True) if owner == n]) for n in range(4)]
    parts = [part_of(whole, folder / name, mine, agent=name) for name, mine in named]
    stores = []
    for place, order in (("a", parts), ("b", data.draw(st.permutations(parts)))):
        stores.append(emptied(whole, folder / place))
        merge(stores[-1], order)
    one, other = (content(store) for store in stores)
    assert one == other
    assert said(gate(stores[0])) == judged


def test_merging_again_changes_nothing(whole, tmp_path):
    store, parts = emptied(whole, tmp_path), two_parts(whole, tmp_path)
    merge(store, parts)
    before = content(store)
    assert merge(store, parts).taken == 0
    assert content(store) == before


def test_the_cells_of_a_machine_that_never_came_become_not_run(whole, tmp_path, capfd):
    store = emptied(whole, tmp_path)
    (one, _) = two_parts(whole, tmp_path)
    assert run_command(["merge", str(store.root), str(one.root)]) == 0
    out, err = capfd.readouterr()
    assert "took 12 cells; agents: controller, one" in out
    assert "4 cells still without a record (ort-cpu)" in err
    findings = gate(store)
    assert findings.verdict == "failed"
    late = [store.record(cell) for cell in cells_of(whole, target="ort-cpu")]
    assert {(record.verdict, record.failure.kind) for record in late} == {(Verdict.SKIPPED, FailureKind.NOT_RUN)}


def test_a_machine_that_comes_late_takes_the_place_of_not_run(whole, judged, tmp_path):
    store = emptied(whole, tmp_path)
    one, two = two_parts(whole, tmp_path)
    merge(store, [one])
    gate(store)
    merge(store, [two])
    assert said(gate(store)) == judged


def test_a_result_outweighs_a_failure_of_the_machinery(whole, tmp_path):
    store, parts = emptied(whole, tmp_path), two_parts(whole, tmp_path)
    cell = whole.plan().cells[0]
    broken = whole.record(cell).model_copy(
        update={
            "agent": "two",
            "verdict": Verdict.FAILED,
            "failure": Failure.of(FailureKind.NETWORK, "no answer"),
            "payload": None,
            "artifacts": (),
        }
    )
    parts[1].write_record(broken)
    merge(store, [parts[1], parts[0]])
    assert store.record(cell).passed


def test_what_one_machine_computed_again_counts(whole, tmp_path):
    store, parts = emptied(whole, tmp_path), two_parts(whole, tmp_path)
    merge(store, parts)
    cell = whole.plan().cells[0]
    later = store.record(cell)
    later = later.model_copy(update={"started_at": later.started_at + timedelta(hours=1)})
    parts[0].write_record(later)
    assert merge(store, parts).taken == 1
    assert store.record(cell) == later


def test_parts_may_be_archives(whole, tmp_path, capfd):
    store, parts = emptied(whole, tmp_path), two_parts(whole, tmp_path)
    archives = [str(archive(part, tmp_path / f"{part.root.parent.name}.tar.gz").path) for part in parts]
    assert run_command(["merge", str(store.root), *archives]) == 0
    assert "took 16 cells; agents: controller, one, two" in capfd.readouterr().out
    assert {record.cell for record in store.records()} == set(whole.plan().cells)


def test_the_lines_of_one_machine_that_worked_in_two_places_are_joined(whole, tmp_path):
    store = emptied(whole, tmp_path)
    parts = [part_of(whole, tmp_path / name, (), agent="gpu") for name in ("x", "y")]
    rows = [json.dumps({"time": f"2026-11-22T02:15:0{n}+00:00", "event": str(n)}) + "\n" for n in range(4)]
    parts[0].events_path("gpu").write_text(rows[0] + rows[2])
    parts[1].events_path("gpu").write_text(rows[0] + rows[1] + rows[3])
    merge(store, parts)
    assert store.events_path("gpu").read_text() == "".join(rows)


# -- what does not belong to it is refused by name ---------------------------------------------------------------


def another_run_id(part):
    path = part.record_path(part.plan().cells[0])
    path.write_text(path.read_text().replace(part.run_id, "20200101T000000Z-abcdef"))
    return path, "is of run 20200101T000000Z-abcdef, not of"


def truncated(part):
    path = part.record_path(part.plan().cells[0])
    path.write_bytes(path.read_bytes()[:-40])
    return path, "is not JSON"


def another_cell(part):
    path = part.record_path(part.plan().cells[0])
    path.write_bytes(part.record_path(part.plan().cells[1]).read_bytes())
    return path, "is the record of"


def another_model(part):
    path = part.record_path(part.plan().cells[0])
    path.write_text(path.read_text().replace("hf:acme/tiny-bert-0000", "hf:evil/tiny-bert-0000"))
    return path, "is about hf:evil/tiny-bert-0000"


def another_revision(part):
    path = part.record_path(part.plan().cells[0])
    path.write_text(path.read_text().replace("0" * 40, "f" * 40))
    return path, "but models.lock.json has hf:acme/tiny-bert-0000 at 0000"


FOREIGN = [another_run_id, truncated, another_cell, another_model, another_revision]


def not_planned(part):
    record = part.record(part.plan().cells[0])
    part.write_record(record.model_copy(update={"stage": "profile", "payload": None, "artifacts": ()}))
    return part.model_folder(record.model.slug) / "profile.json", "a cell that the plan does not have"


def another_run(part):
    for path in (part.root / "plan.json", part.root / "run.json"):
        path.write_text(path.read_text().replace(part.run_id, "20200101T000000Z-abcdef"))
    return part.root, "is of run 20200101T000000Z-abcdef, not of"


def another_plan(part):
    plan = part.plan()
    part.write_plan(plan.model_copy(update={"cells": plan.cells[:-1]}))
    return part.root / "plan.json", "parts of one run share their plan"


def another_lock(part):
    lock = part.lock()
    part.write_lock(lock.model_copy(update={"left_out": ()}))
    return part.root / "models.lock.json", "parts of one run share their pins"


def another_configuration(part):
    part.write_manifest(part.manifest().model_copy(update={"config": {"seed": 7}}))
    return part.root / "run.json", "parts of one run share their configuration"


def another_file(part):
    path = part.model_folder(part.plan().cells[0].model) / "pull.bin"
    path.write_bytes(b"something else")
    return path, "the hash differs"


def a_link(part):
    path = part.model_folder(part.plan().cells[0].model) / "pull.bin"
    path.unlink()
    path.symlink_to("/etc/passwd")
    return path, "is no plain file"


def a_name_outside(part):
    path = part.record_path(part.plan().cells[0])
    path.write_text(path.read_text().replace("pull.bin", "../../../pull.bin"))
    return path, "names a file outside of its model"


def another_machine_of_that_name(part):
    agent = part.agents()[0]
    part.write_agent(agent.model_copy(update={"agent": "controller", "cpu": "another"}))
    return part.root / "agents", "two machines named controller"


OTHERS = [
    not_planned,
    another_run,
    another_plan,
    another_lock,
    another_configuration,
    another_file,
    a_link,
    a_name_outside,
    another_machine_of_that_name,
]


@pytest.mark.parametrize("spoil", [*FOREIGN, *OTHERS], ids=lambda spoil: spoil.__name__)
def test_what_does_not_belong_to_the_run_is_refused_by_name_and_nothing_has_changed(whole, tmp_path, spoil):
    store, parts = emptied(whole, tmp_path), two_parts(whole, tmp_path)
    path, reason = spoil(parts[0])
    before = content(store)
    with pytest.raises(MachineryError) as refused:
        merge(store, [RunStore(part.root) for part in reversed(parts)])
    assert str(path) in str(refused.value)
    assert reason in str(refused.value)
    assert content(store) == before


def test_two_results_of_one_cell_are_refused(whole, tmp_path):
    store, parts = emptied(whole, tmp_path), two_parts(whole, tmp_path)
    cell = whole.plan().cells[0]
    parts[1].write_record(whole.record(cell).model_copy(update={"agent": "two", "duration_s": 9.0}))
    with pytest.raises(MachineryError, match=r"\(one\) and .*pull.json \(two\) are two results of one cell"):
        merge(store, parts)


def test_a_part_that_is_no_run_is_a_mistake_of_the_call(whole, tmp_path, capfd):
    store = emptied(whole, tmp_path)
    assert run_command(["merge", str(store.root), str(tmp_path / "nowhere")]) == 2
    assert "no run" in capfd.readouterr().err
    with pytest.raises(UsageError, match="models.lock.json is missing"):
        bare = RunStore(tmp_path / "bare")
        bare.write_plan(store.plan())
        merge(store, [bare])


# -- and so it is in a folder that was merged by copying ---------------------------------------------------------


@pytest.mark.parametrize("spoil", FOREIGN, ids=lambda spoil: spoil.__name__)
def test_gate_report_and_history_refuse_it_too(whole, tmp_path, capfd, spoil):
    store = RunStore(shutil.copytree(whole.root, tmp_path / "outputs" / whole.run_id))
    path, reason = spoil(store)
    for command in ("gate --run", "report --run", "history import"):
        code = run_command([*command.split(), str(store.root), "--output", str(tmp_path / "outputs")])
        err = capfd.readouterr().err
        assert code == 3, command
        assert str(path) in err
        assert reason in err
        assert "Traceback" not in err


@pytest.mark.parametrize("read", [gate, build_report])
def test_a_plan_of_another_run_is_refused(whole, tmp_path, read):
    store = RunStore(shutil.copytree(whole.root, tmp_path / whole.run_id))
    store.write_plan(store.plan().model_copy(update={"run_id": "20200101T000000Z-abcdef"}))
    with pytest.raises(MachineryError, match=r"plan.json is of run 20200101T000000Z-abcdef, not of"):
        read(RunStore(store.root))


def test_a_renamed_run_keeps_its_id(whole, tmp_path):
    store = RunStore(shutil.copytree(whole.root, tmp_path / "renamed"))
    assert store.run_id == whole.run_id
    assert gate(store).run_id == whole.run_id
    assert run_ids(tmp_path) == []
