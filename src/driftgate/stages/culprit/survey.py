"""One look at a graph: each of its segments run on the reference's values, until the first whose own error exceeds tolerance."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from driftgate.stages.culprit.graphs import Arrays, Graph
from driftgate.stages.culprit.own_error import OwnError, own_error
from driftgate.stages.culprit.runtime import Runtime
from driftgate.stages.culprit.segments import Segment, comparable, own_values, segments
from driftgate.stages.culprit.sources import BUDGET, Chunk, Source

MOST_SUSPECTS = 6


@dataclass(frozen=True, order=True)
class Sighting:
    """A segment with its own error, that of the worst of its outputs, `value`: `reference` holds what flowed in and what should
    have come out, `own` what came out."""

    excess: float
    closing: int
    graph: Graph = field(compare=False)
    segment: Segment = field(compare=False)
    error: OwnError = field(compare=False)
    value: str = field(compare=False)
    reference: Arrays = field(compare=False)
    own: Arrays = field(compare=False)


@dataclass(frozen=True)
class Survey:
    """What a look at a graph found: the first segment beyond tolerance, or those that came closest to it, worst first."""

    culprit: Sighting | None
    suspects: tuple[Sighting, ...] = ()
    looked_at: int = 0


def survey(
    graph: Graph,
    source: Source,
    feed: Arrays,
    runtime: Runtime,
    closing: Collection[int] | None = None,
    *,
    among: Collection[str] | None = None,
) -> Survey:
    """Look at every segment of the graph (or at those that these nodes close), in the order in which the reference makes their values.

    `among` are the values at which the graph may be cut; None: all that the reference has. No segment upstream of the one that is
    found is beyond tolerance: its values came earlier, or with it.
    """
    names = source.names if among is None else source.names & frozenset(among)
    waiting = segments(graph, comparable(graph, names, source.graph), closing)
    suspects: list[Sighting] = []
    looked_at = 0
    for ready, values in _ready(waiting, source, feed):
        seen = _judge(graph, ready, values, runtime)
        looked_at += len(seen)
        beyond = [one for one in seen if one.error.beyond]
        if beyond:
            return Survey(min(beyond, key=lambda one: one.closing), looked_at=looked_at)
        suspects = heapq.nlargest(MOST_SUSPECTS, [*suspects, *(one for one in seen if one.excess > 0)])
    return Survey(None, tuple(suspects), looked_at)


def _ready(waiting: list[Segment], source: Source, feed: Arrays) -> Iterator[tuple[Sequence[Segment], Chunk]]:
    """Segments whose values have all come, with these; what no segment waits for any longer is dropped."""
    wanted = {name for segment in waiting for name in (*segment.inputs, *segment.outputs)} - feed.keys()
    values: Chunk = dict(feed)
    fresh = 0
    for chunk in _and_end(source.chunks(wanted)):
        if chunk is not None:
            values |= chunk
            fresh += sum(array.nbytes for array in chunk.values())
            if fresh < BUDGET:
                continue
        ready = [one for one in waiting if all(name in values for name in (*one.inputs, *one.outputs))]
        done = {one.closing for one in ready}
        waiting = [one for one in waiting if one.closing not in done]
        if ready:
            yield ready, values
        still = {name for one in waiting for name in (*one.inputs, *one.outputs)} | feed.keys()
        values = {name: array for name, array in values.items() if name in still}
        fresh = 0


def _and_end(chunks: Iterator[Chunk]) -> Iterator[Chunk | None]:
    yield from chunks
    yield None


def _judge(graph: Graph, ready: Sequence[Segment], values: Arrays, runtime: Runtime) -> list[Sighting]:
    own = own_values(graph, ready, values, runtime)
    return [_judged(graph, segment, values, own) for segment in ready]


def _judged(graph: Graph, segment: Segment, values: Arrays, own: Arrays) -> Sighting:
    errors = {name: own_error(name, values[name], own[name]) for name in segment.outputs if name in own}
    value = max(errors, key=lambda name: errors[name].excess, default=segment.outputs[0])
    error = errors.get(value, OwnError(None, 0.0))
    names = (*segment.inputs, *segment.outputs)
    return Sighting(
        excess=error.excess,
        closing=segment.closing,
        graph=graph,
        segment=segment,
        error=error,
        value=value,
        reference={name: values[name] for name in names},
        own={name: own[name] for name in segment.outputs if name in own},
    )
