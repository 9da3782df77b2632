"""The TorchScript exporter: the model is run once and what happened is written down, `torch.onnx.export(dynamo=False)`.

It knows neither keyword arguments by name nor nested outputs, so the model is wrapped: tensors in by position, in the order of
the inputs, and the named leaves of its output out, flat. A branch on data is frozen as it went this once; the exporter
passes all the same and only warns, which is kept.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import onnx_ir as ir
import torch
from torch import Tensor, nn
from torch.jit._trace import TracerWarning

from driftgate.core.breaks import shorten
from driftgate.core.nesting import flatten
from driftgate.stages.exporting.decompositions import decomposed
from driftgate.stages.loading import Ready

MOST_WARNINGS = 20


class Positional(nn.Module):
    """The module as TorchScript wants it."""

    def __init__(self, subject: Ready) -> None:
        super().__init__()
        self.model, self._inputs = subject.module, subject.inputs
        self.train(subject.module.training)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """What the model returns for its inputs, its tensors alone."""
        if self._inputs.positional:
            output = self.model(*tensors, **self._inputs.arguments)
        else:
            output = self.model(**dict(zip(self._inputs.first, tensors, strict=True)), **self._inputs.arguments)
        return tuple(flatten(output, lambda value: isinstance(value, Tensor)).leaves.values())


def by_torchscript(
    subject: Ready, axes: dict[str, dict[int, str]], opset: int | None
) -> tuple[Any, None, tuple[str, ...]]:
    """`onnx_ir.Model`, no exported program, and what the tracer warned of (frozen branches, sizes turned into constants), with the
    functions that were said in others."""
    with tempfile.TemporaryDirectory(prefix="driftgate-") as folder, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TracerWarning)
        path = Path(folder) / "model.onnx"
        with decomposed(fixed=not axes) as used:
            torch.onnx.export(
                Positional(subject),
                tuple(tensor.clone() for tensor in subject.inputs.first.values()),
                path,
                input_names=list(subject.inputs.first),
                dynamic_axes=axes or None,
                opset_version=opset,
                dynamo=False,
            )
        model = ir.load(path)
        ir.external_data.load_to_model(model)
    said = (f"said in other functions: {', '.join(used)}",) if used else ()
    return model, None, (*_told(caught), *said)


def _told(caught: Iterable[warnings.WarningMessage]) -> tuple[str, ...]:
    """`file:line: what is frozen`, each once."""
    found = (
        f"{shorten(warning.filename)}:{warning.lineno}: {str(warning.message).partition('. ')[0]}"
        for warning in caught
        if issubclass(warning.category, TracerWarning)
    )
    return tuple(dict.fromkeys(found))[:MOST_WARNINGS]
