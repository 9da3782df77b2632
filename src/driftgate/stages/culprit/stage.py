"""The part of a drift cell that looks for the culprit, after a drift beyond tolerance. Its own process; its end changes no verdict."""

from __future__ import annotations

from dataclasses import dataclass

from driftgate.core.errors import StageFailure
from driftgate.core.needs import DYNAMIC
from driftgate.core.records import DriftPayload, Tolerance
from driftgate.machine.jobs import Bench, Job
from driftgate.machine.tolerances import tolerances_in
from driftgate.stages.culprit.answer import culprit_of, repro_folder
from driftgate.stages.culprit.graphs import Arrays, Graph, read_graph
from driftgate.stages.culprit.own_error import drifting
from driftgate.stages.culprit.runtime import Runtime
from driftgate.stages.culprit.search import Case, search
from driftgate.stages.culprit.sources import OnnxSource, Source
from driftgate.stages.culprit.torch_source import TorchSource, source_of
from driftgate.stages.inputs.contents import ModelInputs, load_inputs
from driftgate.stages.loading import ready
from driftgate.stages.numerics import load_outputs, outputs_file, tolerance_for
from driftgate.stages.target_plan import export_payload, exported_file, size_of
from driftgate.targets import TARGETS
from driftgate.targets.arrays import to_numpy
from driftgate.targets.onnx_runtime import OrtTarget

SCRATCH = ".search"
"""A name with a dot: nothing in it becomes part of the run."""


@dataclass(frozen=True)
class _Reference:
    """What the reference returned, and what the candidate may differ by."""

    outputs: Arrays
    tolerances: dict[str, Tolerance]


def culprit(job: Job, bench: Bench) -> DriftPayload:
    """A drift payload that holds the culprit alone, or the reason why none is named; the reproduction goes into `job.work`."""
    del bench
    candidate = job.cell.target or ""
    told = DriftPayload(reference=job.settings.reference, candidate=candidate, tensors=())
    provider = _provider(candidate)
    if provider is None:
        return told.model_copy(update={"culprit_note": _no_graph(candidate)})
    missing = TARGETS.load(candidate).available()
    if missing is not None:  # a run of several machines is judged on one of them
        return told.model_copy(update={"culprit_note": f"a culprit is sought where {candidate} runs: {missing}"})
    case, note = _case(job, provider)
    if case is None:
        return told.model_copy(update={"culprit_note": note})
    answer = search(case)
    name = repro_folder(candidate, job.cell.variant)
    found = culprit_of(case, answer, job.work / name, name)
    if found is None and isinstance(case.source, TorchSource) and _captured_otherwise(case.source, case):
        note = "the program that torch.export captures differs from the module itself: the drift begins before any node"
    return told.model_copy(update={"culprit": found, "culprit_note": note or answer.note})


def _case(job: Job, provider: str) -> tuple[Case | None, str | None]:
    """What is to be searched, and what to know of it; None where there is nothing to compare the file's values with."""
    work = job.work / SCRATCH
    work.mkdir()
    path, reference, inputs = exported_file(job), _reference(job), load_inputs(job.folder)
    exported = read_graph(path, work)
    arrays = {name: to_numpy(tensor) for name, tensor in inputs.tensors(size_of(job)).items()}
    feed = {name: arrays[name] for name in exported.inputs}
    note = None
    try:
        source = _source(job, exported, feed, inputs)
    except StageFailure as failure:
        file = _from_the_file(exported, feed, reference)
        if file is None:
            return None, f"{failure.message}, and the exported file differs from the reference as it is"
        source, note = file, f"the reference here is the exported file without the runtime's changes: {failure.message}"
    return Case(
        path=path,
        exported=exported,
        source=source,
        runtime=Runtime(provider),
        feed=feed,
        reference=reference.outputs,
        work=work,
        tolerances=reference.tolerances,
    ), note


def _provider(target: str) -> str | None:
    """The execution provider of a target of ONNX Runtime; None for any other."""
    kind = TARGETS.load(target)
    return str(kind.provider) if issubclass(kind, OrtTarget) else None


def _no_graph(target: str) -> str:
    if target.startswith("torch-"):
        return (
            f"{target} runs the module as a whole: it has no exported graph whose nodes could be looked at one by one; "
            "compare it with ort-cpu, and see `driftgate explain` for what it compiles"
        )
    return f"the values inside {target} cannot be looked at: a culprit is sought for targets of ONNX Runtime"


def _reference(job: Job) -> _Reference:
    """By the names of the exported graph, in which everything is searched."""
    named = export_payload(job).output_names
    returned = load_outputs(job.folder / outputs_file(job.settings.reference, job.cell.variant))
    reference = {named.get(name, name): array for name, array in returned.items()}
    table = tolerances_in(job.store)
    tolerances = {
        name: tolerance_for(array, table, job.entry.task, job.cell.target) for name, array in reference.items()
    }
    return _Reference(reference, tolerances)


def _source(job: Job, exported: Graph, feed: Arrays, inputs: ModelInputs) -> Source:
    """Where the reference's values come from: the exported file on the reference's provider, or torch."""
    provider = None if job.settings.reference.startswith("torch-") else _provider(job.settings.reference)
    if provider is not None:
        return OnnxSource(exported, Runtime(provider), feed)
    dynamic = job.cell.variant == DYNAMIC
    axes = {name: axes for name, axes in inputs.varying().items() if axes} if dynamic else {}
    exporter = export_payload(job).exporter or "dynamo"
    return source_of(ready(job), exported, axes, exporter, job.settings.export.opset, size_of(job))


def _from_the_file(exported: Graph, feed: Arrays, reference: _Reference) -> OnnxSource | None:
    """The exported file, run as it is, in place of the reference: where it agrees with it, the runtime's changes are to blame."""
    runtime = Runtime()
    made = runtime.run(exported.model, exported.folder, feed, exported.outputs)
    return None if drifting(reference.outputs, made, reference.tolerances) else OnnxSource(exported, runtime, feed)


def _captured_otherwise(source: TorchSource, case: Case) -> bool:
    """Whether the program's own outputs are beyond tolerance already."""
    made = {name: array for chunk in source.chunks(case.reference.keys()) for name, array in chunk.items()}
    return bool(drifting({n: a for n, a in case.reference.items() if n in made}, made, case.tolerances))
