"""Names: a graph's inputs, outputs and dynamic axes are called what the model itself calls them, whatever the exporter made of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import onnx_ir as ir
from torch import Tensor

from driftgate.core.errors import StageFailure
from driftgate.core.verdicts import FailureKind

RETURNED = "output.{name}"
"""What an output is called in the graph whose own name is taken by an input or a weight: an ONNX name is unique."""


def name_outputs(model: ir.Model, expected: Mapping[str, Tensor], inputs: Collection[str]) -> dict[str, str]:
    """Give the graph's outputs the names of the model's own, after checking that they are the same tensors. `inputs` are the names of
    the model's inputs. Returns what the exporter called the outputs → the model's own names.

    A tensor that is returned twice, or that is an input handed back, gets an Identity, so that each output has a
    name of its own. Raises StageFailure(`shape_mismatch`) that says what differs.
    """
    graph = model.graph
    if len(graph.outputs) != len(expected):
        found = [f"{value.name}{shape_of(value)}" for value in graph.outputs]
        raise _mismatch(
            f"{len(graph.outputs)} outputs ({_some(found)}), the model {len(expected)} ({_some([*expected])})"
        )
    reserved = {_own(value.name or "", inputs) for value in graph.inputs} | set(graph.initializers)
    taken: set[int] = set()
    renamed: dict[str, str] = {}
    for index, (name, tensor) in enumerate(expected.items()):
        value = graph.outputs[index]
        _check(name, value, tensor)
        if id(value) in taken or value.is_graph_input() or value.is_initializer():
            value = graph.outputs[index] = _identity(graph, value)
        taken.add(id(value))
        unique = RETURNED.format(name=name) if name in reserved else name
        _free(model, unique, value)
        if value.name and value.name != name:
            renamed[value.name] = name
        value.name = unique
    return renamed


def other_names(model: ir.Model, expected: Iterable[str]) -> dict[str, str]:
    """The model's own names of outputs → the graph's, where they had to differ. To be asked after `name_outputs`."""
    pairs = zip(expected, model.graph.outputs, strict=True)
    return {name: value.name or "" for name, value in pairs if value.name != name}


def name_inputs(model: ir.Model, names: Collection[str]) -> dict[str, str]:
    """Give inputs their names back. To be done after the outputs have theirs. Returns the exporter's names → the new ones.
    Raises StageFailure(`shape_mismatch`) for an input that the model doesn't have."""
    renamed: dict[str, str] = {}
    for value in model.graph.inputs:
        name = value.name or ""
        own = _own(name, names)
        if own not in names:
            raise StageFailure(
                FailureKind.SHAPE_MISMATCH, f"the exported graph takes an input {name!r}, which the model doesn't"
            )
        if own != name:
            _free(model, own, value)
            value.name = renamed[name] = own
    return renamed


def _own(name: str, names: Collection[str]) -> str:
    """The model's name of an input. Exporters call one that is also returned otherwise: `x_orig` torch, `input.x` transformers."""
    return name if name in names else name.removesuffix("_orig").removeprefix("input.")


def _check(name: str, value: ir.Value, tensor: Tensor) -> None:
    """Dynamic dimensions match anything; what is fixed must be equal."""
    shape = value.shape
    if shape is not None and len(shape) != tensor.dim():
        raise _mismatch(f"{name} of shape {shape_of(value)}, the model {list(tensor.shape)}")
    for found, expected in zip(shape or (), tensor.shape, strict=False):
        if isinstance(found, int) and found != expected:
            raise _mismatch(f"{name} of shape {shape_of(value)}, the model {list(tensor.shape)}")
    wanted = str(tensor.dtype).removeprefix("torch.")
    if value.dtype is not None and str(value.dtype.numpy()) != wanted:
        raise _mismatch(f"{name} as {value.dtype.numpy()}, the model as {wanted}")


def _mismatch(what: str) -> StageFailure:
    return StageFailure(
        FailureKind.SHAPE_MISMATCH,
        f"the exported graph returns {what}",
        hint="the exporter lost, joined or changed an output: try another of export.exporters, and return tensors alone",
    )


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
            raise _mismatch(f"a value {name!r}, which is also the name of an input or a weight")
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        for value in node.outputs:
            if value.name == name and value is not owner:
                value.name = f"{name}.inner.{node.name or id(node)}"


def shape_of(value: ir.Value) -> list[Any]:
    """Numbers, and the names of dynamic dimensions."""
    return [dim if isinstance(dim, int) else str(dim) for dim in value.shape or ()]


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")


def name_axes(model: ir.Model, axes: Mapping[str, Mapping[int, str]]) -> None:
    """Call the dynamic axes what they are (`batch`) instead of what the tracer called its symbols (`s53`), throughout."""
    names: dict[str, str] = {}
    for value in model.graph.inputs:
        for dimension, name in axes.get(value.name or "", {}).items():
            symbol = value.shape[dimension] if value.shape is not None else None
            if isinstance(symbol, ir.SymbolicDim) and symbol.value not in (None, name):
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
