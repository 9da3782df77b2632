"""export: one exporter, one process, one ONNX file (or the reason why not).

`job.part` is the exporter. The ladder tries one after the other, each in a fresh process, because the second changes how
the first behaves; `driftgate.core.ladder.join_attempts` makes one record of the tries.
"""

from __future__ import annotations

import time

import torch
from torch import Tensor

from driftgate.core.errors import StageFailure, UsageError, did_you_mean
from driftgate.core.nesting import flatten
from driftgate.core.records import ExportAttempt, ExportPayload
from driftgate.core.verdicts import FailureKind, Verdict, verdict_of
from driftgate.machine.files import sha256_of
from driftgate.machine.jobs import Bench, Job
from driftgate.stages.blame import blaming
from driftgate.stages.exporting import graph
from driftgate.stages.exporting.exporters import EXPORTERS, Axes
from driftgate.stages.exporting.failures import kind_of
from driftgate.stages.exporting.registry import keep_registry
from driftgate.stages.loading import Ready, ready

DYNAMIC = "dynamic"


def export(job: Job, bench: Bench) -> ExportPayload:
    """Export with `job.part` into `job.work`. A failure carries the try as its payload."""
    del bench
    exporter, dynamic = job.part or "dynamo", job.cell.variant == DYNAMIC
    if exporter not in EXPORTERS:
        raise UsageError(f"unknown exporter {exporter!r}", mend=did_you_mean(exporter, EXPORTERS))
    began = time.perf_counter()
    try:
        made = _export(job, exporter, dynamic)
    except StageFailure as failure:
        failure.payload = ExportPayload(attempts=(_attempt(exporter, dynamic, verdict_of(failure.kind), began),))
        raise
    return made.model_copy(update={"attempts": (_attempt(exporter, dynamic, Verdict.PASSED, began),)})


def _attempt(exporter: str, dynamic: bool, verdict: Verdict, began: float) -> ExportAttempt:
    return ExportAttempt(exporter=exporter, dynamic=dynamic, verdict=verdict, seconds=time.perf_counter() - began)


def _export(job: Job, exporter: str, dynamic: bool) -> ExportPayload:
    subject = ready(job)
    axes = _axes(subject) if dynamic else {}
    expected = outputs_of(subject)
    keep_registry()
    with blaming(kind_of, f"the {exporter} exporter failed"), torch.no_grad():
        model = EXPORTERS[exporter](subject, axes, job.settings.export.opset)
    graph.name_outputs(model, expected)
    graph.name_inputs(model, subject.inputs.first)
    graph.name_axes(model, axes)
    path = job.work / f"model{f'@{job.cell.variant}' if job.cell.variant else ''}.onnx"
    with blaming(FailureKind.OTHER, "the ONNX file cannot be written"):
        graph.save(model, path)
    checked = graph.check(path)
    histogram = graph.op_histogram(model)
    return ExportPayload(
        exporter=exporter,
        opset=model.opset_imports.get(""),
        node_count=sum(histogram.values()),
        op_histogram=histogram,
        weight_bytes=graph.weight_bytes(model),
        file=path.name,
        sha256=sha256_of(path),
        dynamic_axes=graph.dynamic_axes(model),
        checker=checked,
        inputs=tuple(value.name or "" for value in model.graph.inputs),
        outputs=tuple(expected),
    )


def outputs_of(subject: Ready) -> dict[str, Tensor]:
    """The tensors that the model itself returns, by name, in order. Raises StageFailure(`inputs`) if it fails."""
    with blaming(FailureKind.OTHER, "the model's output cannot be named"):
        found = flatten(subject.eager(), lambda value: isinstance(value, Tensor))
    if not found.leaves:
        told = f" ({', '.join(found.notes[:5])})" if found.notes else ""
        raise StageFailure(FailureKind.OTHER, f"the model returned no tensor{told}", hint="a graph has at least one")
    return dict(found.leaves)


def _axes(subject: Ready) -> Axes:
    """What differs between the two input sizes is dynamic; everything else is fixed."""
    axes = {name: dimensions for name, dimensions in subject.inputs.varying().items() if dimensions}
    if not axes:
        raise StageFailure(
            FailureKind.INPUTS,
            "a dynamic export needs inputs in two sizes, and this model has them in one",
            hint="give `sizes` in inputs/SLUG.yaml, or turn export.dynamic off",
        )
    return axes
