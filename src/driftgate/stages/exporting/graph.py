"""What is done with a graph after export: outputs get the model's own names, the file is written, checked and described."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
from torch import Tensor

from driftgate.core.errors import StageFailure
from driftgate.core.verdicts import FailureKind

INLINE_BYTES = 1_500_000_000
"""Weights beyond this go to a file of their own: protobuf ends at 2 GB."""


def name_outputs(model: ir.Model, expected: Mapping[str, Tensor]) -> None:
    """Give the graph's outputs the names of the model's own, after checking that they are the same tensors.

    A tensor that is returned twice, or that is an input handed back, gets an Identity, so that each output has a
    name of its own. Raises StageFailure(`shape_mismatch`) that says what differs.
    """
    graph = model.graph
    if len(graph.outputs) != len(expected):
        found = [f"{value.name}{_shape(value)}" for value in graph.outputs]
        raise _mismatch(
            f"{len(graph.outputs)} outputs ({_some(found)}), the model {len(expected)} ({_some([*expected])})"
        )
    taken: set[int] = set()
    for index, (name, tensor) in enumerate(expected.items()):
        value = graph.outputs[index]
        _check(name, value, tensor)
        if id(value) in taken or value.is_graph_input() or value.is_initializer():
            value = graph.outputs[index] = _identity(graph, value)
        taken.add(id(value))
        _free(model, name, value)
        value.name = name


def name_inputs(model: ir.Model, names: Collection[str]) -> None:
    """Give inputs their names back: the exporter calls an input that is also returned `x_orig`. To be done after the outputs have
    theirs. Raises StageFailure(`other`) for an input that the model doesn't have."""
    for value in model.graph.inputs:
        name = value.name or ""
        if name not in names:
            own = name.removesuffix("_orig")
            if own not in names:
                raise StageFailure(
                    FailureKind.OTHER, f"the exported graph takes an input {name!r}, which the model doesn't"
                )
            _free(model, own, value)
            value.name = own


def _check(name: str, value: ir.Value, tensor: Tensor) -> None:
    """Dynamic dimensions match anything; what is fixed must be equal."""
    shape = value.shape
    if shape is not None and len(shape) != tensor.dim():
        raise _mismatch(f"{name} of shape {_shape(value)}, the model {list(tensor.shape)}")
    for found, expected in zip(shape or (), tensor.shape, strict=False):
        if isinstance(found, int) and found != expected:
            raise _mismatch(f"{name} of shape {_shape(value)}, the model {list(tensor.shape)}")
    wanted = str(tensor.dtype).removeprefix("torch.")
    if value.dtype is not None and str(value.dtype.numpy()) != wanted:
        raise _mismatch(f"{name} as {value.dtype.numpy()}, the model as {wanted}")


def _mismatch(what: str) -> StageFailure:
    return StageFailure(FailureKind.SHAPE_MISMATCH, f"the exported graph returns {what}")


def _identity(graph: ir.Graph, value: ir.Value) -> ir.Value:
    node = ir.node("Identity", [value])
    output = node.outputs[0]
    output.shape, output.type = value.shape, value.type
    graph.append(node)
    return output


def _free(model: ir.Model, name: str, owner: ir.Value) -> None:
    """An inner value of the graph may already have the name (the exporter calls values after module attributes)."""
    for other in [*model.graph.inputs, *model.graph.initializers.values()]:
        if other.name == name and other is not owner:
            raise _mismatch(f"an output {name!r}, which is also the name of an input or a weight")
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        for value in node.outputs:
            if value.name == name and value is not owner:
                value.name = f"{name}.inner.{node.name or id(node)}"


def _shape(value: ir.Value) -> list[Any]:
    return [dim if isinstance(dim, int) else str(dim) for dim in value.shape or ()]


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")


def weight_bytes(model: ir.Model) -> int:
    """Bytes of all weights in the graph."""
    return sum(value.const_value.nbytes for value in model.graph.initializers.values() if value.const_value is not None)


def save(model: ir.Model, path: Path) -> None:
    """Write the model: one file, or with `PATH.data` beside it where the weights are too large for one."""
    if weight_bytes(model) > INLINE_BYTES:
        ir.save(model, path, external_data=f"{path.name}.data")
    else:
        ir.save(model, path)


def check(path: Path) -> str:
    """Run the ONNX checker over a file. Raises StageFailure(`checker`)."""
    try:
        onnx.checker.check_model(str(path), full_check=False)
    except onnx.checker.ValidationError as error:
        raise StageFailure(FailureKind.CHECKER, f"the ONNX checker refuses the file: {str(error).strip()}") from error
    return "passed"


def op_histogram(model: ir.Model) -> dict[str, int]:
    """Operator → nodes, most frequent first; operators of other domains with theirs (`com.microsoft::Gelu`)."""
    counted = Counter(_op(node) for node in ir.traversal.RecursiveGraphIterator(model.graph))
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def _op(node: ir.Node) -> str:
    return f"{node.domain}::{node.op_type}" if node.domain else node.op_type


def name_axes(model: ir.Model, axes: Mapping[str, Mapping[int, str]]) -> None:
    """Call the dynamic axes what they are (`batch`) instead of what the tracer called its symbols (`s53`), throughout."""
    names: dict[str, str] = {}
    for value in model.graph.inputs:
        for dimension, name in axes.get(value.name or "", {}).items():
            symbol = value.shape[dimension] if value.shape is not None else None
            if isinstance(symbol, ir.SymbolicDim) and symbol.value is not None:
                names.setdefault(symbol.value, name)
    if not names:
        return
    pattern = re.compile(r"\b(" + "|".join(map(re.escape, names)) + r")\b")
    for value in _values(model):
        shape = value.shape
        for i, dim in enumerate(shape or ()):
            if shape is not None and isinstance(dim, ir.SymbolicDim) and dim.value is not None:
                shape[i] = pattern.sub(lambda found: names[found[0]], dim.value)


def _values(model: ir.Model) -> Iterator[ir.Value]:
    yield from model.graph.inputs
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        yield from node.outputs


def dynamic_axes(model: ir.Model) -> dict[str, tuple[str, ...]]:
    """Input → its axes, for inputs with a dynamic one; fixed axes are numbers."""
    shapes = {value.name or "": _shape(value) for value in model.graph.inputs}
    return {name: tuple(map(str, shape)) for name, shape in shapes.items() if any(isinstance(d, str) for d in shape)}
