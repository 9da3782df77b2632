"""profile: which operators a step of a model spends its time in, by the profiler of the runtime itself."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch import nn

from driftgate.core.errors import StageFailure
from driftgate.core.records import ProfilePayload
from driftgate.core.verdicts import FailureKind
from driftgate.machine.jobs import Bench, Job
from driftgate.stages.blame import blaming
from driftgate.stages.inputs.contents import load_inputs
from driftgate.stages.profiling import onnx_ops, table, torch_ops
from driftgate.stages.target_plan import plan_of, size_of
from driftgate.targets import TARGETS
from driftgate.targets.base import Plan, Target
from driftgate.targets.onnx_runtime import OrtTarget
from driftgate.targets.torch_eager import TorchTarget

COMPILED = "a kernel of Inductor bears the names of the operators that it fuses; which module they are from is not in the trace"


def profile(job: Job, bench: Bench) -> ProfilePayload:
    """Profile `job.cell.target` while the machine is quiet."""
    name = job.cell.target or ""
    target: Target = TARGETS.load(name)()
    if not isinstance(target, OrtTarget | TorchTarget):
        raise StageFailure(
            FailureKind.UNAVAILABLE, f"there is no profiler for {name}", hint="torch and ONNX Runtime have one"
        )
    plan = plan_of(job, target, load_inputs(job.folder, size_of(job)))
    torch.manual_seed(job.seed)
    with blaming(FailureKind.OTHER, f"the model fails on {name}"):
        if isinstance(target, OrtTarget):
            return _onnx(job, bench, target, plan)
        return _torch(job, bench, target, plan)


def _onnx(job: Job, bench: Bench, target: OrtTarget, plan: Plan) -> ProfilePayload:
    watched: OrtTarget = TARGETS.load(target.name)()
    with tempfile.TemporaryDirectory(dir=job.work, prefix=".") as work, bench.alone():
        steps, notes = onnx_ops.profile_onnx(target, watched, plan, Path(work), job.settings.latency.budget)
    return table.payload(steps, profiler="ONNX Runtime", device=target.device, notes=notes)


def _torch(job: Job, bench: Bench, target: TorchTarget, plan: Plan) -> ProfilePayload:
    compiled = torch_ops.is_compiled(target)
    if compiled:
        torch_ops.name_kernels()
    target.prepare_to_run(plan)
    module = plan.module if isinstance(plan.module, nn.Module) and not compiled else None
    with bench.alone(), target.bound() as run:
        steps, notes = torch_ops.profile_torch(run, module, target.device, job.settings.latency.budget)
    told = (*notes, COMPILED) if compiled else notes
    return table.payload(steps, profiler="torch.profiler", device=target.device, notes=told)
