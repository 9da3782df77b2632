"""What is said of an ONNX file: whether its shapes hold, what it costs to run, which inputs and outputs are idle."""

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

from driftgate.stages.exporting import graph
from driftgate.stages.exporting.flops import Flops, count_flops
from driftgate.stages.exporting.inference import KEPT_BYTES, infer, size_of

HEAD = '<ir_version: 9, opset_import: ["" : 20, "mine" : 1]> '


def written(folder: Path, text: str) -> Path:
    path = folder / "model.onnx"
    onnx.save(onnx.parser.parse_model(HEAD + text), path)
    return path


def flops(folder: Path, text: str, **sizes: int) -> Flops:
    return count_flops(infer(written(folder, text)), sizes)


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("g (float[2,3,4] x, float[4,5] w) => (float[2,3,5] y) { y = MatMul(x, w) }", 2 * 30 * 4),
        (
            "g (float[3,4] x, float[5,4] w, float[5] b) => (float[3,5] y) { y = Gemm<transB = 1>(x, w, b) }",
            2 * 15 * 4 + 15,
        ),
        ("g (float[4,3] x, float[4,5] w) => (float[3,5] y) { y = Gemm<transA = 1>(x, w) }", 2 * 15 * 4),
        ("g (float[1,6,8,8] x, float[4,3,3,3] w) => (float[1,4,6,6] y) { y = Conv<group = 2>(x, w) }", 2 * 144 * 27),
        ("g (float[1,4,5,5] x, float[4,2,3,3] w) => (float[1,2,7,7] y) { y = ConvTranspose(x, w) }", 2 * 100 * 18),
        ('g (float[2,3] a, float[3,4] b) => (float[2,4] y) { y = Einsum<equation = "ij,jk->ik">(a, b) }', 2 * 24),
        ("g (float[2,8] x) => (float[2,8] y) { y = Softmax(x) }", 5 * 16),
        ("g (float[1,2,4,4] x) => (float[1,2,2,2] y) { y = MaxPool<kernel_shape=[2,2], strides=[2,2]>(x) }", 8 * 4),
        ("g (float[2,3] x) => (float[3,2] y) { t = Transpose(x) y = Tanh(t) }", 6),
        ("g (int64[2,3] x) => (int64[2,3] y) { y = Add(x, x) }", 0),
    ],
)
def test_the_operations_of_a_node_follow_from_its_shapes(tmp_path: Path, text: str, total: int) -> None:
    found = flops(tmp_path, text)
    assert found.total == total
    assert found.unknown == ()


def test_operations_are_told_by_operator_the_costly_ones_first(tmp_path: Path) -> None:
    text = "g (float[3,4] x, float[4,5] w) => (float[3,5] y) { a = MatMul(x, w) b = Relu(a) y = Exp(b) }"
    assert list(flops(tmp_path, text).by_op.items()) == [("MatMul", 120), ("Exp", 15), ("Relu", 15)]


def test_named_dimensions_count_with_the_sizes_that_were_used(tmp_path: Path) -> None:
    text = "g (float[batch,4] x, float[4,5] w) => (float[batch,5] y) { y = MatMul(x, w) }"
    assert flops(tmp_path, text, batch=3).total == 120


def test_without_a_shape_there_is_no_total_and_the_node_is_named(tmp_path: Path) -> None:
    text = "g (float[batch,4] x, float[4,5] w) => (float[batch,5] y) { y = MatMul(x, w) }"
    found = flops(tmp_path, text)
    assert found.total is None
    assert found.unknown == ("MatMul: y",)


def test_an_operator_without_a_formula_is_named_and_counts_nothing(tmp_path: Path) -> None:
    text = "g (float[2,2] x) => (float[2,2] y) { t = Relu(x) y = mine.Twist(t) }"
    found = flops(tmp_path, text)
    assert found.total == 4
    assert found.unknown == ("mine::Twist",)


@pytest.mark.parametrize(
    ("dimension", "size"),
    [
        (7, 7),
        ("batch", 2),
        ("4*sequence + 2", 42),
        ("((sequence - 1)//3) + 1", 4),
        ("Max(1, batch)", 2),
        ("-batch", None),
        ("other", None),
        ("sequence / 0", None),
        ("__import__('os')", None),
        (None, None),
    ],
)
def test_a_dimension_is_a_number_once_its_names_have_sizes(dimension: int | str | None, size: int | None) -> None:
    assert size_of(dimension, {"batch": 2, "sequence": 10}) == size


def test_shapes_that_hold_pass(tmp_path: Path) -> None:
    record = infer(written(tmp_path, "g (float[2,3] x) => (float[2,3] y) { t = Relu(x) y = Exp(t) }")).record
    assert record.passed
    assert (record.values, record.known) == (2, 2)


