"""infer: run a model on one target, keep its outputs, and take its times while the machine is quiet."""

from __future__ import annotations

from dataclasses import replace

import torch

from driftgate.core.drift import max_abs_difference
from driftgate.core.records import InferPayload
from driftgate.core.statistics import Samples, latency_of_samples
from driftgate.core.verdicts import FailureKind
from driftgate.machine.jobs import Bench, Job
from driftgate.machine.samples import samples_file, save_samples
from driftgate.stages.blame import blaming
from driftgate.stages.components import Components, around, component_rule, measure_components
from driftgate.stages.float64 import save_float64
from driftgate.stages.inputs.contents import ModelInputs, Which, load_inputs
from driftgate.stages.loading import pulled_folder
from driftgate.stages.numerics import Arrays, agree, describe_outputs, outputs_file, save_outputs
from driftgate.stages.observing import Observer
from driftgate.stages.target_plan import plan_of, size_of
from driftgate.targets import TARGETS
from driftgate.targets.base import Measured, Target


def infer(job: Job, bench: Bench) -> InferPayload:
    """Run `job.cell.target`. The reference runs twice, to know how far it is from itself."""
    name = job.cell.target or ""
    target: Target = TARGETS.load(name)()
    which = size_of(job)
    inputs = load_inputs(job.folder, which)
    plan = plan_of(job, target, inputs)
    observer = Observer(target.device, target.threads) if plan.rule else None
    torch.manual_seed(job.seed)
    with blaming(FailureKind.OTHER, f"the model fails on {name}"):
        measured = target.measure(replace(plan, alone=bench.alone, steady=observer))
    save_outputs(job.work / outputs_file(name, job.cell.variant), measured.outputs)
    payload = _payload(measured, _batch(inputs))
    if plan.second_run and job.settings.drift.fp64:
        payload = payload.model_copy(update={"float64_failure": save_float64(job, inputs)})
    if measured.samples is None or observer is None:
        return payload
    with bench.alone():
        components = _components(job, inputs, which, measured.outputs)
    return _with_times(job, payload, measured.samples, components, observer, measured.device_peak_bytes)


def _payload(measured: Measured, batch: int | None) -> InferPayload:
    return InferPayload(
        device=measured.device,
        placement=measured.placement,
        init_s=measured.init_s,
        first_s=measured.first_s,
        batch=batch,
        outputs=describe_outputs(measured.outputs, measured.second_outputs),
        self_max_abs=_self_distance(measured.outputs, measured.second_outputs),
        deterministic=agree(measured.outputs, measured.second_outputs) if measured.second_outputs is not None else None,
    )


def _components(job: Job, inputs: ModelInputs, which: Which, outputs: Arrays) -> Components:
    works = around(inputs, int(which == "second"), pulled_folder(job), outputs, job.entry.task)
    return measure_components(works, component_rule(job.settings.latency.budget))


def _with_times(
    job: Job,
    payload: InferPayload,
    samples: Samples,
    components: Components,
    observer: Observer,
    device_peak: int | None,
) -> InferPayload:
    """The payload with everything that times say, and the raw samples beside it."""
    path = job.work / samples_file(job.cell.target or "", job.cell.variant)
    save_samples(path, {"infer": samples, **components.samples})
    latency = latency_of_samples(samples)
    times = {name: latency_of_samples(stream) for name, stream in components.samples.items()}
    p50 = {name: one.p50 for name, one in {"infer": latency, **times}.items()}
    return payload.model_copy(
        update={
            "latency": latency,
            "throughput": payload.batch / latency.mean if payload.batch else None,
            "components": {name: p50[name] for name in ("pre", "infer", "post") if name in p50},
            "component_times": times,
            "component_notes": components.notes,
            "conditions": observer.conditions(),
            "memory": observer.memory(device_peak),
            "energy": observer.energy(len(samples.nanoseconds), payload.batch),
            "samples_file": path.name,
        }
    )


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
