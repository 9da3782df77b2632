"""Faults put into exported graphs on purpose, each at one known node: what a search for the culprit has to find.

weight      one element of a weight that one node reads is off
attribute   an operator's attribute says something else (epsilon, axis, approximation, strides …)
precision   a value goes through fp16 or bf16 on its way
gather      a gather's indices are off by one
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import onnx
from onnx import helper, numpy_helper

Fault = Callable[[onnx.ModelProto, np.random.Generator], set[str] | None]
"""Changes the model in place; the names of the nodes at fault, None where the graph has no place for it."""

_ROUNDED = ("MatMul", "Gemm", "Conv", "Add", "Mul", "LayerNormalization", "Gelu", "Softmax")


def weight(model: onnx.ModelProto, draw: np.random.Generator) -> set[str] | None:
    """Adds half to two typical magnitudes to one element of a weight that only one node reads."""
    graph = model.graph
    readers: dict[str, list[str]] = {tensor.name: [] for tensor in graph.initializer}
    for node in graph.node:
        for name in {*node.input} & readers.keys():
            readers[name].append(node.name)
    large = {t.name: t for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT and np.prod(t.dims) >= 4}
    single = [name for name in large if len(readers[name]) == 1]
    if not single:
        return None
    name = single[draw.integers(len(single))]
    array = numpy_helper.to_array(large[name]).copy()
    step = float(draw.choice([0.5, 1.0, 2.0])) * max(float(array.std()), 0.05)
    array.reshape(-1)[draw.integers(array.size)] += step
    large[name].CopyFrom(numpy_helper.from_array(array, name))
    return {readers[name][0]}


def attribute(model: onnx.ModelProto, draw: np.random.Generator) -> set[str] | None:
    """Gives one node another attribute that leaves its output's shape as it is."""
    places = [node for node in model.graph.node if node.op_type in _ATTRIBUTES]
    if not places:
        return None
    node = places[draw.integers(len(places))]
    name, value = _ATTRIBUTES[node.op_type]
    old = [entry for entry in node.attribute if entry.name == name]
    for entry in old:
        node.attribute.remove(entry)
    if name == "approximate" and any(entry.s == b"tanh" for entry in old):
        value = "none"
    node.attribute.append(helper.make_attribute(name, value))
    return {node.name}


_ATTRIBUTES: Mapping[str, tuple[str, float | int | str]] = MappingProxyType(
    {
        "LayerNormalization": ("epsilon", 0.1),
        "InstanceNormalization": ("epsilon", 0.1),
        "Softmax": ("axis", -2),
        "Gelu": ("approximate", "tanh"),
        "Gemm": ("beta", 0.5),
        "LeakyRelu": ("alpha", 0.3),
        "Elu": ("alpha", 0.5),
        "TopK": ("largest", 0),
        "ReduceMean": ("noop_with_empty_axes", 1),
        "MaxPool": ("dilations", 2),
    }
)


def precision(model: onnx.ModelProto, draw: np.random.Generator) -> set[str] | None:
    """Sends what one node makes through half precision and back."""
    graph = model.graph
    places = [index for index, node in enumerate(graph.node) if node.op_type in _ROUNDED]
    if not places:
        return None
    index = places[draw.integers(len(places))]
    node = graph.node[index]
    value, half = node.output[0], onnx.TensorProto.FLOAT16 if draw.random() < 0.5 else onnx.TensorProto.BFLOAT16
    node.output[0] = f"{value}.full"
    there = helper.make_node("Cast", [f"{value}.full"], [f"{value}.half"], name=f"{node.name}.half", to=half)
    back = helper.make_node("Cast", [f"{value}.half"], [value], name=f"{node.name}.back", to=onnx.TensorProto.FLOAT)
    graph.node.insert(index + 1, there)
    graph.node.insert(index + 2, back)
    return {there.name, back.name}


def gather(model: onnx.ModelProto, draw: np.random.Generator) -> set[str] | None:
    """Shifts the indices of one gather by one; -1 is the last row."""
    graph = model.graph
    places = [i for i, node in enumerate(graph.node) if node.op_type in ("Gather", "GatherElements", "GatherND")]
    if not places:
        return None
    index = places[draw.integers(len(places))]
    node = graph.node[index]
    indices, one = node.input[1], f"{node.name}.one"
    node.input[1] = f"{indices}.off.{node.name}"
    graph.initializer.append(numpy_helper.from_array(np.array(1, np.int64), one))
    shift = helper.make_node("Sub", [indices, one], [node.input[1]], name=f"{node.name}.off")
    graph.node.insert(index, shift)
    return {node.name, shift.name}


FAULTS: Mapping[str, Fault] = MappingProxyType(
    {"weight": weight, "attribute": attribute, "precision": precision, "gather": gather}
)
