"""What is done with a graph after export: the file is written, checked and described."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from driftgate.core.errors import StageFailure
from driftgate.core.verdicts import FailureKind
from driftgate.stages.exporting.naming import shape_of

INLINE_BYTES = 1_500_000_000
"""Weights beyond this go to a file of their own: protobuf ends at 2 GB."""


def weight_bytes(model: ir.Model) -> int:
    """Bytes of all weights in the graph."""
    return sum(value.const_value.nbytes for value in model.graph.initializers.values() if value.const_value is not None)


def save(model: ir.Model, path: Path, *, inline: int = INLINE_BYTES) -> int | None:
    """Write the model: one file, or with `PATH.data` beside it where the weights are too large for one. Returns the bytes of that
    second file, or None."""
    if weight_bytes(model) <= inline:
        ir.save(model, path)
        return None
    data = path.with_name(f"{path.name}.data")
    ir.save(model, path, external_data=data.name)
    return data.stat().st_size


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


def dynamic_axes(model: ir.Model) -> dict[str, tuple[str, ...]]:
    """Input → its axes, for inputs with a dynamic one; fixed axes are numbers."""
    shapes = {value.name or "": shape_of(value) for value in model.graph.inputs}
    return {name: tuple(map(str, shape)) for name, shape in shapes.items() if any(isinstance(d, str) for d in shape)}


def unused_inputs(model: ir.Model, names: Iterable[str]) -> tuple[str, ...]:
    """Which of the model's inputs the graph does not take, or takes and never reads."""
    read = {value.name for value in model.graph.inputs if value.uses() or value.is_graph_output()}
    return tuple(name for name in names if name not in read)


def constant_outputs(model: ir.Model) -> tuple[str, ...]:
    """Outputs that no input reaches: the same whatever the model is given."""
    reached = {id(value) for value in model.graph.inputs}
    for node in model.graph:
        if any(id(value) in reached for value in _read_by(node)):
            reached.update(id(value) for value in node.outputs)
    return tuple(value.name or "" for value in model.graph.outputs if id(value) not in reached)


def adopt_constants(model: ir.Model) -> tuple[str, ...]:
    """Make initializers of the constants that nodes read and the graph doesn't hold; returns what to tell of it.

    torch's optimiser leaves such behind (the bounds of a Clip); in the file their values would be lost.
    """
    made = {id(value) for value in (*model.graph.inputs, *model.graph.initializers.values())}
    lost = {
        id(value): value
        for node in model.graph
        for value in node.inputs
        if value is not None and value.producer() is None and value.const_value is not None and id(value) not in made
    }
    for value in lost.values():
        _adopt(model.graph, value)
    return (f"constants that the exporter left out of the graph: {len(lost)}",) if lost else ()


def _adopt(graph: ir.Graph, value: ir.Value) -> None:
    """Another constant may have the name: the optimiser calls the bounds of all Clips of one value alike."""
    held = graph.initializers.get(value.name or "")
    if held is not None:
        if _is_same(held.const_value, value.const_value):
            return
        others = (f"{value.name}.{number}" for number in count(1))
        value.name = next(name for name in others if name not in graph.initializers)
    graph.register_initializer(value)


def _is_same(one: ir.TensorProtocol | None, other: ir.TensorProtocol | None) -> bool:
    if one is None or other is None:
        return False
    return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


def _read_by(node: ir.Node) -> Iterator[ir.Value | None]:
    """What a node reads, inside its subgraphs too."""
    yield from node.inputs
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            for inner in attribute.as_graph():
                yield from _read_by(inner)
            yield from attribute.as_graph().outputs


def fix_inputs(model: ir.Model, values: Mapping[str, NDArray[Any]]) -> list[str]:
    """Make initializers of the graph's inputs that have one of these names; returns the names that it had."""
    fixed = [value for value in model.graph.inputs if value.name in values]
    for value in fixed:
        model.graph.inputs.remove(value)
        value.const_value = ir.tensor(values[value.name or ""], name=value.name)
        model.graph.register_initializer(value)
    return [value.name or "" for value in fixed]
