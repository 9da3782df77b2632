import xml.etree.ElementTree as ET
from datetime import UTC, datetime

import pytest

from driftgate.core.errors import ExitCode, MachineryError, UsageError
from driftgate.core.records import Cell, Failure, Lock, LockEntry, Manifest, Plan, StageRecord
from driftgate.core.verdicts import FailureKind, verdict_of
from driftgate.machine.expectations import load_expectations
from driftgate.machine.store import RunStore
from driftgate.steps.gate import exit_code, gate

STAGES = ("pull", "inputs", "explain")


def make_run(folder, failures=None, *, models=("a", "b", "c", "d"), missing=(), expectations=None):
    """A run of some models in which these cells ("a/explain" → kind) failed."""
    failures = failures or {}
    store = RunStore.create(folder / "outputs")
    entries = {m: LockEntry(ref=f"zoo:{m}", slug=m, scheme="zoo", name=m) for m in models}
    cells = tuple(Cell(model=m, stage=s) for m in models for s in STAGES)
    now = datetime.now(UTC)
    store.write_manifest(Manifest(run_id=store.run_id, fleet="f", driftgate="0", started_at=now, config={}))
    store.write_lock(Lock(models=tuple(entries.values())))
    store.write_plan(Plan(run_id=store.run_id, fleet="f", cells=cells))
    if expectations is not None:
        store.write_text("expectations.yaml", expectations)
    for cell in cells:
        kind = failures.get(str(cell))
        if str(cell) in missing:
            continue
        failure = Failure.of(FailureKind(kind), f"{kind} on <purpose> & more") if kind else None
        store.write_record(
            StageRecord(
                run_id=store.run_id,
                agent="x",
                model=entries[cell.model].identity(),
                stage=cell.stage,
                verdict=verdict_of(failure.kind) if failure else "passed",
                failure=failure,
                started_at=now,
                duration_s=1,
            )
        )
    return store


def test_a_good_run_has_no_finding_and_ends_0(tmp_path):
    store = make_run(tmp_path)
    findings = gate(store)
    assert (findings.verdict, findings.findings, exit_code(findings)) == ("passed", (), ExitCode.FINE)
    assert store.manifest().counts == {"passed": 12}
    assert store.manifest().verdict == "passed"


def test_an_unexpected_failure_is_one_finding_however_much_hangs_on_it(tmp_path):
    store = make_run(tmp_path, {"a/inputs": "inputs", "a/explain": "upstream"})
    findings = gate(store)
    assert exit_code(findings) == ExitCode.REGRESSIONS
    (finding,) = findings.findings
    assert (finding.model, finding.stage, finding.rule) == ("a", "inputs", "not_passed")
    assert finding.repro == f"driftgate inputs --run {store.run_id} --model a"
    assert gate(store).findings[0].id == finding.id


EXPECTED = "- {model: a, stage: explain, kind: compile, reason: dynamo cannot}\n"


def test_what_is_expected_is_no_finding_and_carries_its_reason(tmp_path):
    store = make_run(tmp_path, {"a/explain": "compile"}, expectations=EXPECTED)
    assert exit_code(gate(store)) == ExitCode.FINE
    (expected,) = store.manifest().expected
    assert (expected.model, expected.cell, expected.reason) == ("a", "explain", "dynamo cannot")


def test_failing_in_another_way_than_expected_is_a_finding(tmp_path):
    store = make_run(tmp_path, {"a/explain": "load"}, expectations=EXPECTED)
    assert exit_code(gate(store)) == ExitCode.REGRESSIONS


def test_an_expectation_that_passes_or_has_run_out_is_told(tmp_path):
    findings = gate(make_run(tmp_path, expectations=EXPECTED))
    assert (findings.verdict, findings.findings[0].rule) == ("passed", "expectation_outdated")
    assert "take the row out" in findings.findings[0].sentence
    over = EXPECTED.replace("}", ", until: 2020-01-01}")
    findings = gate(make_run(tmp_path, {"a/explain": "compile"}, expectations=over))
    assert {f.rule for f in findings.findings} == {"not_passed", "expectation_outdated"}


