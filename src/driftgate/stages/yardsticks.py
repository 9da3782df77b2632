"""What both sides of a drift are measured against besides each other: labels, and the reference run in float64."""

from __future__ import annotations

from driftgate.core.drift import is_floating, max_abs_difference
from driftgate.core.ranking import judge
from driftgate.core.records import DriftPayload, InferPayload, TensorDrift
from driftgate.machine.jobs import Job
from driftgate.stages.inputs.contents import Labels, load_labels
from driftgate.stages.numerics import Array, Arrays, class_axis, float64_file, load_outputs


def against_labels(job: Job, payload: DriftPayload, left: Arrays, right: Arrays) -> DriftPayload:
    """The payload with both sides against the labels that came with the inputs, if any did; they belong to the first size."""
    labels = load_labels(job.folder) if job.cell.variant is None else None
    if labels is None:
        return payload
    named = _scores_of(labels, left, job.entry.task)
    if named is None:
        return _noted(payload, f"labels of shape {list(labels.shape)} fit the scores of no output")
    name, axis = named
    classes = left[name].shape[axis]
    payload = payload.model_copy(update={"labelled": judge(name, left[name], right[name], labels, axis)})
    beyond = int((labels >= classes).sum())
    return _noted(payload, f"{beyond} of the labels are beyond the {classes} classes of {name}") if beyond else payload


def _scores_of(labels: Labels, outputs: Arrays, task: str) -> tuple[str, int] | None:
    """The first output with one row of scores for each label, and its axis of classes: those known to be scores come first."""
    known = {name: class_axis(name, task, array.ndim) for name, array in outputs.items()}
    for name, axis in (*known.items(), *((name, -1) for name in outputs)):
        if axis is not None and _rows_shape(outputs[name], axis) == labels.shape:
            return name, axis
    return None


def _rows_shape(scores: Array, axis: int) -> tuple[int, ...] | None:
    if not is_floating(scores) or scores.dtype.kind == "c" or scores.ndim == 0 or scores.shape[axis] < 2:
        return None
    axis %= scores.ndim
    return scores.shape[:axis] + scores.shape[axis + 1 :]


def beside_float64(
    job: Job, payload: DriftPayload, left: Arrays, right: Arrays, itself: InferPayload | None
) -> DriftPayload:
    """The payload with both sides' distance from the reference run in float64, where that was asked for, or why there is none."""
    if not job.settings.drift.fp64:
        return payload
    path = job.folder / float64_file(job.cell.variant)
    if itself is not None and itself.float64_failure:
        return _noted(payload, f"no run in float64: {itself.float64_failure}")
    if not path.is_file():
        return _noted(payload, "no run in float64: infer of the reference left none; run it again")
    exact = load_outputs(path)
    tensors = tuple(_beside(tensor, left, right, exact) for tensor in payload.tensors)
    return payload.model_copy(update={"tensors": tensors})


def _beside(tensor: TensorDrift, left: Arrays, right: Arrays, exact: Arrays) -> TensorDrift:
    name = tensor.name
    if name not in exact or not is_floating(left[name]):
        return tensor
    widened = (side[name].astype(exact[name].dtype) for side in (left, right))
    reference, candidate = (max_abs_difference(side, exact[name]) for side in widened)
    return tensor.model_copy(update={"reference_error": reference, "candidate_error": candidate})


def _noted(payload: DriftPayload, note: str) -> DriftPayload:
    return payload.model_copy(update={"notes": (*payload.notes, note)})
