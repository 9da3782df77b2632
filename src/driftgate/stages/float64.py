"""The reference once more in float64: how far float32 itself is from what the model means.

Parameters, inputs and every dtype that the model names on its way (`x.to(torch.float32)` before a softmax) are widened; what
a kernel does inside it does in float64 then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from driftgate.core.errors import StageFailure
from driftgate.core.nesting import flatten
from driftgate.core.verdicts import FailureKind
from driftgate.machine.jobs import Job
from driftgate.stages.blame import blaming
from driftgate.stages.inputs.contents import ModelInputs
from driftgate.stages.loading import load_job
from driftgate.stages.numerics import Arrays, float64_file, save_outputs
from driftgate.targets.arrays import to_numpy

WIDER = MappingProxyType(
    {
        torch.float32: torch.float64,
        torch.float16: torch.float64,
        torch.bfloat16: torch.float64,
        torch.complex64: torch.complex128,
    }
)
NARROWING = frozenset({Tensor.float, Tensor.half, Tensor.bfloat16})


def save_float64(job: Job, inputs: ModelInputs) -> str | None:
    """Run the job's model in float64 on the CPU and leave its outputs in `job.work`; the reason if it cannot run so."""
    try:
        outputs = float64_outputs(job, inputs)
    except StageFailure as failure:
        return failure.message
    save_outputs(job.work / float64_file(job.cell.variant), outputs)
    return None


def float64_outputs(job: Job, inputs: ModelInputs) -> Arrays:
    """Named outputs of one eager run in float64. Raises StageFailure with the deepest cause."""
    module = load_job(job).module.double()
    wide = replace(inputs, first={name: _wide(tensor) for name, tensor in inputs.first.items()})
    torch.manual_seed(job.seed)
    with blaming(FailureKind.OTHER, "the model fails in float64"), in_float64(), torch.no_grad():
        found = flatten(wide.call(module), lambda value: isinstance(value, Tensor))
    return {name: to_numpy(tensor) for name, tensor in found.leaves.items()}


@contextmanager
def in_float64() -> Iterator[None]:
    """While the block lasts, tensors are made in float64, and a cast to a narrower floating dtype goes there too."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with _Widening():
            yield
    finally:
        torch.set_default_dtype(before)


class _Widening(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        if func in NARROWING:
            func = Tensor.double
        return func(
            *(_wider(value) for value in args), **{name: _wider(value) for name, value in (kwargs or {}).items()}
        )


def _wider(value: Any) -> Any:
    return WIDER.get(value, value) if isinstance(value, torch.dtype) else value


def _wide(tensor: Tensor) -> Tensor:
    return tensor.to(WIDER.get(tensor.dtype, tensor.dtype))
