"""An output that is called as an input or a weight is: another name in the graph, the model's own everywhere else."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from export_models import hands_back
from onnx import numpy_helper
from stage_desk import Desk, QuietBench

from driftgate.core.records import DriftPayload, ExportPayload, InferPayload
from driftgate.core.verdicts import FailureKind
from driftgate.stages.culprit.stage import culprit
from driftgate.stages.drift import drift
from driftgate.stages.export import export
from driftgate.stages.infer import infer

EAGER, ORT = "torch-eager-cpu", "ort-cpu"
OWN = ("out", "height", "x", "scale")


def exported(folder: Path, exporter: str = "dynamo") -> tuple[Desk, ExportPayload]:
    desk = Desk(folder, "export_models:hands_back")
    desk.give(hands_back()[1])
    payload = desk.run(export, part=exporter).payload
    assert isinstance(payload, ExportPayload)
    return desk, payload


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_the_record_says_what_such_an_output_is_called_in_the_graph(tmp_path: Path, exporter: str) -> None:
    desk, payload = exported(tmp_path, exporter)
    session = onnxruntime.InferenceSession(desk.folder / str(payload.file), providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_inputs()] == ["x", "height"]
    assert payload.outputs == OWN
    assert [value.name for value in session.get_outputs()] == [payload.output_names.get(name, name) for name in OWN]
    assert payload.output_names["height"] == "output.height"
    assert payload.output_names["x"] == "output.x"
    assert "out" not in payload.output_names


def test_outputs_are_compared_under_the_names_of_the_model(tmp_path: Path) -> None:
    desk, _ = exported(tmp_path)
    for target in (EAGER, ORT):
        payload = desk.run(infer, target).payload
        assert isinstance(payload, InferPayload)
        assert tuple(output.name for output in payload.outputs) == OWN
    compared = desk.run(drift, ORT)
    assert compared.passed
    assert isinstance(compared.payload, DriftPayload)
    assert tuple(tensor.name for tensor in compared.payload.tensors) == OWN


def test_the_search_for_a_culprit_knows_both_names(tmp_path: Path) -> None:
    desk, payload = exported(tmp_path)
    path = desk.folder / str(payload.file)
    model = onnx.load(path)
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "layer.weight")
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) + np.float32(0.5), weight.name))
    onnx.save(model, path)
    assert desk.run(infer, EAGER).passed
    assert desk.run(infer, ORT).passed
    failure = desk.run(drift, ORT).failure
    assert failure is not None
    assert failure.kind is FailureKind.OUT_OF_TOLERANCE
    found = culprit(desk.job("drift", ORT, part="culprit"), QuietBench()).culprit
    assert found is not None
    assert found.module == "layer"
