"""From two runs that disagree to the node where it begins.

1. The graph that the runtime made of the candidate's file is looked at, segment by segment: a segment's own error is what it makes
   of the reference's values, against what the reference made of them. The first one beyond tolerance holds the culprit.
2. The exported nodes that this segment stands for are looked at one by one, without the runtime's changes. One of them beyond
   tolerance is the culprit; none means that the fusion itself is.
3. Where nothing exceeds tolerance by itself, an own error that is small at its node may be magnified below it: the
   worst few are put into a run that is the reference's everywhere else.
4. Where the runtime's own graph, loaded again, does not drift at all, the drift vanishes when tapped; the fusion that hides it
   is found by tapping more and more of the exported file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftgate.core.drift import max_abs_difference
from driftgate.core.records import Tolerance
from driftgate.stages.culprit.graphs import Arrays, Graph
from driftgate.stages.culprit.own_error import drifting
from driftgate.stages.culprit.runtime import Level, Runtime
from driftgate.stages.culprit.segments import fitting
from driftgate.stages.culprit.sources import Source
from driftgate.stages.culprit.survey import Sighting, Survey, survey

ACCUMULATES = (
    "no node exceeds tolerance by itself, nor does any of the worst alone move an output beyond it: the drift adds up"
)


@dataclass(frozen=True)
class Case:
    """What is searched: the candidate's file as exported, how it is run, what it is fed, and what the reference returned.

    `tolerances` are those of the outputs; the table's, by dtype, for outputs that are not in it. `work` is a folder for files that
    nobody needs afterwards.
    """

    path: Path
    exported: Graph
    source: Source
    runtime: Runtime
    feed: Arrays
    reference: Arrays
    work: Path
    tolerances: dict[str, Tolerance] = field(default_factory=dict)

    def drifts(self, outputs: Arrays) -> bool:
        """Whether these outputs are beyond tolerance."""
        return bool(drifting(self.reference, outputs, self.tolerances))


@dataclass(frozen=True)
class Found:
    """The culprit: `sighting` in the graph in which it was seen, `node` and `covers` in the exported one. `magnified` is the output
    beyond tolerance that a small own error leads to; `hidden` says that the drift vanishes when tapped, and nothing was judged."""

    node: int
    covers: tuple[int, ...]
    runs_as: str | None = None
    sighting: Sighting | None = None
    magnified: str | None = None
    hidden: bool = False


@dataclass(frozen=True)
class Answer:
    """The culprit, or why none is named."""

    found: Found | None
    note: str | None = None


def search(case: Case) -> Answer:
    """Find the culprit of a case whose outputs are known to drift."""
    optimised = case.runtime.optimised(case.path, Level.FULL, case.work)
    still = case.runtime.run(optimised.model, optimised.folder, case.feed, optimised.outputs)
    if not case.drifts(still):
        return hiding(case, optimised)
    looked = survey(optimised, case.source, case.feed, case.runtime, among=case.exported.tensors)
    if looked.culprit is not None:
        return Answer(narrowed(case, looked.culprit))
    return magnified(case, optimised, looked)


def narrowed(case: Case, coarse: Sighting) -> Found:
    """From a segment of the runtime's graph to one node of the exported one, if one of them is to blame by itself."""
    covered = _covered(case, coarse)
    finer = survey(case.exported, case.source, case.feed, case.runtime, covered).culprit
    if finer is not None:
        return Found(finer.closing, _computing(case, finer.segment.nodes), None, finer)
    laid_out = case.runtime.optimised(case.path, Level.FUSED, case.work)
    made = {name for index in covered for name in case.exported.nodes[index].output}
    closing = [i for i, node in enumerate(laid_out.nodes) if not made.isdisjoint(node.output)]
    exported = case.exported.tensors
    fused = survey(laid_out, case.source, case.feed, case.runtime, closing, among=exported).culprit or coarse
    node = case.exported.producer[fused.segment.outputs[-1]]
    return Found(node, _computing(case, _covered(case, fused)), _told(fused), fused)


def magnified(case: Case, graph: Graph, looked: Survey) -> Answer:
    """The first of the suspects whose own error alone, in a run that is otherwise the reference's, moves an output beyond tolerance.

    Suspects far below the worst are passed over: they are the noise of rounding, which a step further down may magnify too.
    """
    worst = max((one.excess for one in looked.suspects), default=0.0)
    for suspect in sorted(looked.suspects, key=lambda one: one.closing):
        moved = _moved(case, graph, suspect) if suspect.excess >= worst / 10 else None
        if moved is not None:
            return Answer(narrowed_suspect(case, suspect, moved))
    return Answer(None, f"{ACCUMULATES} ({looked.looked_at} looked at; the worst is at {worst:.2g} of what is allowed)")


