"""Torch as it is, no compiler: the reference that others are compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from driftgate.core.errors import StageFailure
from driftgate.core.nesting import flatten
from driftgate.core.verdicts import FailureKind
from driftgate.targets.arrays import to_numpy, to_tensor
from driftgate.targets.base import Arrays, Plan, Target
from driftgate.targets.cuda import no_device, torch_lacks_cuda


class TorchTarget(Target):
    """What eager and compiled torch share: inputs on the device, one thread, no gradients, named outputs."""

    needs: ClassVar[Literal["module", "onnx"]] = "module"
    device: ClassVar[str] = "cpu"

    def start(self, plan: Plan) -> None:
        import torch

        assert plan.module is not None
        torch.set_num_threads(1)
        self.feed(plan)
        module: Any = plan.module
        self._call = self.prepare(module.to(self.device) if isinstance(module, torch.nn.Module) else module, plan.cache)
        self._result: Any = None

    def feed(self, plan: Plan) -> None:
        tensors = {name: to_tensor(array).to(self.device) for name, array in plan.inputs.items()}
        self._positional = tuple(tensors.values()) if plan.positional else ()
        self._keywords = dict(plan.arguments) if plan.positional else {**tensors, **plan.arguments}

    def prepare(self, module: Any, cache: Path | None) -> Any:
        """The callable that is run; `cache` is where a compiler may keep what it built."""
        del cache
        return module

    def run_once(self) -> None:
        import torch

        with torch.no_grad():
            self._result = self._call(*self._positional, **self._keywords)

    @contextmanager
    def bound(self) -> Iterator[Callable[[], object]]:
        import torch

        with torch.no_grad():
            yield partial(self._call, *self._positional, **self._keywords)

    def outputs(self) -> Arrays:
        import torch

        found = flatten(self._result, lambda value: isinstance(value, torch.Tensor))
        if not found.leaves:
            raise StageFailure(
                FailureKind.OTHER,
                "the model returned no tensor" + (f" ({', '.join(found.notes[:5])})" if found.notes else ""),
                hint="a model must return at least one tensor",
            )
        return {name: to_numpy(tensor) for name, tensor in found.leaves.items()}


class TorchEagerCpu(TorchTarget):
    """Eager torch on the CPU."""

    name: ClassVar[str] = "torch-eager-cpu"

    @classmethod
    def available(cls) -> str | None:
        return None


class OnCuda(TorchTarget):
    """Torch on the first CUDA device. Never forked: CUDA does not survive it."""

    device: ClassVar[str] = "cuda"
    fresh: ClassVar[bool] = True

    @classmethod
    def available(cls) -> str | None:
        return no_device() or torch_lacks_cuda()

    @contextmanager
    def bound(self) -> Iterator[Callable[[], object]]:
        from torch.cuda import synchronize

        with super().bound() as call:

            def run() -> None:
                call()
                synchronize()

            yield run

    def synchronise(self) -> None:
        import torch

        torch.cuda.synchronize()

    def device_peak_bytes(self) -> int | None:
        import torch

        return int(torch.cuda.max_memory_reserved())

    def placement(self) -> dict[str, int]:
        import torch

        found = flatten(self._result, lambda value: isinstance(value, torch.Tensor))
        elsewhere = sorted({str(t.device) for t in found.leaves.values() if t.device.type != "cuda"})
        if elsewhere:
            raise StageFailure(
                FailureKind.FELL_BACK, f"outputs of {self.name} are on {', '.join(elsewhere)}, not on cuda"
            )
        return {}


class TorchEagerCuda(OnCuda):
    """Eager torch on CUDA."""

    name: ClassVar[str] = "torch-eager-cuda"