def test_shapes_that_do_not_fit_are_recorded_with_what_onnx_says(tmp_path: Path) -> None:
    record = infer(written(tmp_path, "g (float[2,3] x, float[4,5] w) => (float[2,5] y) { y = MatMul(x, w) }")).record
    assert not record.passed
    assert record.message is not None
    assert "MatMul" in record.message


def test_large_weights_are_not_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    weight = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, (4, KEPT_BYTES), bytes(16 * KEPT_BYTES), raw=True)
    model = onnx.parser.parse_model(
        HEAD + f"g (float[2,4] x, float[4,{KEPT_BYTES}] w) => (float[2,{KEPT_BYTES}] y) {{ y = MatMul(x, w) }}"
    )
    model.graph.initializer.append(weight)
    del model.graph.input[1]
    onnx.save(model, path)
    inferred = infer(path)
    assert inferred.record.passed
    assert sum(len(tensor.raw_data) for tensor in inferred.graph.initializer) == 0
    assert count_flops(inferred, {}).total == 2 * 2 * KEPT_BYTES * 4


def model_of(text: str) -> ir.Model:
    return ir.serde.deserialize_model(onnx.parser.parse_model(HEAD + text))


def test_an_input_that_is_missing_or_not_read_is_unused() -> None:
    model = model_of("g (float[2] x, float[2] y) => (float[2] z) { z = Relu(x) }")
    assert graph.unused_inputs(model, ["x", "y", "gone"]) == ("y", "gone")


def test_an_input_that_is_handed_back_is_used() -> None:
    assert graph.unused_inputs(model_of("g (float[2] x) => (float[2] x) { t = Relu(x) }"), ["x"]) == ()


def test_an_output_that_no_input_reaches_is_constant() -> None:
    text = (
        "g (float[2] x) => (float[2] y, float[1] z) { y = Relu(x) c = Constant<value = float[1] {1.0}>() z = Exp(c) }"
    )
    assert graph.constant_outputs(model_of(text)) == ("z",)


def test_what_a_branch_reads_reaches_its_output() -> None:
    text = """g (float[2] x, bool c) => (float[2] y) {
        y = If (c) <then_branch = a () => (float[2] t) { t = Relu(x) }, else_branch = b () => (float[2] e) { e = Exp(x) }>
    }"""
    assert graph.constant_outputs(model_of(text)) == ()


def test_a_constant_that_the_graph_does_not_hold_becomes_a_weight_of_it(tmp_path: Path) -> None:
    model = model_of("g (float[2] x) => (float[2] y) <float low = {0.5}> { y = Clip(x, low) }")
    bound = model.graph.initializers.pop("low")
    assert bound.const_value is not None
    (told,) = graph.adopt_constants(model)
    assert "left out of the graph: 1" in told
    graph.save(model, tmp_path / "model.onnx")
    assert graph.check(tmp_path / "model.onnx") == "passed"


def test_constants_of_one_name_stay_apart_unless_they_are_equal(tmp_path: Path) -> None:
    text = "g (float[2] x) => (float[2] a, float[2] b, float[2] c) <float p = {0.5}, float q = {0.7}, float r = {0.5}>"
    model = model_of(text + " { a = Clip(x, p) b = Clip(x, q) c = Clip(x, r) }")
    for name in ("p", "q", "r"):
        model.graph.initializers.pop(name).name = "x_min"
    graph.adopt_constants(model)
    graph.save(model, tmp_path / "model.onnx")
    assert graph.check(tmp_path / "model.onnx") == "passed"
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    found = session.run(None, {"x": np.zeros(2, dtype=np.float32)})
    assert [round(float(value[0]), 3) for value in found] == [0.5, 0.7, 0.5]
    assert len(model.graph.initializers) == 2


def test_a_graph_that_holds_its_constants_stays_as_it_is() -> None:
    model = model_of("g (float[2] x) => (float[2] y) <float low = {0.5}> { y = Clip(x, low) }")
    assert graph.adopt_constants(model) == ()
    assert list(model.graph.initializers) == ["low"]


def test_weights_too_large_for_one_file_go_beside_it(tmp_path: Path) -> None:
    text = "g (float[2] x) => (float[2] y) <float[2] w = {1.0, 2.0}> { y = Add(x, w) }"
    assert graph.save(model_of(text), tmp_path / "one.onnx") is None
    assert graph.save(model_of(text), tmp_path / "two.onnx", inline=4) == (tmp_path / "two.onnx.data").stat().st_size
    assert not (tmp_path / "one.onnx.data").exists()
    graph.check(tmp_path / "two.onnx")
