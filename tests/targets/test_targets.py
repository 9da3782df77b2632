"""The targets, on tiny models; and the contract, on targets that misbehave."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import ml_dtypes
import numpy as np
import onnx
import psutil
import pytest
import torch
from onnx import TensorProto, helper

from driftgate.core.errors import StageFailure
from driftgate.core.needs import reads_onnx
from driftgate.core.verdicts import FailureKind
from driftgate.targets import TARGETS, needs_own_process
from driftgate.targets.base import Plan, Target
from driftgate.targets.onnx_runtime import OrtCpu
from driftgate.targets.timing import Run, StoppingRule
from driftgate.targets.torch_eager import TorchEagerCpu
from driftgate.targets.torch_inductor import TorchInductorCpu

X = np.arange(6, dtype=np.float32).reshape(2, 3)
QUICK = StoppingRule(budget=0.2)


class Adds(torch.nn.Module):
    def forward(self, x: torch.Tensor, offset: int = 1) -> dict[str, torch.Tensor]:
        return {"sum": x + offset, "twice": x * 2}


def onnx_file(folder: Path, op: str = "Relu", element: int = TensorProto.FLOAT) -> Path:
    graph = helper.make_graph(
        [helper.make_node(op, ["x"], ["y"])],
        "tiny",
        [helper.make_tensor_value_info("x", element, ["batch", 3])],
        [helper.make_tensor_value_info("y", element, ["batch", 3])],
    )
    path = folder / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10), path)
    return path


def test_eager_torch_returns_named_outputs_in_order() -> None:
    measured = TorchEagerCpu().measure(Plan({"x": X}, arguments={"offset": 5}, module=Adds()))
    assert list(measured.outputs) == ["sum", "twice"]
    assert np.array_equal(measured.outputs["sum"], X + 5)
    assert measured.samples is None
    assert measured.second_outputs is None


def test_inputs_can_be_passed_by_position() -> None:
    measured = TorchEagerCpu().measure(Plan({"anything": X}, positional=True, module=torch.nn.ReLU()))
    assert np.array_equal(measured.outputs["output"], X)


def test_a_second_run_shows_a_model_that_differs_from_itself() -> None:
    noisy = torch.nn.Dropout(0.5).train()
    measured = TorchEagerCpu().measure(Plan({"input": X + 1}, module=noisy, second_run=True))
    assert measured.second_outputs is not None
    assert not np.array_equal(measured.outputs["output"], measured.second_outputs["output"])


def test_a_model_that_returns_no_tensor_fails_and_says_what_it_returned() -> None:
    class Words(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, str]:
            return {"caption": "a cat"}

    with pytest.raises(StageFailure, match=r"returned no tensor \(caption: str\)"):
        TorchEagerCpu().measure(Plan({"x": X}, module=Words()))


def test_the_machine_is_kept_quiet_from_warm_up_to_last_sample_and_no_longer() -> None:
    events: list[str] = []

    class Told(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            events.append("run")
            return x

    @contextmanager
    def alone() -> Any:
        events.append("quiet")
        yield
        events.append("over")

    measured = TorchEagerCpu().measure(Plan({"x": X}, module=Told(), rule=QUICK, alone=alone))
    assert events[:2] == ["run", "quiet"]
    assert events[-1] == "over"
    assert measured.samples is not None
    assert events.count("run") == 1 + measured.samples.warmup + len(measured.samples.nanoseconds)


def test_onnx_runtime_says_on_which_provider_every_node_runs(tmp_path: Path) -> None:
    measured = OrtCpu().measure(Plan({"x": X, "unused": X}, onnx=onnx_file(tmp_path), rule=QUICK))
    assert np.array_equal(measured.outputs["y"], X)
    assert measured.placement == {"CPUExecutionProvider": 1}
    assert measured.samples is not None


def test_onnx_runtime_can_be_timed_with_inputs_and_outputs_bound_to_a_device(tmp_path: Path) -> None:
    class Bound(OrtCpu):
        name: ClassVar[str] = "ort-bound"

        @contextmanager
        def bound(self) -> Iterator[Run]:
            with self.bound_to("cpu") as run:
                yield run

    measured = Bound().measure(Plan({"x": X, "unused": X}, onnx=onnx_file(tmp_path), rule=QUICK))
    assert measured.samples is not None
    assert np.array_equal(measured.outputs["y"], X)


@pytest.mark.parametrize("target", [OrtCpu, TorchEagerCpu])
def test_what_the_timing_loop_runs_is_the_model_on_its_inputs(target: type[Target], tmp_path: Path) -> None:
    ready = target()
    ready.prepare_to_run(Plan({"x": X}, module=Adds(), onnx=onnx_file(tmp_path)))
    with ready.bound() as run:
        result: Any = run()
    assert np.array_equal(result[0] if target is OrtCpu else result["twice"] / 2, X)


@pytest.mark.parametrize("shape", [(2, 3), (0, 3)])
@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2])
def test_onnx_runtime_takes_and_returns_dtypes_that_numpy_lacks(
    dtype: type, shape: tuple[int, int], tmp_path: Path
) -> None:
    given = np.resize(X, shape).astype(dtype)
    element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    measured = OrtCpu().measure(Plan({"x": given}, onnx=onnx_file(tmp_path, "Identity", element), rule=QUICK))
    assert measured.outputs["y"].dtype == dtype
    assert measured.outputs["y"].shape == shape
    assert measured.outputs["y"].tobytes() == given.tobytes()
    assert measured.samples is not None


def test_what_a_model_raises_only_in_the_timing_loop_is_sorted_all_the_same(tmp_path: Path) -> None:
    ready = OrtCpu()
    ready.prepare_to_run(Plan({"x": X}, onnx=onnx_file(tmp_path)))
    with pytest.raises(StageFailure, match="cannot run the model") as caught, ready.bound() as run:
        ready._feed["x"] = X[:, :2]
        run()
    assert caught.value.kind is FailureKind.SHAPE_MISMATCH


def test_inputs_that_the_graph_lacks_or_refuses_are_told(tmp_path: Path) -> None:
    path = onnx_file(tmp_path)
    with pytest.raises(StageFailure, match="wants an input 'x'") as caught:
        OrtCpu().measure(Plan({"y": X}, onnx=path))
    assert caught.value.kind is FailureKind.INPUTS
    with pytest.raises(StageFailure, match="cannot run the model") as caught:
        OrtCpu().measure(Plan({"x": X[:, :2]}, onnx=path))
    assert caught.value.kind is FailureKind.SHAPE_MISMATCH


def test_a_kernel_that_the_provider_lacks_is_an_unsupported_op(tmp_path: Path) -> None:
    with pytest.raises(StageFailure, match="CPUExecutionProvider") as caught:
        OrtCpu().measure(Plan({"x": X}, onnx=onnx_file(tmp_path, "Softplus", TensorProto.BFLOAT16)))
    assert caught.value.kind is FailureKind.UNSUPPORTED_OP


def test_a_file_that_is_no_model_is_a_load_failure(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"not protobuf")
    with pytest.raises(StageFailure) as caught:
        OrtCpu().measure(Plan({"x": X}, onnx=path))
    assert caught.value.kind is FailureKind.LOAD


def test_a_provider_that_is_not_there_is_unavailable_and_never_the_cpu(tmp_path: Path) -> None:
    class OrtMoon(OrtCpu):
        name: ClassVar[str] = "ort-moon"
        provider: ClassVar[str] = "MoonExecutionProvider"

    with pytest.raises(StageFailure, match="no MoonExecutionProvider") as caught:
        OrtMoon().measure(Plan({"x": X}, onnx=onnx_file(tmp_path)))
    assert caught.value.kind is FailureKind.UNAVAILABLE


def test_nodes_on_another_provider_are_a_fallback(tmp_path: Path) -> None:
    class Pretends(OrtCpu):
        name: ClassVar[str] = "ort-pretends"

        def start(self, plan: Plan) -> None:
            super().start(plan)
            Pretends.provider = "MoonExecutionProvider"

    with pytest.raises(StageFailure, match="1 on CPUExecutionProvider") as caught:
        Pretends().measure(Plan({"x": X}, onnx=onnx_file(tmp_path)))
    assert caught.value.kind is FailureKind.FELL_BACK


def test_inductor_compiles_in_this_process_and_leaves_no_helper_behind(tmp_path: Path) -> None:
    if TorchInductorCpu.available() is not None:
        pytest.skip(str(TorchInductorCpu.available()))
    before = {child.pid for child in psutil.Process().children()}
    measured = TorchInductorCpu().measure(Plan({"x": X}, module=Adds(), cache=tmp_path / "inductor"))
    assert np.allclose(measured.outputs["sum"], X + 1)
    assert any((tmp_path / "inductor").rglob("*.so"))
    assert {child.pid for child in psutil.Process().children()} <= before


@pytest.mark.parametrize("name", TARGETS.names())
def test_every_registered_target_keeps_what_its_name_promises(name: str) -> None:
    target: type[Target] = TARGETS.load(name)
    assert target.name == name
    assert name.endswith(target.device)
    assert (target.needs == "onnx") == reads_onnx(name)
    assert target.fresh == needs_own_process(name)
    reason = target.available()
    assert reason is None or reason


def test_a_plan_without_inputs_or_without_the_model_is_refused() -> None:
    with pytest.raises(StageFailure, match="no input tensor"):
        TorchEagerCpu().measure(Plan({}, module=Adds()))
    with pytest.raises(ValueError, match="runs a model's module"):
        TorchEagerCpu().measure(Plan({"x": X}))
