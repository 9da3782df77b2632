"""ONNX Runtime: the exported file on one execution provider, with the proof that every node ran there."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar, Literal

from driftgate.core.errors import StageFailure, did_you_mean
from driftgate.core.verdicts import FailureKind
from driftgate.targets.base import Arrays, Plan, Target
from driftgate.targets.cuda import no_device
from driftgate.targets.ort_values import numpy_lacks, to_array, to_value

MOST_MOVED = 12
"""So many of the nodes that moved elsewhere are named."""


class OrtTarget(Target):
    """A session with one provider, one thread, all graph optimisations."""

    needs: ClassVar[Literal["module", "onnx"]] = "onnx"
    provider: ClassVar[str]
    configure: Callable[[Any], None] | None = None
    """Called with the session's options before it is made: for whoever wants its profile."""

    @classmethod
    def available(cls) -> str | None:
        if importlib.util.find_spec("onnxruntime") is None:
            return "onnxruntime is not installed"
        import onnxruntime

        there = onnxruntime.get_available_providers()
        return None if cls.provider in there else f"this onnxruntime has no {cls.provider} (it has {', '.join(there)})"

    def start(self, plan: Plan) -> None:
        self._session = self._create(plan)
        self._feed = self._fit(plan)
        ends = (*self._session.get_inputs(), *self._session.get_outputs())
        self._names = [output.name for output in self._session.get_outputs()]
        self._call = self._plain_call() if not numpy_lacks(end.type for end in ends) else self._call_with_values()
        self._result: Sequence[Any] = []

    def _plain_call(self) -> Callable[[], Sequence[Any]]:
        return partial(self._session.run, None, self._feed)

    def _call_with_values(self) -> Callable[[], Sequence[Any]]:
        values = {name: to_value(array) for name, array in self._feed.items()}
        return partial(self._session.run_with_ort_values, None, values)

    def _create(self, plan: Plan) -> Any:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        if self.configure is not None:
            self.configure(options)
        try:
            return onnxruntime.InferenceSession(str(plan.onnx), options, providers=[self.provider])
        except errors.NotImplemented as error:
            raise StageFailure(FailureKind.UNSUPPORTED_OP, f"{self.provider}: {error}") from error
        except (errors.Fail, errors.InvalidGraph, errors.InvalidProtobuf, errors.RuntimeException) as error:
            raise StageFailure(FailureKind.LOAD, f"ONNX Runtime refuses the model: {error}") from error

    def _fit(self, plan: Plan) -> Arrays:
        """The inputs that the graph takes. The exporter drops those that the model doesn't use."""
        wanted = [value.name for value in self._session.get_inputs()]
        for name in wanted:
            if name not in plan.inputs:
                raise StageFailure(
                    FailureKind.INPUTS,
                    f"the ONNX graph wants an input {name!r} that the model's inputs lack; {did_you_mean(name, plan.inputs)}",
                )
        return {name: plan.inputs[name] for name in wanted}

    def run_once(self) -> None:
        with _running():
            self._result = self._call()

    @contextmanager
    def bound(self) -> Iterator[Callable[[], object]]:
        with _running():
            yield self._call

    def end_profile(self) -> str:
        """Close the profile of a session that was configured to write one; the path of its file."""
        return str(self._session.end_profiling())

    @contextmanager
    def bound_to(self, device: str) -> Iterator[Callable[[], object]]:
        """As `bound`, with inputs and outputs that stay on a device of its own: copies to it and from it are no part of an inference."""
        import onnxruntime

        with _running():
            binding = self._session.io_binding()
            for name, array in self._feed.items():
                binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(array, device, 0))
            for name in self._names:
                binding.bind_output(name, device)

            def run() -> None:
                self._session.run_with_iobinding(binding)
                binding.synchronize_outputs()

            yield run

    def outputs(self) -> Arrays:
        arrays = (to_array(value) if hasattr(value, "data_ptr") else value for value in self._result)
        return dict(zip(self._names, arrays, strict=True))

    def placement(self) -> dict[str, int]:
        """Execution provider → nodes, as assigned when the session was made. Names the nodes that moved elsewhere."""
        counted = Counter({self.provider: 0})
        moved = []
        for subgraph in self._session.get_provider_graph_assignment_info():
            nodes = subgraph.get_nodes()
            counted[subgraph.ep_name] += len(nodes)
            moved += [(node.op_type, node.name) for node in nodes if subgraph.ep_name != self.provider]
        if moved:
            raise _fallback(self.provider, counted, moved)
        return dict(counted)


def _fallback(provider: str, counted: Counter[str], moved: list[tuple[str, str]]) -> StageFailure:
    """The failure; its message is the same for all models whose nodes of these kinds move, its hint names the nodes."""
    told = ", ".join(f"{count} on {name}" for name, count in counted.items() if name != provider)
    kinds = ", ".join(f"{kind} ×{count}" for kind, count in sorted(Counter(kind for kind, _ in moved).items()))
    first = ", ".join(f"{kind} {name!r}" if name else f"an unnamed {kind}" for kind, name in moved[:MOST_MOVED])
    rest = f" and {len(moved) - MOST_MOVED} more" if len(moved) > MOST_MOVED else ""
    return StageFailure(
        FailureKind.FELL_BACK,
        f"not every node runs on {provider}: {told} ({kinds})",
        hint=f"moved: {first}{rest}; whatever it returns, it is not {provider} that was tested",
    )


@contextmanager
def _running() -> Iterator[None]:
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    try:
        yield
    except (errors.InvalidArgument, errors.Fail, errors.RuntimeException, errors.NotImplemented) as error:
        raise StageFailure(_kind_of(str(error)), f"ONNX Runtime cannot run the model: {error}") from error


def _kind_of(message: str) -> FailureKind:
    """Inputs that the graph refuses, and nodes that cannot take the shapes that reach them, are about shapes."""
    about_shapes = re.search(
        r"invalid dimensions|[Rr]eshape|shape|out of data bounds|broadcast|[Dd]imension|Got invalid", message
    )
    return FailureKind.SHAPE_MISMATCH if about_shapes else FailureKind.OTHER


class OrtCpu(OrtTarget):
    """ONNX Runtime on the CPU."""

    name: ClassVar[str] = "ort-cpu"
    device: ClassVar[str] = "cpu"
    provider: ClassVar[str] = "CPUExecutionProvider"


class OrtCuda(OrtTarget):
    """ONNX Runtime on CUDA."""

    name: ClassVar[str] = "ort-cuda"
    device: ClassVar[str] = "cuda"
    fresh: ClassVar[bool] = True
    provider: ClassVar[str] = "CUDAExecutionProvider"

    @contextmanager
    def bound(self) -> Iterator[Callable[[], object]]:
        with self.bound_to("cuda") as run:
            yield run

    @classmethod
    def available(cls) -> str | None:
        return no_device() or super().available()
