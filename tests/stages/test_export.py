"""export gives a file whose outputs have the model's own names, or a typed reason."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from sample_models import X
from stage_desk import Desk

from driftgate.core.errors import UsageError
from driftgate.core.records import ExportPayload, Failure
from driftgate.core.verdicts import FailureKind
from driftgate.stages.export import export

HERE = Path(__file__).parent


def exported(folder: Path, model: str, variant: str | None = None) -> ExportPayload:
    record = at_desk(folder, model).run(export, variant=variant, part="dynamo")
    assert isinstance(record.payload, ExportPayload)
    assert record.failure is None
    return record.payload


def refused(folder: Path, model: str, part: str = "dynamo", variant: str | None = None) -> Failure:
    failure = at_desk(folder, model).run(export, variant=variant, part=part).failure
    assert failure is not None
    return failure


def at_desk(folder: Path, model: str) -> Desk:
    desk = Desk(folder, model)
    if not (desk.folder / "inputs.meta.json").exists():
        desk.give({"x": X}, {"x": X[:2].clone()})
    return desk


def run_onnx(path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"x": x}), strict=True))


def test_outputs_carry_the_models_own_names_and_values(tmp_path: Path) -> None:
    payload = exported(tmp_path, "plain")
    found = run_onnx(tmp_path / "models/model/model.onnx", X.numpy())
    assert list(found) == ["logits", "hidden"] == list(payload.outputs)
    assert np.allclose(found["logits"].sum(-1), 1, atol=1e-6)


def test_the_payload_describes_the_file(tmp_path: Path) -> None:
    payload = exported(tmp_path, "plain")
    model = onnx.load(tmp_path / "models/model/model.onnx")
    assert payload.file == "model.onnx"
    assert payload.node_count == len(model.graph.node) == sum(payload.op_histogram.values())
    assert payload.weight_bytes == 4 * (4 * 5 + 5)
    assert payload.opset == model.opset_import[0].version
    assert payload.checker == "passed"
    assert payload.inputs == ("x",)
    assert [(a.exporter, a.dynamic, a.verdict) for a in payload.attempts] == [("dynamo", False, "passed")]


def test_a_tensor_returned_twice_and_an_input_handed_back_keep_names_of_their_own(tmp_path: Path) -> None:
    exported(tmp_path, "returns_twice")
    found = run_onnx(tmp_path / "models/model/model.onnx", X.numpy())
    assert list(found) == ["left", "right", "given"]
    assert np.array_equal(found["left"], found["right"])
    assert np.array_equal(found["given"], X.numpy())


def test_the_items_of_a_tuple_are_named_as_infer_names_them(tmp_path: Path) -> None:
    assert exported(tmp_path, "returns_tuple").outputs == ("output_0", "output_1.0", "output_1.1")


def test_a_dynamic_export_runs_at_another_size_and_calls_its_axes_by_name(tmp_path: Path) -> None:
    payload = exported(tmp_path, "plain", variant="dynamic")
    assert payload.file == "model@dynamic.onnx"
    assert payload.dynamic_axes == {"x": ("batch", "4")}
    found = run_onnx(tmp_path / "models/model/model@dynamic.onnx", np.ones((7, 4), np.float32))
    assert found["hidden"].shape == (7, 5)


def test_a_dynamic_export_of_inputs_in_one_size_says_what_is_missing(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "plain")
    desk.give({"x": X})
    failure = desk.run(export, variant="dynamic", part="dynamo").failure
    assert failure is not None
    assert failure.kind is FailureKind.INPUTS
    assert "in two sizes" in failure.message


def test_a_branch_on_data_is_data_dependent(tmp_path: Path) -> None:
    failure = refused(tmp_path, "data_dependent")
    assert failure.kind is FailureKind.DATA_DEPENDENT
    assert failure.traceback is not None
    assert "\x1b[" not in failure.message + failure.traceback


def test_an_operator_of_ones_own_is_a_custom_op(tmp_path: Path) -> None:
    failure = refused(tmp_path, "custom_op")
    assert failure.kind is FailureKind.CUSTOM_OP
    assert "driftgate_tests.twist" in failure.message


def test_the_second_exporter_is_unavailable_for_modules_that_are_not_of_transformers(tmp_path: Path) -> None:
    assert refused(tmp_path, "plain", part="transformers").kind is FailureKind.UNAVAILABLE


def test_a_failed_try_says_which_exporter_it_was(tmp_path: Path) -> None:
    record = at_desk(tmp_path, "data_dependent").run(export, variant="dynamic", part="dynamo")
    assert isinstance(record.payload, ExportPayload)
    assert [(a.exporter, a.dynamic, a.verdict) for a in record.payload.attempts] == [("dynamo", True, "failed")]


def test_an_exporter_that_does_not_exist_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'dynamo'"):
        at_desk(tmp_path, "plain").run(export, part="dynamoo")
