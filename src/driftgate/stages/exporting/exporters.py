"""The exporters by name: a module and inputs in, an ONNX graph in memory out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from driftgate.core.errors import StageFailure
from driftgate.core.verdicts import FailureKind
from driftgate.stages.exporting import graph
from driftgate.stages.exporting.torchscript import by_torchscript
from driftgate.stages.inputs.contents import ModelInputs
from driftgate.stages.loading import Ready

Axes = dict[str, dict[int, str]]


@dataclass(frozen=True)
class Exported:
    """An `onnx_ir.Model`; the `torch.export.ExportedProgram` that it was made from, where the exporter hands it over; what it
    warned of."""

    model: Any
    program: Any = None
    warnings: tuple[str, ...] = ()


Exporter = Callable[[Ready, Axes, int | None], Exported]
"""Subject, dynamic axes (tensor → dimension → name; empty: static), opset."""


def by_dynamo(subject: Ready, axes: Axes, opset: int | None) -> Exported:
    """`torch.onnx.export(dynamo=True)`, as people call it."""
    inputs = subject.inputs
    positional = tuple(inputs.first.values()) if inputs.positional else ()
    keywords = dict(inputs.arguments) if inputs.positional else {**inputs.first, **inputs.arguments}
    program = torch.onnx.export(
        subject.module,
        positional,
        kwargs=keywords,
        dynamo=True,
        verbose=False,
        opset_version=opset,
        dynamic_shapes=_shapes(inputs, axes) if axes else None,
    )
    assert program is not None
    return Exported(program.model, program.exported_program)


def _shapes(inputs: ModelInputs, axes: Axes) -> Any:
    """One entry per argument, in the structure of the call; named axes become dynamic dimensions."""
    by_name: dict[str, Any] = {name: axes.get(name) or None for name in inputs.first}
    if inputs.positional:
        return tuple(by_name.values())
    return by_name | dict.fromkeys(inputs.arguments)


def by_transformers(subject: Ready, axes: Axes, opset: int | None) -> Exported:
    """`transformers.exporters.OnnxExporter`: the same capture with patches and translations of its own.

    It registers cache types for the whole process: a process that called it exports differently afterwards.
    """
    from transformers import PreTrainedModel
    from transformers.exporters.configs import OnnxConfig
    from transformers.exporters.exporter_onnx import OnnxExporter

    if not isinstance(subject.module, PreTrainedModel) or subject.inputs.positional:
        raise StageFailure(
            FailureKind.UNAVAILABLE,
            f"the exporter of transformers takes models of transformers, not {type(subject.module).__name__}",
            hint="leave `transformers` out of export.exporters for this fleet",
        )
    options: dict[str, Any] = {} if opset is None else {"opset_version": opset}
    shapes = {name: _auto(axes.get(name, {})) for name in subject.inputs.first} if axes else None
    config = OnnxConfig(dynamic=bool(axes), dynamic_shapes=shapes, **options)
    sample: dict[str, Any] = {**subject.inputs.first, **subject.inputs.arguments}
    # as torch's own exporter does: a dimension of 1 stays dynamic
    with torch.fx.experimental._config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
        exporter: Any = OnnxExporter()  # type: ignore[no-untyped-call]
        model = exporter.export(subject.module, sample, config).program
    return Exported(model, warnings=() if axes else _with_constants(model, subject, sample))


def _with_constants(model: Any, subject: Ready, sample: Mapping[str, Any]) -> tuple[str, ...]:
    """What the exporter computed from a grid or a mask before it began (places, lengths of pictures) it makes inputs of the graph, which
    nobody who calls the model has. In a graph of fixed sizes they are constants. Where it took an input away in exchange, what it
    computed is data and stays an input."""
    given = subject.inputs.first
    computed = {name: value for name, value in sample.items() if name not in given and isinstance(value, Tensor)}
    if not computed or not set(given) <= set(sample):
        return ()
    fixed = graph.fix_inputs(model, {name: value.numpy() for name, value in computed.items()})
    return (f"constants, computed from inputs of these sizes: {', '.join(fixed)}",) if fixed else ()


def _auto(dimensions: Mapping[int, str]) -> dict[int, Any]:
    return dict.fromkeys(dimensions, torch.export.Dim.DYNAMIC)


def by_tracing(subject: Ready, axes: Axes, opset: int | None) -> Exported:
    """`torch.onnx.export(dynamo=False)`, the TorchScript exporter: opt-in."""
    return Exported(*by_torchscript(subject, axes, opset))


EXPORTERS: Mapping[str, Exporter] = MappingProxyType(
    {"dynamo": by_dynamo, "transformers": by_transformers, "torchscript": by_tracing}
)
