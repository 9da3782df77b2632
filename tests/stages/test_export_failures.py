"""A failed export says where in the model it failed, what would mend it, and has the fingerprint of its cause."""

from pathlib import Path

import pytest
import torch
from sample_models import X
from stage_desk import Desk

from driftgate.core.records import ExportPayload, FailureSummary
from driftgate.core.verdicts import FailureKind
from driftgate.stages.blame import attempt
from driftgate.stages.export import export
from driftgate.stages.exporting.failures import kind_of


def failure_of(folder: Path, model: str, part: str = "dynamo") -> FailureSummary:
    desk = Desk(folder / model, f"export_models:{model}")
    desk.give({"x": X})
    record = desk.run(export, part=part)
    assert isinstance(record.payload, ExportPayload)
    (attempt,) = record.payload.attempts
    assert attempt.failure is not None
    assert record.failure is not None
    assert (attempt.failure.message, attempt.failure.hint) == (record.failure.message, record.failure.hint)
    return attempt.failure


@pytest.mark.parametrize(("part", "operator"), [("dynamo", "prims.erf_inv.default"), ("torchscript", "aten::erfinv")])
def test_an_unsupported_operator_says_in_which_module_of_the_model_it_sits(
    tmp_path: Path, part: str, operator: str
) -> None:
    failure = failure_of(tmp_path, "inverse_erf", part)
    assert failure.kind == FailureKind.UNSUPPORTED_OP
    assert (failure.operator, failure.module, failure.module_class) == (operator, "layers.1.inner", "InverseErf")
    assert failure.source is not None
    assert failure.source.code == "return (x / 2).erfinv()"
    assert failure.message.startswith(f"the {part} exporter failed: ")
    assert operator in str(failure.hint)


def test_a_branch_on_data_names_the_line_and_the_module_of_the_model(tmp_path: Path) -> None:
    failure = failure_of(tmp_path, "branch")
    assert failure.kind == FailureKind.DATA_DEPENDENT
    assert (failure.module, failure.module_class) == ("layers.1.inner", "Branch")
    assert failure.source is not None
    assert (failure.source.function, failure.source.code) == ("forward", "if x.sum() > 0:")
    assert failure.source.file.endswith("export_models.py")
    assert f"export_models.py:{failure.source.line}" in str(failure.hint)


def test_one_cause_in_two_models_has_one_fingerprint_and_another_cause_another(tmp_path: Path) -> None:
    branch, elsewhere = failure_of(tmp_path, "branch"), failure_of(tmp_path, "other_branch")
    assert branch.source != elsewhere.source
    assert branch.fingerprint == elsewhere.fingerprint
    assert branch.fingerprint != failure_of(tmp_path, "other_question").fingerprint


def test_an_operator_has_one_fingerprint_wherever_it_sits(tmp_path: Path) -> None:
    deep, shallow = failure_of(tmp_path, "inverse_erf"), failure_of(tmp_path, "inverse_erf_alone")
    assert (deep.module, shallow.module) == ("layers.1.inner", "")
    assert deep.fingerprint == shallow.fingerprint


def test_a_type_that_export_does_not_know_is_named_with_what_mends_it(tmp_path: Path) -> None:
    failure = failure_of(tmp_path, "returns_dataclass")
    assert failure.kind == FailureKind.COMPILE
    assert "torch.export.register_dataclass" in str(failure.hint)


def test_what_torch_raises_and_no_row_knows_is_of_the_compiler_and_what_the_model_raises_is_not() -> None:
    def fails(*_: object) -> None:
        raise ValueError("something nobody has seen")

    theirs = attempt(lambda: torch.vmap(lambda x: x, in_dims=(0, 0))(torch.ones(2)))
    assert theirs is not None
    assert kind_of(theirs) is FailureKind.COMPILE
    own = attempt(fails)
    assert own is not None
    assert kind_of(own) is FailureKind.OTHER
