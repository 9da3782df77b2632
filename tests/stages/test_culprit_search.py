"""The search for the culprit on graphs made by hand: what is named, with which errors, and what is said where nothing is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from pairs import answer_of, case_of, culprit_in, drifts

from driftgate.core.records import Tolerance
from driftgate.stages.culprit.graphs import read_graph
from driftgate.stages.culprit.runtime import Level, Runtime
from driftgate.stages.culprit.search import ACCUMULATES, Case
from driftgate.stages.culprit.sources import OnnxSource
from driftgate.stages.culprit.survey import survey
from driftgate.testing.onnx_faults import FAULTS
from driftgate.testing.onnx_graphs import attention, convolutions, made, node, odds_and_ends

GRAPHS = {"attention": attention, "convolutions": convolutions}


def weight_of(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def add_to(name: str, by: float):
    def change(model: onnx.ModelProto) -> None:
        tensor = weight_of(model, name)
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + np.float32(by), name))

    return change


@pytest.mark.parametrize("graph", GRAPHS)
def test_the_node_that_is_named_is_the_one_at_fault(tmp_path: Path, graph: str) -> None:
    """`python -m benchmarks localisation` does the same on graphs of twenty models."""
    counted = 0
    for number, kind in enumerate(kind for kind in FAULTS for _ in range(4)):
        model, feed = GRAPHS[graph]()
        changed = onnx.ModelProto()
        changed.CopyFrom(model)
        at_fault = FAULTS[kind](changed, np.random.default_rng(number))
        if at_fault is None:
            continue
        case = case_of(tmp_path, model, feed, lambda copy, changed=changed: copy.CopyFrom(changed))
        if drifts(case):
            assert culprit_in(case).node in at_fault
            counted += 1
    assert counted >= 8


@pytest.mark.parametrize("graph", [*GRAPHS, "odds_and_ends"])
def test_nothing_is_beyond_tolerance_where_there_is_no_fault(tmp_path: Path, graph: str) -> None:
    model, feed = (GRAPHS | {"odds_and_ends": odds_and_ends})[graph]()
    case = case_of(tmp_path, model, feed)
    for level in Level:
        optimised = case.runtime.optimised(case.path, level, case.work)
        assert survey(optimised, case.source, feed, case.runtime).culprit is None
    assert not drifts(case)


def test_own_error_is_told_apart_from_what_flows_in(tmp_path: Path) -> None:
    def two_faults(model: onnx.ModelProto) -> None:
        add_to("output.bias", 0.5)(model)
        add_to("up.bias", 0.25)(model)

    model, feed = attention()
    first = culprit_in(case_of(tmp_path, model, feed, two_faults))
    assert (first.node, first.op_type, first.value) == ("node_output", "Add", "output")
    assert first.own_error == pytest.approx(0.5, abs=1e-5)
    assert first.inherited_error is not None
    assert first.inherited_error < 1e-5
    case = case_of(tmp_path, model, feed, two_faults)
    later = survey(case.exported, case.source, feed, case.runtime, [case.exported.producer["up"]]).culprit
    assert later is not None
    assert later.error.max_abs == pytest.approx(0.25, abs=1e-5)


def test_a_fault_in_front_of_a_fused_node_is_found_inside_it(tmp_path: Path) -> None:
    model, feed = attention()
    case = case_of(tmp_path, model, feed, add_to("first_norm.bias", 0.5))
    optimised = case.runtime.optimised(case.path, Level.FULL, case.work)
    assert "first_sum" not in optimised.producer, "the runtime should fuse the sum into the layer norm"
    found = culprit_in(case)
    assert (found.node, found.runs_as, found.covers) == ("node_first_norm", None, ())


class FaultyFusion(Runtime):
    """A runtime whose fused layer norm is wrong: its optimised graph drifts, the same file as it is does not."""

    def optimised(self, path, level, work):
        graph = super().optimised(path, level, work)
        for fused in graph.model.graph.node:
            if fused.op_type == "SkipLayerNormalization" and "first_norm" in fused.output:
                fused.attribute[0].f = 0.5
        return graph

    def outputs(self, path, feed, taps=()):
        if taps:
            return super().outputs(path, feed, taps)
        with_fault = self.optimised(path, Level.FULL, path.parent / "work")
        return self.run(with_fault.model, with_fault.folder, feed, with_fault.outputs)


def test_a_faulty_fusion_is_named_with_what_it_covers(tmp_path: Path) -> None:
    model, feed = attention()
    found = culprit_in(case_of(tmp_path, model, feed, runtime=FaultyFusion()))
    assert found.node == "node_first_norm"
    assert found.runs_as == "com.microsoft::SkipLayerNormalization"
    assert set(found.covers) == {"node_first_sum", "node_first_norm"}
    assert found.own_error is not None
    assert found.own_error > 0.01


class HidesWhenTapped(Runtime):
    """A runtime that is wrong only while nobody looks: the graph that it saves is right, and so is what it runs once the sum in
    front of the first layer norm is an output too."""

    def outputs(self, path, feed, taps=()):
        made = super().outputs(path, feed, taps)
        if "first_sum" not in taps:
            made["hidden"] = made["hidden"] + 1
        return made


def test_a_drift_that_vanishes_when_tapped_names_the_fused_node_it_hides_in(tmp_path: Path) -> None:
    model, feed = attention()
    found = culprit_in(case_of(tmp_path, model, feed, runtime=HidesWhenTapped()), tmp_path / "repro")
    assert found.vanishes_when_tapped
    assert found.runs_as == "com.microsoft::SkipLayerNormalization"
    assert found.node == "node_first_sum"
    assert set(found.covers) == {"node_first_sum", "node_first_norm"}
    assert found.own_error is None


class AlwaysWrong(Runtime):
    """Wrong whatever is tapped, though the graph that it saves is right."""

    def outputs(self, path, feed, taps=()):
        made = super().outputs(path, feed, taps)
        return made | {"hidden": made["hidden"] + 1}


def test_a_drift_that_no_graph_explains_is_said_to_be_one(tmp_path: Path) -> None:
    model, feed = attention()
    answer = answer_of(case_of(tmp_path, model, feed, runtime=AlwaysWrong()))
    assert answer.found is None
    assert answer.note is not None
    assert "does not drift" in answer.note


def magnifier(gain: float) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """Four bias additions, then everything times `gain`."""
    weights = {f"bias{i}": np.zeros(8, np.float32) for i in range(4)} | {"gain": np.array(gain, np.float32)}
    names = ["x", "sum0", "sum1", "sum2", "sum3"]
    nodes = [node("Add", [names[i], f"bias{i}"], names[i + 1]) for i in range(4)]
    nodes += [node("Sin", ["sum3"], "sine"), node("Mul", ["sine", "gain"], "result")]
    feed = {"x": np.linspace(0.5, 1.5, 8, dtype=np.float32)}
    return made(nodes, weights, feed, ["result"]), feed


def test_a_small_own_error_that_is_magnified_below_is_named_as_that(tmp_path: Path) -> None:
    model, feed = magnifier(1.0)
    tight = case_of(tmp_path, model, feed, add_to("bias1", 4e-4))
    found = culprit_in(case_of_tolerance(tight, 1e-5))
    assert (found.node, found.magnified) == ("node_sum1", "result")


def test_small_errors_that_only_add_up_name_nobody(tmp_path: Path) -> None:
    def a_little_everywhere(model: onnx.ModelProto) -> None:
        for number in range(4):
            add_to(f"bias{number}", 3e-4)(model)

    model, feed = magnifier(1.0)
    answer = answer_of(case_of_tolerance(case_of(tmp_path, model, feed, a_little_everywhere), 4e-4))
    assert answer.found is None
    assert answer.note is not None
    assert answer.note.startswith(ACCUMULATES)


def case_of_tolerance(case: Case, atol: float) -> Case:
    return replace(case, tolerances={"result": Tolerance(atol=atol, rtol=0, reason="for a test")})


def test_a_changed_shape_and_a_nan_are_errors_without_a_number(tmp_path: Path) -> None:
    weights = {"axis": np.array([1], np.int64), "some": np.ones((3, 3), np.float32)}
    nodes = [
        node("ReduceSum", ["x", "axis"], "sums", keepdims=1),
        node("MatMul", ["some", "sums"], "product"),
        node("Sqrt", ["product"], "result"),
    ]
    feed = {"x": np.ones((3, 3), np.float32)}

    def negative(model: onnx.ModelProto) -> None:
        weight_of(model, "some").CopyFrom(numpy_helper.from_array(-np.ones((3, 3), np.float32), "some"))

    found = culprit_in(case_of(tmp_path, made(nodes, weights, feed, ["result"]), feed, negative))
    assert found.node == "node_product"

    def root_of_nothing(model: onnx.ModelProto) -> None:
        model.graph.node[2].op_type = "Log"
        model.graph.node.insert(2, helper.make_node("Sub", ["product", "product"], ["nothing"], name="less"))
        model.graph.node[3].input[0] = "nothing"

    found = culprit_in(case_of(tmp_path, made(nodes, weights, feed, ["result"]), feed, root_of_nothing))
    assert (found.node, found.own_error, found.covers) == ("node_result", None, ("less", "node_result"))


def test_the_odd_kinds_of_values_are_searched_too(tmp_path: Path) -> None:
    model, feed = odds_and_ends()

    def another_branch(changed: onnx.ModelProto) -> None:
        weight_of(changed, "true").CopyFrom(numpy_helper.from_array(np.array(False), "true"))

    found = culprit_in(case_of(tmp_path, model, feed, another_branch))
    assert (found.node, found.op_type) == ("node_chosen", "If")

    def third_turn(changed: onnx.ModelProto) -> None:
        weight_of(changed, "three").CopyFrom(numpy_helper.from_array(np.array(2, np.int64), "three"))

    assert culprit_in(case_of(tmp_path, model, feed, third_turn)).op_type == "Loop"


def test_a_fp16_copy_of_a_graph_is_compared_in_half_precision(tmp_path: Path) -> None:
    """Every value has another dtype and is off by a rounding; one weight that is off stands out all the same."""
    weights = {f"w{i}": np.random.default_rng(i).standard_normal((8, 8)).astype(np.float32) / 3 for i in range(3)}
    feed = {"x": np.linspace(-1, 1, 16, dtype=np.float32).reshape(2, 8)}
    nodes = [node("MatMul", ["x", "w0"], "a"), node("MatMul", ["a", "w1"], "b"), node("MatMul", ["b", "w2"], "c")]
    model = made([*nodes, node("Identity", ["c"], "result")], weights, feed, ["result"])

    def to_half(changed: onnx.ModelProto) -> None:
        add_to("w1", 0.5)(changed)
        for tensor in changed.graph.initializer:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
        del changed.graph.node[3]
        changed.graph.node.insert(0, helper.make_node("Cast", ["x"], ["xh"], name="in", to=10))
        changed.graph.node[1].input[0] = "xh"
        changed.graph.node.append(helper.make_node("Cast", ["c"], ["result"], name="out", to=1))

    assert culprit_in(case_of(tmp_path, model, feed, to_half)).node == "node_b"


def test_values_come_in_small_chunks_that_add_up_to_all_of_them(tmp_path: Path) -> None:
    model, feed = attention()
    onnx.save(model, tmp_path / "a.onnx")
    graph = read_graph(tmp_path / "a.onnx", tmp_path)
    source = OnnxSource(graph, Runtime(), feed, first_nodes=3)
    chunks = list(source.chunks(source.names))
    assert len(chunks) > 2
    assert {name for chunk in chunks for name in chunk} == source.names == set(graph.producer)
    whole = Runtime().outputs(tmp_path / "a.onnx", feed, sorted(source.names))
    values = {name: array for chunk in chunks for name, array in chunk.items()}
    assert all(np.allclose(values[name], whole[name], atol=1e-5) for name in source.names)


def test_large_weights_stay_on_disk(tmp_path: Path) -> None:
    model, feed = attention(width=64)
    onnx.save(model, tmp_path / "a.onnx")
    graph = read_graph(tmp_path / "a.onnx", tmp_path)
    assert graph.model.ByteSize() < (tmp_path / "a.onnx").stat().st_size / 4
    made = Runtime().run(graph.model, graph.folder, feed, graph.outputs)
    assert np.allclose(made["hidden"], Runtime().outputs(tmp_path / "a.onnx", feed)["hidden"], atol=1e-5)
