"""A target that fell back fails with the nodes that moved."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from driftgate.core.errors import StageFailure
from driftgate.core.verdicts import FailureKind
from driftgate.targets.base import Plan
from driftgate.targets.onnx_runtime import OrtCpu

X = np.arange(3, dtype=np.float32)


class MovesToTheCpu(OrtCpu):
    """Asks ONNX Runtime for the CPU, and claims to be another device afterwards: every node has moved."""

    name: ClassVar[str] = "ort-moon"

    def start(self, plan: Plan) -> None:
        super().start(plan)
        self.provider = "MoonExecutionProvider"  # type: ignore[misc]


def chain(folder: Path, count: int) -> Path:
    """`count` nodes in a row, Sin and Cos in turn; the last has no name."""
    nodes = [
        helper.make_node(
            ("Sin", "Cos")[i % 2], [f"v{i}"], [f"v{i + 1}"], name="" if i == count - 1 else f"/layer.{i}/node"
        )
        for i in range(count)
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in ("v0", f"v{count}")]
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:])
    path = folder / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def fallback(path: Path) -> StageFailure:
    with pytest.raises(StageFailure) as caught:
        MovesToTheCpu().measure(Plan({"v0": X}, onnx=path))
    assert caught.value.kind is FailureKind.FELL_BACK
    return caught.value


def test_a_fallback_is_told_with_how_many_nodes_of_which_kind_moved_where_and_their_names(tmp_path: Path) -> None:
    failure = fallback(chain(tmp_path, 3))
    assert failure.message == "not every node runs on MoonExecutionProvider: 3 on CPUExecutionProvider (Cos ×1, Sin ×2)"
    assert failure.hint is not None
    assert failure.hint.startswith("moved: Sin '/layer.0/node', Cos '/layer.1/node', an unnamed Sin;")


def test_of_many_nodes_a_dozen_is_named_and_the_rest_counted(tmp_path: Path) -> None:
    hint = fallback(chain(tmp_path, 15)).hint
    assert hint is not None
    assert hint.count("/node'") == 12
    assert "and 3 more" in hint


def test_what_stays_where_it_belongs_is_no_fallback(tmp_path: Path) -> None:
    measured = OrtCpu().measure(Plan({"v0": X}, onnx=chain(tmp_path, 3)))
    assert measured.placement == {"CPUExecutionProvider": 3}
