"""export: one exporter, one process, one ONNX file (or the reason why not).

`job.part` is the exporter. The ladder tries one after the other, each in a fresh process, because the second changes how
the first behaves; `driftgate.core.ladder.join_attempts` makes one record of the tries.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from driftgate.core.errors import StageFailure, UsageError, did_you_mean
from driftgate.core.needs import DYNAMIC
from driftgate.core.nesting import Flat, flatten
from driftgate.core.records import ExportAttempt, ExportPayload
from driftgate.core.verdicts import FailureKind, Verdict, verdict_of
from driftgate.machine.files import sha256_of
from driftgate.machine.jobs import Bench, Job
from driftgate.stages.blame import attempt, blaming, describe
from driftgate.stages.exporting import graph, naming
from driftgate.stages.exporting.exporters import EXPORTERS, Axes, Exported
from driftgate.stages.exporting.failures import explaining, summary_of
from driftgate.stages.exporting.flops import count_flops
from driftgate.stages.exporting.inference import infer
from driftgate.stages.exporting.shortcuts import take_shortcuts
from driftgate.stages.loading import Ready, ready


@dataclass(frozen=True)
class _Try:
    """One exporter's turn at a cell."""

    job: Job
    exporter: str
    began: float = field(default_factory=time.perf_counter)

    @property
    def dynamic(self) -> bool:
        return self.job.cell.variant == DYNAMIC

    def path(self, ending: str) -> Path:
        variant = self.job.cell.variant
        return self.job.work / f"model{f'@{variant}' if variant else ''}.{ending}"

    def ended(self, verdict: Verdict, **more: Any) -> ExportAttempt:
        seconds = time.perf_counter() - self.began
        return ExportAttempt(exporter=self.exporter, dynamic=self.dynamic, verdict=verdict, seconds=seconds, **more)


def export(job: Job, bench: Bench) -> ExportPayload:
    """Export with `job.part` into `job.work`. A failure carries the try as its payload."""
    del bench
    turn = _Try(job, job.part or "dynamo")
    if turn.exporter not in EXPORTERS:
        raise UsageError(f"unknown exporter {turn.exporter!r}", mend=did_you_mean(turn.exporter, EXPORTERS))
    try:
        made = _export(turn)
    except StageFailure as failure:
        failure.payload = ExportPayload(attempts=(turn.ended(verdict_of(failure.kind), failure=summary_of(failure)),))
        raise
    ended = turn.ended(Verdict.PASSED, opset=made.opset, node_count=made.node_count)
    return made.model_copy(update={"attempts": (ended,)})


def _export(turn: _Try) -> ExportPayload:
    subject = ready(turn.job)
    axes = _axes(subject) if turn.dynamic else {}
    returned = outputs_of(subject)
    take_shortcuts()
    with explaining(subject.module, turn.exporter), torch.no_grad():
        exported = EXPORTERS[turn.exporter](subject, axes, turn.job.settings.export.opset)
    model, path = exported.model, turn.path("onnx")
    adopted = graph.adopt_constants(model)
    renamed_outputs = naming.name_outputs(model, returned.leaves, subject.inputs.first)
    renamed_inputs = naming.name_inputs(model, subject.inputs.first)
    naming.name_axes(model, axes)
    with blaming(FailureKind.OTHER, "the ONNX file cannot be written"):
        external = graph.save(model, path)
    checked = graph.check(path)
    return ExportPayload(
        exporter=turn.exporter,
        opset=model.opset_imports.get(""),
        weight_bytes=graph.weight_bytes(model),
        file=path.name,
        sha256=sha256_of(path),
        dynamic_axes=graph.dynamic_axes(model),
        checker=checked,
        inputs=tuple(value.name or "" for value in model.graph.inputs),
        outputs=tuple(returned.leaves),
        external_data=external is not None,
        external_bytes=external,
        unused_inputs=graph.unused_inputs(model, subject.inputs.first),
        renamed_inputs=renamed_inputs,
        renamed_outputs=renamed_outputs,
        output_names=naming.other_names(model, returned.leaves),
        constant_outputs=graph.constant_outputs(model),
        dropped_outputs=returned.notes,
        warnings=(*exported.warnings, *adopted),
        **_operators(model, path, axes, subject),
        **_program(turn, exported),
    )


def _operators(model: Any, path: Path, axes: Axes, subject: Ready) -> dict[str, Any]:
    """What the graph computes: operators, and with the shapes that inference finds, their cost at the first input size."""
    histogram = graph.op_histogram(model)
    inferred = infer(path)
    sizes = {axis: subject.inputs.first[name].shape[i] for name, dims in axes.items() for i, axis in dims.items()}
    flops = count_flops(inferred, sizes)
    return {
        "node_count": sum(histogram.values()),
        "op_histogram": histogram,
        "shape_inference": inferred.record,
        "flops": flops.total,
        "flops_by_op": flops.by_op,
        "flops_unknown": flops.unknown,
    }


def _program(turn: _Try, exported: Exported) -> dict[str, str]:
    """The `torch.export` artifact, where it was asked for: its file, or why there is none."""
    if not turn.job.settings.export.pt2:
        return {}
    if exported.program is None:
        return {"pt2_problem": f"the {turn.exporter} exporter hands over no exported program"}
    path = turn.path("pt2")
    error = attempt(lambda: torch.export.save(exported.program, path))
    if error is None:
        return {"pt2": path.name}
    path.unlink(missing_ok=True)
    return {"pt2_problem": describe(error)}


def outputs_of(subject: Ready) -> Flat:
    """The tensors that the model itself returns, by name, in order; the rest as notes. Raises StageFailure(`other`) if it fails."""
    with blaming(FailureKind.OTHER, "the model's output cannot be named"):
        found = flatten(subject.eager(), lambda value: isinstance(value, Tensor))
    if not found.leaves:
        told = f" ({', '.join(found.notes[:5])})" if found.notes else ""
        raise StageFailure(FailureKind.OTHER, f"the model returned no tensor{told}", hint="a graph has at least one")
    return found


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
