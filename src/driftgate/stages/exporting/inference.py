"""Strict shape inference over an ONNX file: does it hold, and what are the types and shapes of the values."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path
from types import MappingProxyType

import onnx
from onnx import TensorProto, shape_inference

from driftgate.core.records import ShapeInference

KEPT_BYTES = 65_536
"""Constants up to this size are looked at by the inference (shapes, axes); the values of weights tell it nothing."""
Dimension = int | str | None


@dataclass(frozen=True)
class Typed:
    """Element type (of `onnx.TensorProto`) and dimensions: numbers, names or expressions, None for unknown; `shape` None: no rank."""

    dtype: int
    shape: tuple[Dimension, ...] | None


@dataclass(frozen=True)
class Inferred:
    """The file's graph without its weights, the type of each value, and what there is to record."""

    graph: onnx.GraphProto
    types: Mapping[str, Typed]
    record: ShapeInference


def infer(path: Path) -> Inferred:
    """Infer strictly. Where that fails its message is recorded, and the types are those that lenient inference finds."""
    model = _hollow(onnx.load(path, load_external_data=False))
    message = None
    try:
        inferred = shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except (shape_inference.InferenceError, ValueError) as error:
        message = str(error).strip() or type(error).__name__
        inferred = shape_inference.infer_shapes(model, data_prop=True)
    types = dict(_types(inferred.graph))
    values = {name for node in inferred.graph.node for name in node.output if name}
    known = sum(1 for name in values if name in types and types[name].shape is not None)
    record = ShapeInference(passed=message is None, message=message, values=len(values), known=known)
    return Inferred(inferred.graph, types, record)


def _hollow(model: onnx.ModelProto) -> onnx.ModelProto:
    """Large weights lose their values, so that inference copies a graph and not gigabytes."""
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) > KEPT_BYTES:
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value="left-out")
    return model


def _types(graph: onnx.GraphProto) -> Iterator[tuple[str, Typed]]:
    for tensor in graph.initializer:
        yield tensor.name, Typed(tensor.data_type, tuple(tensor.dims))
    for value in (*graph.value_info, *graph.input, *graph.output):
        if value.type.HasField("tensor_type"):
            kind = value.type.tensor_type
            shape = tuple(_dimension(dim) for dim in kind.shape.dim) if kind.HasField("shape") else None
            yield value.name, Typed(kind.elem_type, shape)


def _dimension(dim: onnx.TensorShapeProto.Dimension) -> Dimension:
    if dim.HasField("dim_value"):
        return dim.dim_value
    return dim.dim_param or None


_ARITHMETIC: Mapping[type[ast.operator], Callable[[float, float], float]] = MappingProxyType(
    {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.FloorDiv: operator.floordiv,
        ast.Mod: operator.mod,
        ast.Pow: operator.pow,
    }
)
_FUNCTIONS: Mapping[str, Callable[..., float]] = MappingProxyType(
    {"Max": max, "Min": min, "max": max, "min": min, "floor": floor, "ceiling": ceil, "FloorDiv": operator.floordiv}
)


def size_of(dimension: Dimension, sizes: Mapping[str, int]) -> int | None:
    """The number that a dimension is, where its names have these sizes: `4*sequence + 2`. None if that cannot be told."""
    if not isinstance(dimension, str):
        return dimension
    try:
        found = _value(ast.parse(dimension, mode="eval").body, sizes)
    except (SyntaxError, LookupError, TypeError, ArithmeticError, RecursionError):
        return None
    return int(found) if found == int(found) and found >= 0 else None


def _value(node: ast.expr, sizes: Mapping[str, int]) -> float:
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.Name(id=name):
            return sizes[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _ARITHMETIC[type(op)](_value(left, sizes), _value(right, sizes))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, sizes)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return _FUNCTIONS[name](*(_value(argument, sizes) for argument in arguments))
    raise LookupError(ast.dump(node))
