"""inputs: what a model is fed, made from the model itself, or as a person says in `inputs/SLUG.yaml` or `.safetensors`."""

from __future__ import annotations

from pathlib import Path

from driftgate.core.errors import StageFailure, UsageError
from driftgate.core.records import InputsPayload, InputTensor
from driftgate.core.verdicts import FailureKind
from driftgate.machine.jobs import Bench, Job, given_inputs
from driftgate.stages.inputs.contents import ModelInputs, from_user, save_inputs
from driftgate.stages.inputs.maker import make_inputs
from driftgate.stages.inputs.ordered import NO_ORDERS, Orders
from driftgate.stages.inputs.override import Override, load_override
from driftgate.stages.inputs.timm import orders_of_timm
from driftgate.stages.loading import Loaded, load_job, pulled_folder
from driftgate.stages.zoo.table import row_of


def inputs(job: Job, bench: Bench) -> InputsPayload:
    """Make and save the inputs of the job's model in two sizes."""
    del bench
    loaded = load_job(job)
    path = next(iter(given_inputs(job.inputs, job.cell.model)), None)
    try:
        override = load_override(path) if path else None
        made = _made(job, loaded, override)
    except UsageError as error:  # a person's mistake in a file of theirs, found only here, where the model is
        raise StageFailure(FailureKind.CONFIG, str(error)) from error
    save_inputs(job.work, made)
    return _payload(made, loaded, path)


def _made(job: Job, loaded: Loaded, override: Override | None) -> ModelInputs:
    seed = job.seed
    if override is not None and override.given:
        return override.apply(loaded.module, None, seed)
    if loaded.inputs is not None:
        base = from_user(loaded.inputs, loaded.module, where=job.entry.ref)
        return override.apply(loaded.module, base, seed) if override else base
    if job.entry.scheme == "python":
        if override is None or not override.tensors:
            raise UsageError(
                f"{job.entry.ref} returned a module without inputs",
                mend=f"return (module, inputs), or write tensors into inputs/{job.entry.slug}.yaml",
            )
        return override.apply(loaded.module, None, seed)
    sizes = override.sizes if override else None
    base = make_inputs(loaded.module, pulled_folder(job), job.entry.identity(), sizes, seed, _orders(job, loaded))
    return override.apply(loaded.module, base, seed) if override else base


def _orders(job: Job, loaded: Loaded) -> Orders:
    if job.entry.library == "timm":
        return orders_of_timm(loaded.module)
    return row_of(job.entry.family).orders if job.entry.scheme == "zoo" else NO_ORDERS


def _payload(made: ModelInputs, loaded: Loaded, override: Path | None) -> InputsPayload:
    return InputsPayload(
        tensors=tuple(
            InputTensor(
                name=name,
                dtype=str(tensor.dtype).removeprefix("torch."),
                shape=tuple(tensor.shape),
                axes=made.axes.get(name, ()),
                how=made.how.get(name, ""),
            )
            for name, tensor in made.first.items()
        ),
        second_shapes={name: tuple(tensor.shape) for name, tensor in made.second.items()},
        arguments=made.arguments,
        seed=made.seed,
        override=override.name if override else None,
        parameters=sum(parameter.numel() for parameter in loaded.module.parameters()),
        notes=(*loaded.notes, *made.notes),
    )
