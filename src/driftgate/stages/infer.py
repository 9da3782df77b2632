"""infer: run a model on one target, keep its outputs, and take its times while the machine is quiet."""

from __future__ import annotations

from pathlib import Path

import torch

from driftgate.core.drift import max_abs_difference
from driftgate.core.errors import StageFailure
from driftgate.core.records import Cell, ExportPayload, InferPayload, Latency
from driftgate.core.statistics import latency_of
from driftgate.core.verdicts import FailureKind
from driftgate.machine.jobs import Bench, Job
from driftgate.stages.blame import blaming
from driftgate.stages.inputs.contents import ModelInputs, Which, load_inputs
from driftgate.stages.loading import load_job
from driftgate.stages.numerics import Arrays, agree, describe_outputs, outputs_file, save_outputs
from driftgate.targets import TARGETS
from driftgate.targets.arrays import to_numpy
from driftgate.targets.base import Measured, Plan, Target
from driftgate.targets.timing import StoppingRule

DYNAMIC = "dynamic"


def infer(job: Job, bench: Bench) -> InferPayload:
    """Run `job.cell.target`. The reference runs twice, to know how far it is from itself."""
    name = job.cell.target or ""
    target: Target = TARGETS.load(name)()
    which: Which = "second" if job.cell.variant == DYNAMIC else "first"
    inputs = load_inputs(job.folder, which)
    plan = _plan(job, bench, target, inputs)
    torch.manual_seed(job.seed)
    with blaming(FailureKind.OTHER, f"the model fails on {name}"):
        measured = target.measure(plan)
    save_outputs(job.work / outputs_file(name, job.cell.variant), measured.outputs)
    return _payload(measured, _batch(inputs))


def _plan(job: Job, bench: Bench, target: Target, inputs: ModelInputs) -> Plan:
    latency = job.settings.latency
    return Plan(
        inputs={name: to_numpy(tensor) for name, tensor in inputs.first.items()},
        arguments=inputs.arguments,
        positional=inputs.positional,
        module=load_job(job).module if target.needs == "module" else None,
        onnx=_exported(job) if target.needs == "onnx" else None,
        rule=StoppingRule(latency.budget, latency.precision) if latency.enabled else None,
        second_run=job.cell.target == job.settings.reference,
        alone=bench.alone,
        cache=job.cache / "inductor",
    )


def _exported(job: Job) -> Path:
    """The file that the export cell of the same variant left."""
    cell = Cell(model=job.cell.model, stage="export", variant=job.cell.variant)
    record = job.store.record(cell)
    payload = record.payload if record is not None else None
    if not isinstance(payload, ExportPayload) or payload.file is None:
        raise StageFailure(FailureKind.UPSTREAM, f"{cell.name} left no ONNX file", hint="run export first")
    path = job.folder / Path(payload.file).name
    if not path.is_file():
        raise StageFailure(FailureKind.UPSTREAM, f"{path.name} is gone", hint="run export again with keep.onnx: always")
    return path


def _payload(measured: Measured, batch: int | None) -> InferPayload:
    latency = _latency(measured)
    return InferPayload(
        device=measured.device,
        placement=measured.placement,
        init_s=measured.init_s,
        first_s=measured.first_s,
        latency=latency,
        throughput=batch / latency.mean if latency and batch else None,
        batch=batch,
        components={"infer": latency.p50} if latency else {},
        outputs=describe_outputs(measured.outputs),
        self_max_abs=_self_distance(measured.outputs, measured.second_outputs),
        deterministic=agree(measured.outputs, measured.second_outputs) if measured.second_outputs is not None else None,
    )


def _latency(measured: Measured) -> Latency | None:
    samples = measured.samples
    if samples is None:
        return None
    return latency_of(samples.nanoseconds, warmup=samples.warmup, stopped_by=samples.stopped_by)


def _self_distance(first: Arrays, second: Arrays | None) -> float | None:
    """The largest difference between two runs. None for one run, or where the runs cannot be compared element by element."""
    if second is None or first.keys() != second.keys():
        return None
    distances = [max_abs_difference(first[name], second[name]) for name in first if first[name].size]
    known = [distance for distance in distances if distance is not None]
    return max(known, default=0.0) if len(known) == len(distances) else None


def _batch(inputs: ModelInputs) -> int | None:
    """The length of the axis called `batch`, in the first tensor that has one."""
    for name, tensor in inputs.first.items():
        axes = inputs.axes.get(name, ())
        if "batch" in axes and axes.index("batch") < tensor.dim():
            return int(tensor.shape[axes.index("batch")])
    return None
