"""One record from several tries."""

import pytest

from driftgate.core.ladder import join_attempts
from driftgate.core.records import CellResult, ExportAttempt, ExportPayload, Failure, FailureSummary, SourceLine
from driftgate.core.verdicts import FailureKind


def success(exporter: str) -> CellResult:
    attempt = ExportAttempt(exporter=exporter, dynamic=True, verdict="passed", seconds=1, node_count=7)
    return CellResult(payload=ExportPayload(exporter=exporter, node_count=7, attempts=(attempt,)).to_dict())


def failed(kind: FailureKind, message: str = "no") -> CellResult:
    attempt = ExportAttempt(exporter="dynamo", dynamic=False, verdict="failed", seconds=1)
    return CellResult(payload=ExportPayload(attempts=(attempt,)).to_dict(), failure=Failure.of(kind, message))


def test_the_first_success_wins_and_every_try_is_listed() -> None:
    result = join_attempts(
        [("dynamo", failed(FailureKind.CUSTOM_OP, "no function"), 2.0), ("transformers", success("transformers"), 3.0)]
    )
    payload = ExportPayload.model_validate(result.payload)
    assert result.failure is None
    assert payload.node_count == 7
    assert [(a.exporter, a.verdict, a.seconds, a.dynamic) for a in payload.attempts] == [
        ("dynamo", "failed", 2.0, False),
        ("transformers", "passed", 3.0, True),
    ]
    assert payload.attempts[0].failure is not None
    assert payload.attempts[0].failure.message == "no function"


def test_without_a_success_the_first_failure_about_the_model_is_the_records() -> None:
    parts = [
        ("transformers", failed(FailureKind.UNAVAILABLE), 1.0),
        ("dynamo", failed(FailureKind.DATA_DEPENDENT, "u0"), 1.0),
    ]
    result = join_attempts(parts)
    assert result.failure is not None
    assert result.failure.kind is FailureKind.DATA_DEPENDENT
    assert len(ExportPayload.model_validate(result.payload).attempts) == 2


def test_a_try_whose_process_died_left_no_account_of_itself() -> None:
    result = join_attempts([("dynamo", CellResult(failure=Failure.of(FailureKind.SIGNAL, "died")), 1.0)])
    attempt = ExportPayload.model_validate(result.payload).attempts[0]
    assert attempt.verdict == "crashed"
    assert attempt.dynamic is None


def test_what_a_try_told_of_its_failure_stays_and_its_fingerprint_is_the_cells() -> None:
    told = FailureSummary(
        kind="data_dependent",
        message="no",
        fingerprint="ofthecause",
        module="layers.0",
        source=SourceLine(file="model.py", line=7, function="forward", code="if x:"),
    )
    attempt = ExportAttempt(exporter="dynamo", dynamic=False, verdict="failed", seconds=1, failure=told)
    lost = CellResult(
        payload=ExportPayload(attempts=(attempt,)).to_dict(), failure=Failure.of(FailureKind.DATA_DEPENDENT, "no")
    )
    result = join_attempts([("dynamo", lost, 1.0), ("transformers", failed(FailureKind.CUSTOM_OP), 1.0)])
    assert result.failure is not None
    assert result.failure.fingerprint == "ofthecause"
    assert ExportPayload.model_validate(result.payload).attempts[0].failure == told


def test_where_all_exporters_run_each_ones_graph_is_told_and_the_first_is_kept() -> None:
    result = join_attempts([("dynamo", success("dynamo"), 2.0), ("torchscript", success("torchscript"), 1.0)])
    payload = ExportPayload.model_validate(result.payload)
    assert payload.exporter == "dynamo"
    assert [(a.exporter, a.verdict, a.node_count) for a in payload.attempts] == [
        ("dynamo", "passed", 7),
        ("torchscript", "passed", 7),
    ]


def test_no_tries_make_no_record() -> None:
    with pytest.raises(ValueError, match="at least one"):
        join_attempts([])
