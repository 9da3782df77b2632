"""What a target is given to run for a job: the model in the form it needs, the inputs, and when to stop."""

from __future__ import annotations

from pathlib import Path

from driftgate.core.errors import StageFailure
from driftgate.core.needs import DYNAMIC
from driftgate.core.records import Cell, ExportPayload
from driftgate.core.verdicts import FailureKind
from driftgate.machine.jobs import Job
from driftgate.stages.inputs.contents import ModelInputs, Which
from driftgate.stages.loading import load_job
from driftgate.targets.arrays import to_numpy
from driftgate.targets.base import Plan, Target
from driftgate.targets.timing import StoppingRule


def size_of(job: Job) -> Which:
    """Which of a model's two inputs the job's variant runs."""
    return "second" if job.cell.variant == DYNAMIC else "first"


def plan_of(job: Job, target: Target, inputs: ModelInputs) -> Plan:
    """What the job's target is to run, and until when."""
    latency, runs_graph = job.settings.latency, target.needs == "onnx"
    rule = StoppingRule(latency.budget, latency.precision, p99_precision=latency.p99_precision)
    return Plan(
        inputs={name: to_numpy(tensor) for name, tensor in inputs.first.items()},
        arguments=inputs.arguments,
        positional=inputs.positional,
        module=load_job(job).module if target.needs == "module" else None,
        onnx=exported_file(job) if runs_graph else None,
        own_names={graph: own for own, graph in export_payload(job).output_names.items()} if runs_graph else {},
        rule=rule if latency.enabled else None,
        second_run=job.cell.target == job.settings.reference,
        cache=job.cache / "inductor",
    )


def export_payload(job: Job) -> ExportPayload:
    """What the export cell of the same variant says of the file that it left."""
    cell = Cell(model=job.cell.model, stage="export", variant=job.cell.variant)
    record = job.store.record(cell)
    payload = record.payload if record is not None else None
    if not isinstance(payload, ExportPayload) or payload.file is None:
        raise StageFailure(FailureKind.UPSTREAM, f"{cell.name} left no ONNX file", hint="run export first")
    return payload


def exported_file(job: Job) -> Path:
    """The file that the export cell of the same variant left."""
    path = job.folder / Path(export_payload(job).file or "").name
    if not path.is_file():
        raise StageFailure(FailureKind.UPSTREAM, f"{path.name} is gone", hint="run export again with keep.onnx: always")
    return path
