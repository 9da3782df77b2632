"""Drift in two jobs: the comparison's verdict stands, whatever becomes of the search for the culprit."""

import pytest

from driftgate.core.culprits import CULPRIT, join_culprit, worth_a_search
from driftgate.core.needs import upstream
from driftgate.core.records import Artifact, Cell, CellResult, Culprit, DriftPayload, Failure
from driftgate.core.verdicts import FailureKind
from driftgate.machine.settings import Settings
from driftgate.machine.settings.schema import DriftSettings
from driftgate.pipeline import STAGE_OF

DRIFT = DriftPayload(reference="torch-eager-cpu", candidate="ort-cpu", tensors=(), buckets={"≤1": 3})
FAR = Failure.of(FailureKind.OUT_OF_TOLERANCE, "logits is beyond its tolerance", hint="off by 1")
COMPARED = ("compare", CellResult(payload=DRIFT.to_dict(), failure=FAR), 0.1)
NODE = Culprit(node="node_add", op_type="Add", own_error=0.5, inherited_error=0.0)
REPRO = Artifact(name="repro/drift.ort-cpu/repro.py", bytes=1, sha256="0" * 64)


def found(**more: object) -> tuple[str, CellResult, float]:
    return "culprit", CellResult(payload=DRIFT.model_copy(update=more).to_dict(), artifacts=(REPRO,)), 1.0


def payload_of(result: CellResult) -> DriftPayload:
    return DriftPayload.model_validate(result.payload)


def test_the_culprit_and_its_reproduction_join_the_table() -> None:
    result = join_culprit([COMPARED, found(culprit=NODE)])
    assert result.failure == FAR
    assert payload_of(result).culprit == NODE
    assert payload_of(result).buckets == {"≤1": 3}
    assert result.artifacts == (REPRO,)


def test_no_culprit_comes_with_its_reason() -> None:
    told = payload_of(join_culprit([COMPARED, found(culprit_note="it adds up")]))
    assert (told.culprit, told.culprit_note) == (None, "it adds up")


@pytest.mark.parametrize(
    "kind", [FailureKind.SIGNAL, FailureKind.TIME_LIMIT, FailureKind.MEMORY_LIMIT, FailureKind.LOAD]
)
def test_a_search_that_ends_badly_changes_no_verdict(kind: FailureKind) -> None:
    result = join_culprit([COMPARED, ("culprit", CellResult(failure=Failure.of(kind, "it fell over")), 1.0)])
    assert result.failure == FAR
    assert payload_of(result).culprit is None
    note = payload_of(result).culprit_note
    assert note is not None
    assert f"ended as {kind.value}: it fell over" in note


def test_a_comparison_alone_stays_as_it_is() -> None:
    assert join_culprit([COMPARED]) == COMPARED[1]


def test_only_a_drift_beyond_tolerance_is_searched() -> None:
    assert worth_a_search(COMPARED[1])
    assert not worth_a_search(CellResult(payload=DRIFT.to_dict()))
    for kind in (FailureKind.SHAPE_MISMATCH, FailureKind.NONDETERMINISTIC, FailureKind.INTEGRITY):
        assert not worth_a_search(CellResult(failure=Failure.of(kind, "no")))


def test_the_search_is_a_part_of_the_drift_stage_that_a_setting_turns_off() -> None:
    stage = STAGE_OF["drift"]
    assert stage.parts(Settings()) == ("compare", "culprit")
    assert stage.parts(Settings(drift=DriftSettings(culprit=False))) == (None,)
    assert stage.function_of(CULPRIT) == "driftgate.stages.culprit.stage:culprit"
    assert stage.function_of("compare") == stage.function_of(None) == "driftgate.stages.drift:drift"


def test_drift_needs_the_files_that_the_search_reads() -> None:
    needs = {cell.name for cell in upstream(Cell(model="m", stage="drift", target="ort-cpu"), "torch-eager-cpu")}
    assert needs == {"infer.ort-cpu", "infer.torch-eager-cpu", "inputs", "export"}
    inductor = upstream(Cell(model="m", stage="drift", target="torch-inductor-cpu"), "torch-eager-cpu")
    assert "export" not in {cell.name for cell in inductor}
    dynamic = Cell(model="m", stage="drift", target="ort-cpu", variant="dynamic")
    assert "export@dynamic" in {cell.name for cell in upstream(dynamic, "torch-eager-cpu")}
