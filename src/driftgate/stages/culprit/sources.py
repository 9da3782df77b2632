"""Where the reference's values come from: a stream of chunks, in the order in which the reference makes them.

A chunk is what fits into a small budget of memory, so that all values of a large model are never held at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Protocol

from numpy.typing import NDArray

from driftgate.stages.culprit.graphs import Arrays, Graph
from driftgate.stages.culprit.runtime import Runtime
from driftgate.stages.culprit.segments import fitting

BUDGET = 16 << 20
"""Bytes of inner values to hold before they are looked at."""
FIRST_NODES = 128

Chunk = dict[str, NDArray[Any]]


class Source(Protocol):
    """A reference. `names` are the values that it can give; `graph` the ONNX graph that they are from, if they are."""

    @property
    def names(self) -> frozenset[str]: ...

    @property
    def graph(self) -> Graph | None: ...

    def chunks(self, wanted: Collection[str]) -> Iterator[Chunk]:
        """The wanted values, in chunks; each call computes them anew."""
        ...


class OnnxSource:
    """A reference graph, run node by node as it is in the file, without any optimisation."""

    def __init__(self, graph: Graph, runtime: Runtime, feed: Arrays, *, first_nodes: int = FIRST_NODES) -> None:
        self._graph, self._runtime, self._feed, self._first_nodes = graph, runtime, feed, first_nodes

    @property
    def names(self) -> frozenset[str]:
        return self._graph.tensors

    @property
    def graph(self) -> Graph | None:
        return self._graph

    def chunks(self, wanted: Collection[str]) -> Iterator[Chunk]:
        nodes = self._graph.needed(wanted, ())
        last = _last_reads(self._graph, nodes)
        values: Chunk = {name: self._feed[name] for name in self._graph.inputs}
        count, start = self._first_nodes, 0
        while start < len(nodes):
            stop = self._whole(nodes, start, min(start + count, len(nodes)), last)
            made = self._run(nodes[start:stop], values, wanted, last, nodes[stop - 1])
            yield {name: array for name, array in made.items() if name in wanted}
            size = sum(array.nbytes for array in made.values())
            count = max(1, count // 2) if size > BUDGET else count * 2 if size < BUDGET // 4 else count
            end, start = nodes[stop - 1], stop
            values = {name: array for name, array in (values | made).items() if last.get(name, -1) > end}

    def _whole(self, nodes: list[int], start: int, stop: int, last: dict[str, int]) -> int:
        """The end of a chunk, moved until no sequence crosses it."""
        while stop < len(nodes) and any(
            last.get(name, -1) > nodes[stop - 1]
            for index in nodes[start:stop]
            for name in self._graph.nodes[index].output
            if name and name not in self._graph.tensors
        ):
            stop += 1
        return stop

    def _run(self, nodes: list[int], values: Chunk, wanted: Collection[str], last: dict[str, int], end: int) -> Chunk:
        graph = self._graph
        made = [name for index in nodes for name in graph.nodes[index].output if name in graph.tensors]
        kept = [name for name in made if name in wanted or last.get(name, -1) > end]
        read = dict.fromkeys(name for index in nodes for name in graph.reads[index] if name in values)
        feed = fitting(graph, values, read)
        return self._runtime.run(graph.part(nodes, feed, kept), graph.folder, feed, kept) if kept else {}


def _last_reads(graph: Graph, nodes: list[int]) -> dict[str, int]:
    """Value → the last node that reads it."""
    return {name: index for index in nodes for name in graph.reads[index]}
