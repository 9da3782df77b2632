"""Two small ONNX files, one of them at fault, made ready for a search."""

from collections.abc import Callable
from pathlib import Path

import onnx

from driftgate.core.records import Culprit
from driftgate.stages.culprit.answer import culprit_of
from driftgate.stages.culprit.graphs import Arrays, read_graph
from driftgate.stages.culprit.runtime import Runtime
from driftgate.stages.culprit.search import Answer, Case, search
from driftgate.stages.culprit.sources import OnnxSource


def case_of(
    folder: Path,
    model: onnx.ModelProto,
    feed: Arrays,
    change: Callable[[onnx.ModelProto], object] = lambda model: None,
    runtime: Runtime | None = None,
) -> Case:
    """The model against a changed copy of it, which `runtime` runs."""
    reference, candidate, work = folder / "reference.onnx", folder / "candidate.onnx", folder / "work"
    work.mkdir(exist_ok=True)
    onnx.save(model, reference)
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    change(changed)
    onnx.save(changed, candidate)
    plain = Runtime()
    graph = read_graph(reference, work)
    return Case(
        path=candidate,
        exported=read_graph(candidate, work),
        source=OnnxSource(graph, plain, feed),
        runtime=runtime or plain,
        feed=feed,
        reference=plain.outputs(reference, feed),
        work=work,
    )


def drifts(case: Case) -> bool:
    return case.drifts(case.runtime.outputs(case.path, case.feed))


def answer_of(case: Case) -> Answer:
    assert drifts(case)
    return search(case)


def culprit_in(case: Case, folder: Path | None = None) -> Culprit:
    found = culprit_of(case, answer_of(case), folder, "repro")
    assert found is not None
    return found
