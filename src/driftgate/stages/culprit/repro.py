"""A reproduction: the smallest part of the graph that still differs, what it is fed and should return, and a script that runs it.

model.onnx              the part, its weights inside
test_data_set_0/        input_N.pb and output_N.pb, as ONNX keeps test data: the reference's values
case.json               what it is, how it is run, what it may differ by
repro.py                exits 1 while it still differs; needs numpy, onnx and onnxruntime
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import onnx
from onnx.external_data_helper import load_external_data_for_model

from driftgate.core.records import Tolerance
from driftgate.machine.files import write_atomic
from driftgate.stages.culprit.graphs import Arrays, Graph
from driftgate.stages.culprit.own_error import drifting, local_tolerance
from driftgate.stages.culprit.runtime import Level
from driftgate.stages.culprit.search import Case, Found
from driftgate.stages.culprit.segments import comparable, fitting

MOST_BYTES = 256 << 20
GROWTH = (8, 32, 128)
"""Nodes above the culprit that are taken along where the culprit alone does not differ."""
DATA = "test_data_set_0"


@dataclass(frozen=True)
class _Part:
    """Nodes of a graph, what flows in, what the reference made of it, and how it is run."""

    graph: Graph
    nodes: tuple[int, ...]
    feed: Arrays
    expected: Arrays
    tolerances: dict[str, Tolerance]
    level: Level = Level.FULL


def write_repro(case: Case, found: Found, folder: Path, title: str) -> int | None:
    """Write the smallest part that still differs; its bytes. None where none of at most `MOST_BYTES` does."""
    for part in _parts(case, found):
        model = _model(part)
        if model.ByteSize() <= MOST_BYTES and _differs(case, part, model):
            _write(case, part, model, folder, title)
            return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return None


def _parts(case: Case, found: Found) -> Iterator[_Part]:
    """From the culprit alone, as exported and as the runtime has it, by way of what lies above it to the whole file."""
    seen = found.sighting
    if seen is not None:
        given = {name: seen.reference[name] for name in seen.segment.inputs}
        expected = {name: seen.reference[name] for name in seen.segment.outputs}
        tolerances = _tolerances(found, expected, seen.own)
        yield _part(case, case.exported, given, expected, tolerances)
        if seen.graph is not case.exported:
            yield _part(case, seen.graph, given, expected, tolerances, Level.AS_IT_IS)
        for count in GROWTH:
            yield _part(case, case.exported, _above(case, expected, count), expected, tolerances)
    yield _part(case, case.exported, {}, case.reference, case.tolerances)


def _part(
    case: Case, graph: Graph, given: Arrays, expected: Arrays, limits: dict[str, Tolerance], level: Level = Level.FULL
) -> _Part:
    nodes = graph.needed(expected, given)
    values = {**case.feed, **given}
    read = dict.fromkeys(name for index in nodes for name in graph.reads[index] if name in values)
    return _Part(graph, tuple(nodes), fitting(graph, values, read), expected, limits, level)


def _above(case: Case, expected: Arrays, count: int) -> Arrays:
    """The reference's values that flow into the last `count` nodes above the culprit."""
    near = case.exported.needed(expected, ())[-count:]
    made = {name for index in near for name in case.exported.nodes[index].output}
    cuts = comparable(case.exported, case.source.names, case.source.graph) - made
    nodes = case.exported.needed(expected, cuts)
    wanted = {name for index in nodes for name in case.exported.reads[index] if name in cuts}
    return {name: array for chunk in case.source.chunks(wanted) for name, array in chunk.items()}


def _tolerances(found: Found, expected: Arrays, own: Arrays) -> dict[str, Tolerance]:
    """What the outputs of the culprit may differ by; half of its own error where that is within tolerance, and magnified below."""
    limits = {name: local_tolerance(expected[name], own[name]) for name in expected if name in own}
    if found.magnified is None or found.sighting is None:
        return limits
    part = found.sighting.excess / 2
    return {
        name: Tolerance(atol=limit.atol * part, rtol=limit.rtol * part, reason="half of the node's own error")
        for name, limit in limits.items()
    }


def _model(part: _Part) -> onnx.ModelProto:
    """The part as a model of its own, weights inside, under the outputs' own names."""
    model = part.graph.part(part.nodes, part.feed, part.expected)
    load_external_data_for_model(model, str(part.graph.folder))
    return model


def _differs(case: Case, part: _Part, model: onnx.ModelProto) -> bool:
    made = case.runtime.run(model, part.graph.folder, part.feed, part.expected.keys(), part.level)
    return bool(drifting(part.expected, made, part.tolerances))


def _write(case: Case, part: _Part, model: onnx.ModelProto, folder: Path, title: str) -> None:
    write_atomic(folder / "model.onnx", model.SerializeToString())
    for kind, arrays in (("input", part.feed), ("output", part.expected)):
        for number, (name, array) in enumerate(arrays.items()):
            tensor = onnx.numpy_helper.from_array(array, name)
            write_atomic(folder / DATA / f"{kind}_{number}.pb", tensor.SerializeToString())
    about = {
        "title": title,
        "provider": case.runtime.provider,
        "optimise": part.level is Level.FULL,
        "nodes": [part.graph.name_of(index) for index in part.nodes],
        "tolerances": {name: limit.model_dump(include={"atol", "rtol"}) for name, limit in part.tolerances.items()},
    }
    write_atomic(folder / "case.json", json.dumps(about, indent=1) + "\n")
    script = (files("driftgate") / "stages" / "culprit" / "repro_script.txt").read_text("utf-8")
    write_atomic(folder / "repro.py", script)
