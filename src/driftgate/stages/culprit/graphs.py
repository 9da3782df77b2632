"""An ONNX file as a graph that can be cut: its nodes, what each of them reads and makes, and models made of a part of them.

Large weights stay on disk: a part refers to the same external file, so that a session of it loads what its nodes read and no more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx.external_data_helper import set_external_data, uses_external_data

from driftgate.core.errors import UsageError

Arrays = Mapping[str, NDArray[Any]]

INLINE_BYTES = 1024
OWN = "own:"
"""What a node makes of given values has this before its name, so that both can stand in one graph."""

_NO_TENSORS = frozenset(
    {
        "SequenceConstruct",
        "SequenceEmpty",
        "SequenceInsert",
        "SequenceErase",
        "SequenceMap",
        "SplitToSequence",
        "Optional",
    }
)


@dataclass(frozen=True)
class Graph:
    """`model` without its large weights, which lie in `folder`. Nodes are in topological order, and known by their index."""

    model: onnx.ModelProto
    folder: Path

    @cached_property
    def nodes(self) -> tuple[onnx.NodeProto, ...]:
        return tuple(self.model.graph.node)

    @cached_property
    def constants(self) -> Mapping[str, onnx.TensorProto]:
        """The weights by name."""
        return {tensor.name: tensor for tensor in self.model.graph.initializer}

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """What the graph is fed; weights may be listed among a graph's inputs too, and are none."""
        return tuple(value.name for value in self.model.graph.input if value.name not in self.constants)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        return tuple(value.name for value in self.model.graph.output)

    @cached_property
    def producer(self) -> Mapping[str, int]:
        """Value → the node that makes it."""
        return {name: index for index, node in enumerate(self.nodes) for name in node.output if name}

    @cached_property
    def reads(self) -> tuple[tuple[str, ...], ...]:
        """What each node reads, what its subgraphs take from outside included."""
        return tuple(tuple(dict.fromkeys(_reads(node))) for node in self.nodes)

    @cached_property
    def types(self) -> Mapping[str, onnx.TypeProto]:
        """The types that the file tells of, or that follow from them."""
        told = _types(self.model.graph)
        if self.producer.keys() <= told.keys():
            return told
        return {**_types(onnx.shape_inference.infer_shapes(self.model).graph), **told}

    @cached_property
    def tensors(self) -> frozenset[str]:
        """The values, made by nodes, at which the graph can be cut: no sequences and no optionals."""
        return frozenset(name for name in self.producer if not self._no_tensor(name))

    @cached_property
    def varying(self) -> frozenset[int]:
        """The nodes that depend on what the graph is fed; the others can be computed once and for all."""
        moved, found = set(self.inputs), set()
        for index, node in enumerate(self.nodes):
            if not moved.isdisjoint(self.reads[index]) or node.op_type.startswith("Random"):
                found.add(index)
                moved.update(node.output)
        return frozenset(found)

    def _no_tensor(self, name: str) -> bool:
        kind: str | None = self.types[name].WhichOneof("value") if name in self.types else None
        if kind is not None:
            return kind != "tensor_type"
        return self.nodes[self.producer[name]].op_type in _NO_TENSORS

    def name_of(self, index: int) -> str:
        """A node's name in the file, or the name of what it makes where the file gives it none."""
        node = self.nodes[index]
        return node.name or next((name for name in node.output if name), f"node {index}")

    def needed(self, targets: Iterable[str], given: Collection[str]) -> list[int]:
        """The nodes that make the targets out of given values (and of what the graph is fed, and weights), in order."""
        found: set[int] = set()
        todo = [self.producer[name] for name in targets if name in self.producer]
        while todo:
            index = todo.pop()
            if index not in found:
                found.add(index)
                todo += [self.producer[n] for n in self.reads[index] if n not in given and n in self.producer]
        return sorted(found)

    def part(
        self, nodes: Iterable[int], feed: Arrays, outputs: Iterable[str], own: Collection[str] = ()
    ) -> onnx.ModelProto:
        """A model of some nodes. `feed` are the arrays it will be given; what nodes make of the names in `own` is called `own:NAME`."""
        chosen = list(nodes)
        model = onnx.ModelProto(ir_version=self.model.ir_version, producer_name="driftgate")
        model.opset_import.extend(self.model.opset_import)
        model.functions.extend(self.model.functions)
        graph = model.graph
        graph.name = "part"
        for index in chosen:
            node = graph.node.add()
            node.CopyFrom(self.nodes[index])
            del node.metadata_props[:]
            for place, name in enumerate(node.output):
                if name in own:
                    node.output[place] = OWN + name
        read = dict.fromkeys(name for index in chosen for name in self.reads[index])
        graph.initializer.extend(self.constants[name] for name in read if name in self.constants and name not in feed)
        graph.input.extend(value_info(name, array) for name, array in feed.items())
        graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
        return model


def _types(graph: onnx.GraphProto) -> dict[str, onnx.TypeProto]:
    return {v.name: v.type for v in (*graph.value_info, *graph.input, *graph.output) if v.HasField("type")}


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            yield from _taken_from_outside(inner)


def _taken_from_outside(graph: onnx.GraphProto) -> Iterator[str]:
    own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        yield from (name for name in _reads(node) if name not in own)
        own.update(node.output)
    yield from (value.name for value in graph.output if value.name not in own)


def value_info(name: str, array: NDArray[Any]) -> onnx.ValueInfoProto:
    """The type of an array, as a graph's input has it. Arrays of Python strings are string tensors."""
    kind = onnx.TensorProto.STRING if array.dtype.kind in "OSU" else onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    return onnx.helper.make_tensor_value_info(name, kind, array.shape)


def read_graph(path: Path, work: Path) -> Graph:
    """Read an exported file; large weights inside it are moved to a file in `work`, out of memory.

    Raises UsageError for what is no ONNX file.
    """
    model = load_skeleton(path)
    if any(uses_external_data(tensor) for tensor in model.graph.initializer):
        return Graph(model, path.parent)
    weights = work / f"{path.stem}-{abs(hash(path.resolve())):x}.weights"
    with weights.open("wb") as stream:
        for tensor in model.graph.initializer:
            if len(tensor.raw_data) > INLINE_BYTES:
                offset = stream.tell()
                stream.write(tensor.raw_data)
                set_external_data(tensor, weights.name, offset, len(tensor.raw_data))
                tensor.ClearField("raw_data")
    return Graph(model, work)


def load_skeleton(path: Path) -> onnx.ModelProto:
    """The file without the weights that lie beside it. Raises UsageError for what is no ONNX file."""
    try:
        model = onnx.load(str(path), load_external_data=False)
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}") from None
    except (DecodeError, OSError, ValueError) as error:
        raise UsageError(f"{path} is no ONNX file: {error}") from error
    if not model.graph.node or not model.graph.output:
        raise UsageError(f"{path} is no ONNX model: its graph has no nodes or no outputs")
    return model


def dtype_of(kind: onnx.TypeProto) -> np.dtype[Any] | None:
    """The numpy dtype of a tensor type; None for what is none, or has no element type."""
    element = kind.tensor_type.elem_type
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(element)) if element else None
