"""Rows of expectations.yaml that say what is no longer so: told once a row, whether it names one cell or many, a failure or a finding."""

from pathlib import Path

import pytest

from driftgate.core.gate_settings import GateSettings
from driftgate.core.records import Cell
from driftgate.core.verdicts import FailureKind
from driftgate.history.baseline import find_baseline
from driftgate.history.database import Database
from driftgate.history.importing import import_run
from driftgate.steps.against import Against
from driftgate.steps.gate import gate
from driftgate.testing.nights import breaking_at, failing, next_night
from driftgate.testing.run_payloads import BREAKS
from driftgate.testing.runs import Story, synthetic_run

MODELS = ("zoo:a", "zoo:b")
EXPORT, EXPLAIN = Cell(model="zoo--a", stage="export"), Cell(model="zoo--a", stage="explain")
LOST = failing(FailureKind.UNSUPPORTED_OP, "No ONNX function found for aten.unfold_copy")
UPSTREAM = failing(FailureKind.UPSTREAM, "needs export, which ended as unsupported_op")
ALL_LOST = {
    EXPORT: LOST,
    Cell(model="zoo--a", stage="infer", target="ort-cpu"): UPSTREAM,
    Cell(model="zoo--a", stage="drift", target="ort-cpu"): UPSTREAM,
}
BROKEN = {EXPLAIN: breaking_at(BREAKS[0])}
OVER = "until: 2020-01-01, "


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A good night, in the history."""
    output = tmp_path_factory.mktemp("work") / "outputs"
    store = synthetic_run(output, names=MODELS, models=2, stories=[Story.CLEAN])
    import_run(_database(store), store)
    return store


def _database(store):
    return Database.at(f"sqlite:///{store.root.parent}/history.sqlite", store.root.parent)


def told(first, row, plant=None, *, compared=True, settings=None):
    """What the gate says of a row on a night with these plants."""
    night = next_night(first, day=1, plant=plant)
    file = Path(night.root) / "given.yaml"
    file.write_text(f"- {{{row}, reason: known}}\n")
    against = None
    if compared:
        found = find_baseline(first.run_id, night.manifest(), _database(first), first.root.parent)
        against = Against.of(found, night.agents(), _database(first))
    findings = gate(night, file, against=against, settings=settings).findings
    return [one.sentence for one in findings if one.rule == "expectation_outdated"]


KIND = "model: 'zoo:a', stage: export, kind: unsupported_op"
MANY = "model: 'zoo:*', stage: infer, kind: signal"
RULE = "model: zoo--a, stage: explain, rule: new_break"


@pytest.mark.parametrize("compared", [True, False])
def test_a_failure_that_passes_is_told(first, compared):
    says = ["export of zoo--a passes, though it is expected to fail (unsupported_op: known); take the row out"]
    assert told(first, KIND, compared=compared) == says


def test_a_row_with_wildcards_is_told_once_and_only_if_every_cell_of_it_passes(first):
    says = ["infer of zoo:* (6 cells) pass, though they are expected to fail (signal: known); take the row out"]
    assert told(first, MANY) == says
    crashed = {Cell(model="zoo--b", stage="infer", target="ort-cpu"): failing(FailureKind.SIGNAL, "SIGSEGV")}
    assert told(first, MANY, crashed) == []


def test_a_row_about_several_targets_is_true_as_long_as_one_of_them_fails_so(first):
    crashed = {Cell(model="zoo--a", stage="infer", target="ort-cpu"): failing(FailureKind.SIGNAL, "SIGSEGV")}
    assert told(first, "model: 'zoo:a', stage: infer, kind: signal", crashed) == []


def test_a_cell_that_nobody_could_test_or_that_fails_otherwise_says_nothing_of_its_row(first):
    drift = "model: 'zoo:a', stage: drift, kind: out_of_tolerance"
    assert told(first, drift, ALL_LOST) == []
    assert (
        told(
            first,
            KIND,
            {EXPORT: failing(FailureKind.COMPILE, "no")} | {k: v for k, v in ALL_LOST.items() if k != EXPORT},
        )
        == []
    )


def test_a_failure_whose_time_has_run_out_is_told(first):
    says = ["export of zoo--a was expected to fail until 2020-01-01 (known); that day has passed"]
    assert told(first, OVER + KIND, ALL_LOST) == says
    assert told(first, OVER.replace("2020", "2999") + KIND, ALL_LOST) == []


def test_an_accepted_finding_that_is_not_found_any_more_is_told(first):
    says = [
        "new_break in explain of zoo--a was accepted (known), and nothing like it is new: it is gone, or the baseline has it"
        " by now; take the row out"
    ]
    assert told(first, RULE) == says
    assert told(first, RULE, BROKEN) == []
    assert told(first, RULE + ", fingerprint: another", BROKEN) == says


def test_an_accepted_finding_whose_time_has_run_out_is_told(first):
    says = ["explain of zoo--a was accepted (new_break) until 2020-01-01 (known); that day has passed"]
    assert told(first, OVER + RULE, BROKEN) == says
    assert told(first, OVER + RULE) == says  # the baseline may have it by now: somebody is to look
    assert told(first, OVER.replace("2020", "2999") + RULE) == []


def test_a_rule_that_could_not_speak_tonight_says_nothing_of_its_row(first):
    silent = GateSettings.model_validate({"new_break": {"severity": "off"}})
    assert told(first, RULE, compared=False) == []
    assert told(first, RULE, settings=silent) == []
    cached = {
        Cell(model="zoo--a", stage="infer", target="ort-cpu"): lambda record: record.model_copy(update={"cached": True})
    }
    slow = "model: zoo--a, stage: infer, target: ort-cpu, rule: latency"
    assert told(first, slow, cached) == []
    assert len(told(first, slow)) == 1


@pytest.mark.parametrize("compared", [True, False])
@pytest.mark.parametrize("row", [KIND, MANY, RULE])
def test_a_row_about_models_that_are_not_in_the_fleet_says_nothing(first, row, compared):
    assert told(first, row.replace("zoo:", "hf:").replace("zoo--", "hf--"), compared=compared) == []


def test_the_alarm_is_a_warning_that_fails_nothing_and_has_no_cell_where_it_is_about_many(first):
    night = next_night(first, day=1)
    file = Path(night.root) / "given.yaml"
    file.write_text(f"- {{{MANY}, reason: known}}\n- {{{KIND}, reason: known}}\n")
    findings = gate(night, file)
    assert findings.verdict == "passed"
    assert {(one.model, one.stage, one.severity.value) for one in findings.findings} == {
        (None, "infer", "warning"),
        ("zoo--a", "export", "warning"),
    }
