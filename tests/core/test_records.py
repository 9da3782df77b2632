import json
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from driftgate.core.errors import MachineryError, UsageError
from driftgate.core.records import (
    PAYLOADS,
    Cell,
    DriftPayload,
    Failure,
    ModelIdentity,
    Plan,
    PullPayload,
    StageRecord,
    cell_named,
)
from driftgate.core.records.upgrade import upgraded
from driftgate.core.verdicts import KIND_FACTS, FailureKind, Verdict, verdict_of

MODEL = ModelIdentity(ref="zoo:bert", slug="zoo--bert", family="bert", task="t", modality="text", architecture="A")


def record(**changes):
    fields = {
        "run_id": "r",
        "agent": "a",
        "model": MODEL,
        "stage": "pull",
        "verdict": "passed",
        "started_at": datetime(2026, 11, 22, tzinfo=UTC),
        "duration_s": 1.0,
        "payload": {"files": 1, "bytes": 2, "downloaded_bytes": 0, "source": "zoo"},
    }
    return StageRecord.model_validate(fields | changes)


def test_a_record_survives_the_way_to_disk_and_back():
    before = record()
    assert StageRecord.model_validate_json(before.to_json()) == before
    assert isinstance(before.payload, PullPayload)


def test_the_payload_must_be_that_of_the_stage():
    with pytest.raises(ValidationError, match="graph_count"):
        record(stage="explain")


def test_passed_with_a_failure_and_failed_without_one_are_refused():
    failure = Failure.of(FailureKind.LOAD, "x").to_dict()
    with pytest.raises(ValidationError, match="with a failure"):
        record(failure=failure)
    with pytest.raises(ValidationError, match="without a failure"):
        record(verdict="failed")


def test_a_number_that_is_not_finite_never_gets_into_a_record():
    with pytest.raises(ValidationError, match="finite"):
        record(duration_s=float("nan"))


def test_unknown_keys_are_refused():
    with pytest.raises(ValidationError, match="colour"):
        record(colour="red")


@pytest.mark.parametrize(
    "name", ["pull", "infer.ort-cpu", "infer.ort-cpu@b4", "export@dynamic", "drift.torch-inductor-cpu"]
)
def test_a_cells_name_is_read_back(name):
    cell = cell_named("m", name)
    assert cell is not None
    assert cell.name == name


@pytest.mark.parametrize("name", ["", "inputs.meta.json", "Infer", "a b", "a@b@c", "../x"])
def test_other_names_are_no_cells(name):
    assert cell_named("m", name) is None


def test_every_kind_has_facts_and_a_verdict():
    assert set(KIND_FACTS) == set(FailureKind)
    assert verdict_of(FailureKind.SIGNAL) is Verdict.CRASHED
    assert verdict_of(FailureKind.TIME_LIMIT) is Verdict.TIMEOUT
    assert verdict_of(FailureKind.MEMORY_LIMIT) is Verdict.OOM
    assert verdict_of(FailureKind.UPSTREAM) is Verdict.SKIPPED


def test_only_crashes_time_outs_and_the_network_are_tried_again():
    again = {kind for kind, facts in KIND_FACTS.items() if facts.retry}
    assert again == {"signal", "exit_no_record", "bad_record", "time_limit", "network"}


def test_a_newer_schema_is_the_users_to_mend_and_a_broken_file_the_machinerys():
    plan = Plan(run_id="r", fleet="f", cells=(Cell(model="m", stage="pull"),)).to_dict()
    assert upgraded(json.dumps(plan).encode(), Plan, "plan.json") == plan
    with pytest.raises(UsageError, match="newer than"):
        upgraded(json.dumps(plan | {"schema_version": 99}).encode(), Plan, "plan.json")
    for broken in (b"", b"[]", b"{}", b'{"schema_version": true}', b"\xff"):
        with pytest.raises(MachineryError, match=r"plan\.json"):
            upgraded(broken, Plan, "plan.json")


def test_long_messages_are_cut_in_the_middle_and_keep_both_ends():
    failure = Failure.of(FailureKind.OTHER, "begin" + "x" * 100_000 + "end")
    assert len(failure.message) < 5_000
    assert failure.message.startswith("begin")
    assert failure.message.endswith("end")


def test_every_stage_of_the_pipeline_has_a_payload():
    assert set(PAYLOADS) == {"pull", "inputs", "explain", "export", "infer", "drift", "profile"}
    assert PAYLOADS["drift"] is DriftPayload
