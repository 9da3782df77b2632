"""profile: the operators of a step, on a desk's run; and how ONNX Runtime's nodes are led back to the exported ones."""

import json
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from sample_models import X
from stage_desk import Desk

from driftgate.core.records import ProfilePayload
from driftgate.core.verdicts import FailureKind
from driftgate.machine.settings import LatencySettings, Settings
from driftgate.stages.export import export
from driftgate.stages.profile import profile
from driftgate.stages.profiling.onnx_ops import Places, node_times
from driftgate.stages.profiling.table import MOST_ROWS, Place, Steps, Timed, payload

EAGER, ORT = "torch-eager-cpu", "ort-cpu"
SHORT = Settings(latency=LatencySettings(budget=1.0))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path, "plain", SHORT)
    desk.give({"x": X})
    return desk


def profiled(desk: Desk, target: str) -> ProfilePayload:
    record = desk.run(profile, target)
    assert record.failure is None
    assert isinstance(record.payload, ProfilePayload)
    return record.payload


def adds_up(told: ProfilePayload) -> bool:
    return sum(row.seconds for row in told.operators) + told.outside_s == pytest.approx(told.step_s)


def test_eager_operators_stand_with_their_modules_and_add_up_to_the_step(desk: Desk) -> None:
    told = profiled(desk, EAGER)
    found = {row.operator: (row.module, row.calls) for row in told.operators}
    assert found == {"aten::linear": ("layer", 1), "aten::softmax": ("", 1), "aten::tanh": ("", 1)}
    assert adds_up(told)
    assert 0 < told.outside_s < told.step_s
    assert all(row.share == pytest.approx(row.seconds / told.step_s) for row in told.operators)


def test_the_profilers_cost_is_the_ratio_of_the_medians(desk: Desk) -> None:
    told = profiled(desk, EAGER)
    assert told.overhead == pytest.approx(told.profiled_p50_s / told.p50_s - 1)


def test_nodes_of_onnx_runtime_stand_with_the_exported_node_and_the_module(desk: Desk) -> None:
    assert desk.run(export, part="dynamo").passed
    told = profiled(desk, ORT)
    exported = {node.name for node in onnx.load(desk.folder / "model.onnx").graph.node}
    assert {row.operator for row in told.operators} == {"Gemm", "Softmax", "Tanh"}
    assert {row.node for row in told.operators} <= exported
    (gemm,) = (row for row in told.operators if row.operator == "Gemm")
    assert gemm.module == "layer"
    assert adds_up(told)
    assert not list(desk.folder.glob("*optimised*"))


def test_a_model_that_raises_is_to_blame_itself(desk: Desk) -> None:
    raising = Desk(desk.root, "raises", SHORT)
    failure = raising.run(profile, EAGER).failure
    assert failure is not None
    assert (failure.kind, "the model's own mistake" in failure.message) == (FailureKind.OTHER, True)


def test_onnx_without_an_export_says_what_is_missing(desk: Desk) -> None:
    failure = desk.run(profile, ORT).failure
    assert failure is not None
    assert failure.kind is FailureKind.UPSTREAM


# -- the table ---------------------------------------------------------------------------------------------------


def test_a_step_that_was_held_up_does_not_put_its_delay_on_an_operator() -> None:
    steps = Steps(plain=[1.0] * 8, profiled=[2.0] * 7 + [90.0])
    steps.operators = [[Timed(Place("add"), 0.5)] for _ in range(7)] + [[Timed(Place("add"), 88.0)]]
    told = payload(steps, profiler="p", device="cpu")
    assert (told.step_s, told.operators[0].seconds, told.outside_s, told.steps) == (2.0, 0.5, 1.5, 4)
    assert told.overhead == 1.0


def test_many_places_are_cut_and_still_add_up() -> None:
    names = [f"node_{index}" for index in range(MOST_ROWS + 50)]
    steps = Steps(plain=[1.0] * 4, profiled=[1.0] * 4)
    steps.operators = [[Timed(Place("Add", node=name), 0.001) for name in names] for _ in range(4)]
    told = payload(steps, profiler="p", device="cpu")
    assert len(told.operators) == MOST_ROWS + 1
    assert told.operators[0].calls == 50
    assert adds_up(told)


def test_a_place_that_is_cut_without_a_node_of_its_own_counts_once() -> None:
    names = [f"kernel_{index}" for index in range(MOST_ROWS + 50)]
    steps = Steps(plain=[1.0] * 4, profiled=[1.0] * 4)
    steps.operators = [[Timed(Place(name), 0.001) for name in names] for _ in range(4)]
    told = payload(steps, profiler="p", device="cpu")
    assert {row.calls for row in told.operators} == {1}
    assert told.outside_s == pytest.approx(1 - 0.001 * len(names))


# -- ONNX Runtime's file -----------------------------------------------------------------------------------------


def event(name: str, start: int, length: int, **more: object) -> dict[str, object]:
    return {"cat": "Node", "name": f"{name}_kernel_time", "ts": start, "dur": length, "args": {"op_name": name}} | more


def test_a_node_that_runs_others_has_its_own_time_alone(tmp_path: Path) -> None:
    runs = [{"cat": "Session", "name": "model_run", "ts": start, "dur": 100} for start in (0, 200)]
    nodes = [event("If", 10, 50), event("Add", 20, 10), event("Mul", 30, 10), event("Sub", 70, 5), event("Sub", 210, 7)]
    (tmp_path / "profile.json").write_text(json.dumps([*runs, *nodes, event("early", -5, 1), {"name": "end"}]))
    first, second = node_times(tmp_path / "profile.json", Places({}))
    assert [(t.place.operator, round(t.seconds * 1e6)) for t in first] == [
        ("If", 30),
        ("Add", 10),
        ("Mul", 10),
        ("Sub", 5),
    ]
    assert [(t.place.operator, round(t.seconds * 1e6)) for t in second] == [("Sub", 7)]


def graph(*nodes: onnx.NodeProto) -> onnx.GraphProto:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    return helper.make_graph(nodes, "g", [value], [])


def node(kind: str, name: str, reads: str, makes: str, scopes: str = "") -> onnx.NodeProto:
    made = helper.make_node(kind, [reads], [makes], name=name)
    if scopes:
        made.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=scopes)
    return made


def test_a_node_is_led_back_by_name_by_value_by_prefix_and_by_its_reader() -> None:
    exported = graph(
        node("Relu", "relu", "x", "a", "['', 'block.act', 'relu']"),
        node("MatMul", "node_MatMul_4", "a", "b", "['', 'block.dense', 'matmul']"),
        node("Tanh", "tanh", "b", "c", "not python"),
    )
    optimised = graph(
        node("Relu", "relu", "x", "a"),
        node("Reshape", "gemm_input_reshape", "a", "own"),
        node("Gemm", "node_MatMul_4/MatMulAddFusion", "own", "other"),
        node("FusedTanh", "fused 7", "other", "c"),
        node("Identity", "inserted", "c", "nobody"),
    )
    assert Places.of(exported, optimised).by_name == {
        "relu": Place("Relu", "relu", None, "block.act"),
        "gemm_input_reshape": Place("Reshape", "node_MatMul_4", "gemm_input_reshape", "block.dense"),
        "node_MatMul_4/MatMulAddFusion": Place("Gemm", "node_MatMul_4", "node_MatMul_4/MatMulAddFusion", "block.dense"),
        "fused 7": Place("FusedTanh", "tanh", "fused 7", None),
        "inserted": Place("Identity", None, "inserted", None),
    }