def test_a_cell_without_a_record_gets_one_and_is_a_finding(tmp_path):
    store = make_run(tmp_path, missing={"d/explain"})
    findings = gate(store)
    record = store.record(Cell(model="d", stage="explain"))
    assert record.failure.kind is FailureKind.NOT_RUN
    assert [f.rule for f in findings.findings] == ["not_tested"]
    assert exit_code(findings) == ExitCode.REGRESSIONS


@pytest.mark.parametrize("kind", ["network", "disk"])
def test_half_a_fleet_that_fails_alike_is_the_machinerys_fault(tmp_path, kind):
    findings = gate(make_run(tmp_path, {"a/pull": kind, "b/pull": kind}))
    assert exit_code(findings) == ExitCode.MACHINERY
    assert findings.findings[0].rule == "machinery"
    assert "2 cells of 4" in findings.findings[0].sentence


def test_one_model_that_could_not_be_pulled_is_not_accused(tmp_path):
    store = make_run(tmp_path, {"a/pull": "network"})
    findings = gate(store)
    assert [f.rule for f in findings.findings] == ["not_tested"]
    suite = ET.parse(store.root / "junit.xml").getroot()
    assert (suite.attrib["failures"], suite.attrib["errors"]) == ("0", "1")
    assert "1 of 4 models could not be tested" in (store.root / "summary.md").read_text().splitlines()[0]


def test_a_cell_that_was_skipped_though_all_it_needs_passed_is_not_green(tmp_path):
    findings = gate(make_run(tmp_path, {"a/explain": "upstream"}))
    assert exit_code(findings) == ExitCode.REGRESSIONS
    assert "explain of a was not tested" in findings.findings[0].sentence


def test_a_lock_without_a_model_of_the_plan_is_told_as_such(tmp_path):
    store = make_run(tmp_path, missing={"d/explain"})
    store.write_lock(Lock(models=()))
    with pytest.raises(MachineryError, match=r"models\.lock\.json has no model d"):
        gate(store)


def test_half_a_fleet_that_breaks_for_its_own_reasons_is_regressions(tmp_path):
    findings = gate(make_run(tmp_path, dict.fromkeys(("a/explain", "b/explain", "c/explain"), "compile")))
    assert exit_code(findings) == ExitCode.REGRESSIONS


def test_junit_has_a_case_per_cell_and_a_failure_per_finding(tmp_path):
    failures = {"a/explain": "compile", "b/explain": "load", "c/pull": "load", "c/inputs": "upstream"}
    store = make_run(tmp_path, failures, expectations=EXPECTED)
    gate(store)
    suite = ET.parse(store.root / "junit.xml").getroot()
    assert suite.attrib["tests"] == "12"
    assert [case.attrib["classname"] for case in suite.findall("testcase[failure]")] == ["b", "c"]
    skipped = suite.findall("testcase[skipped]")
    reasons = {f"{c.attrib['classname']}/{c.attrib['name']}": c.find("skipped").attrib["message"] for c in skipped}
    assert reasons["a/explain"] == "expected: dynamo cannot"
    assert set(reasons) == {"a/explain", "c/inputs"}


def test_the_summary_begins_with_the_verdict(tmp_path):
    store = make_run(tmp_path, {"a/explain": "compile"})
    gate(store)
    first = (store.root / "summary.md").read_text().splitlines()[0]
    assert "1" in first


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- {model: a, stage: explain, kind: compil, reason: x}", "e.yaml:1: expectations[0].kind"),
        ("- {model: a, stage: explain, kind: compile}", "e.yaml:1: expectations[0].reason"),
        ("- {model: a, stage: explain, kind: compile, reason: x, untill: 2026-01-01}", "did you mean 'until'?"),
        ("- {model: a, stage: explian, kind: compile, reason: x}", "did you mean 'explain'?"),
        ("just text", "a list of rows"),
    ],
)
def test_a_wrong_row_is_named_by_file_line_and_key(tmp_path, text, says):
    path = tmp_path / "e.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        load_expectations(path)
    assert says in str(error.value)


def test_a_command_names_the_runs_folder_where_its_id_alone_would_not_be_found(tmp_path):
    store = make_run(tmp_path, {"a/inputs": "inputs"})
    elsewhere = tmp_path / "elsewhere" / store.run_id
    elsewhere.parent.mkdir()
    store.root.rename(elsewhere)
    (finding,) = gate(RunStore(elsewhere)).findings
    assert finding.repro == f"driftgate inputs --run {elsewhere} --model a"
