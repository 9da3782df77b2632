"""A graph cut at the values whose reference is known: each segment makes one of them out of others, and can be run on its own.

Where every value is known, a segment is one node. Where the runtime fused, quantised or laid out anew, it is what lies between.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftgate.core.drift import is_floating
from driftgate.stages.culprit.graphs import OWN, Arrays, Graph, dtype_of
from driftgate.stages.culprit.runtime import Runtime


@dataclass(frozen=True)
class Segment:
    """`nodes` make `outputs` out of `inputs`; the last of them, `closing`, is the one that makes the outputs."""

    closing: int
    nodes: tuple[int, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def comparable(graph: Graph, names: Collection[str], example: Graph | None = None) -> frozenset[str]:
    """Which of these values the graph makes as tensors of the same kind as in `example`: an int8 is no float under the same name."""
    found = graph.tensors & frozenset(names)
    return found if example is None else frozenset(n for n in found if _alike(graph, example, n))


def _alike(graph: Graph, example: Graph, name: str) -> bool:
    kinds = {_kind(graph, name), _kind(example, name)} - {None}
    return len(kinds) < 2


def _kind(graph: Graph, name: str) -> str | None:
    dtype = dtype_of(graph.types[name]) if name in graph.types else None
    if dtype is None:
        return None
    return "floating" if dtype.kind in "fV" else str(dtype)


def segments(graph: Graph, known: Collection[str], closing: Collection[int] | None = None) -> list[Segment]:
    """The segments in topological order of what closes them; `closing` chooses some."""
    chosen = range(len(graph.nodes)) if closing is None else sorted(closing)
    given = frozenset(known) | frozenset(graph.inputs)
    made = ((index, tuple(name for name in graph.nodes[index].output if name in known)) for index in chosen)
    return [_segment(graph, index, outputs, given) for index, outputs in made if outputs]


def _segment(graph: Graph, closing: int, outputs: tuple[str, ...], given: frozenset[str]) -> Segment:
    nodes = graph.needed(outputs, given)
    read = dict.fromkeys(name for index in nodes for name in graph.reads[index])
    return Segment(closing, tuple(nodes), tuple(name for name in read if name in given), outputs)


def own_values(graph: Graph, chosen: Sequence[Segment], values: Arrays, runtime: Runtime) -> dict[str, NDArray[Any]]:
    """What segments make of the reference's values: output → array. All of them in one session."""
    outputs = dict.fromkeys(name for segment in chosen for name in segment.outputs)
    feed = fitting(graph, values, dict.fromkeys(name for segment in chosen for name in segment.inputs))
    nodes = sorted({index for segment in chosen for index in segment.nodes})
    own = {name for index in nodes for name in graph.nodes[index].output if name in feed or name in outputs}
    named = [OWN + name for name in outputs]
    made = runtime.run(graph.part(nodes, feed, named, own), graph.folder, feed, named)
    return {name.removeprefix(OWN): value for name, value in made.items()}


def fitting(graph: Graph, values: Arrays, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """The values by name, in the floating dtype that the graph has for each of them."""
    return {name: _fit(graph, name, values[name]) for name in names}


def _fit(graph: Graph, name: str, array: NDArray[Any]) -> NDArray[Any]:
    dtype = dtype_of(graph.types[name]) if name in graph.types else None
    if dtype is None or dtype == array.dtype or not is_floating(array) or not is_floating(np.empty(0, dtype)):
        return array
    return array.astype(dtype)
