"""Inputs that an exporter added to a graph become constants of it, as long as the graph is for inputs of one size."""

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import TensorProto, helper

from driftgate.stages.exporting.exporters import by_transformers
from driftgate.stages.exporting.graph import fix_inputs
from driftgate.testing.subjects import zoo_subject


def sum_of_two() -> ir.Model:
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("x", "places")]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    graph = helper.make_graph([helper.make_node("Add", ["x", "places"], ["y"])], "sum", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return ir.from_proto(model)


def run(model: ir.Model, **feed):
    session = onnxruntime.InferenceSession(ir.to_proto(model).SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feed)[0]


def test_a_fixed_input_is_no_input_any_more_and_its_value_counts():
    model = sum_of_two()
    assert fix_inputs(model, {"places": np.array([10, 20], np.float32), "other": np.zeros(1)}) == ["places"]
    assert [value.name for value in model.graph.inputs] == ["x"]
    onnx.checker.check_model(ir.to_proto(model))
    assert run(model, x=np.array([1, 2], np.float32)).tolist() == [11, 22]


def test_a_graph_without_such_inputs_stays_as_it_is():
    model = sum_of_two()
    assert fix_inputs(model, {}) == []
    assert [value.name for value in model.graph.inputs] == ["x", "places"]


@pytest.mark.full
def test_a_tower_for_pictures_in_a_grid_is_exported_with_what_the_exporter_computed_from_the_grid():
    subject = zoo_subject("zoo:glm4v_vision")
    exported = by_transformers(subject, {}, None)
    assert {value.name for value in exported.model.graph.inputs} <= set(subject.inputs.first)
    assert "cu_seqlens" in exported.warnings[0]