def narrowed_suspect(case: Case, suspect: Sighting, output: str) -> Found:
    """As `narrowed`, for an own error that is within tolerance: of the exported nodes, the one that comes closest to its limit."""
    covered = _covered(case, suspect)
    finer = survey(case.exported, case.source, case.feed, case.runtime, covered)
    best = finer.culprit or max(finer.suspects, default=None)
    if best is not None and best.excess >= suspect.excess / 2:
        magnifies = None if best.error.beyond else output
        return Found(best.closing, _computing(case, best.segment.nodes), None, best, magnifies)
    node = case.exported.producer[suspect.segment.outputs[-1]]
    return Found(node, _computing(case, covered), _told(suspect), suspect, output)


def _moved(case: Case, graph: Graph, suspect: Sighting) -> str | None:
    """The first output that is beyond tolerance when what the suspect makes of the reference's values goes on from there."""
    names = suspect.segment.outputs
    below = case.source.graph
    graph = below if below is not None and set(names) <= below.tensors else graph
    outputs = [name for name in graph.outputs if name not in names]
    nodes = graph.needed(outputs, names)
    read = {name for index in nodes for name in graph.reads[index]}
    runs = []
    for values in (suspect.reference, suspect.own):
        given = fitting(graph, values, names)
        feed = {name: array for name, array in {**case.feed, **given}.items() if name in read}
        model = graph.part(nodes, feed, outputs, own=names)
        made = case.runtime.run(model, graph.folder, feed, outputs) if outputs else {}
        runs.append({**made, **{name: given[name] for name in names if name in graph.outputs}})
    return next(iter(drifting(runs[0], runs[1], case.tolerances)), None)


def hiding(case: Case, optimised: Graph) -> Answer:
    """Where a drift hides that vanishes when tapped: the fused node that the smallest set of taps, in the order of the file, breaks up."""
    taps = [name for index in sorted(case.exported.varying) for name in case.exported.nodes[index].output]
    taps = [name for name in taps if name in case.exported.tensors]
    if case.drifts(case.runtime.outputs(case.path, case.feed, taps)):
        return Answer(
            None, "the graph that the runtime saves does not drift, and the one that it runs does, tapped or not"
        )
    below, above = 0, len(taps)
    while above - below > 1:
        middle = (below + above) // 2
        gone = not case.drifts(case.runtime.outputs(case.path, case.feed, taps[:middle]))
        below, above = (below, middle) if gone else (middle, above)
    node = case.exported.producer[taps[above - 1]]
    return Answer(_hidden(case, optimised, node))


def _hidden(case: Case, optimised: Graph, node: int) -> Found:
    """The node of the runtime's graph that stands for an exported one, with all that it covers."""
    there = case.exported.tensors & optimised.producer.keys()
    for index, made in enumerate(optimised.nodes):
        outputs = [name for name in made.output if name in there]
        covered = case.exported.needed(outputs, there)
        if outputs and node in covered:
            return Found(node, _computing(case, covered), _op(optimised, index), hidden=True)
    return Found(node, (node,), hidden=True)


def inherited_error(case: Case, sighting: Sighting) -> float | None:
    """How far what flows into the culprit is from the reference when the candidate runs by itself: the largest over its inputs.
    None where that is no number."""
    flowing = [name for name in sighting.segment.inputs if name in sighting.graph.producer]
    if not flowing:
        return 0.0
    graph = sighting.graph
    nodes = graph.needed(flowing, ())
    feed = {name: case.feed[name] for name in graph.inputs}
    made = case.runtime.run(graph.part(nodes, feed, flowing), graph.folder, feed, flowing)
    apart = [_distance(sighting.reference[name], made[name]) for name in flowing if name in made]
    known = [distance for distance in apart if distance is not None]
    return max(known, default=None) if len(known) == len(apart) else None


def _distance(left: NDArray[Any], right: NDArray[Any]) -> float | None:
    if left.dtype.kind in "OSU":
        return 0.0 if np.array_equal(left, right) else None
    return 0.0 if not left.size and left.shape == right.shape else max_abs_difference(left, right.astype(left.dtype))


def _covered(case: Case, sighting: Sighting) -> list[int]:
    """The exported nodes that a segment of another graph stands for: those between its outputs and the nearest values that the
    other graph has too."""
    there = sighting.graph.producer.keys() & case.exported.tensors
    return case.exported.needed(
        sighting.segment.outputs, (set(sighting.segment.inputs) | there) - set(sighting.segment.outputs)
    )


def _computing(case: Case, nodes: tuple[int, ...] | list[int]) -> tuple[int, ...]:
    """Without the nodes that only hold a constant."""
    return tuple(index for index in nodes if case.exported.nodes[index].op_type != "Constant")


def _told(sighting: Sighting) -> str:
    """How the runtime runs it: the nodes of its own graph."""
    return ", ".join(_op(sighting.graph, index) for index in sighting.segment.nodes[-4:])


def _op(graph: Graph, index: int) -> str:
    node = graph.nodes[index]
    return f"{node.domain}::{node.op_type}" if node.domain else node.op_type
