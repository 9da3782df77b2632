"""drift: a target's outputs against the reference's, tensor by tensor."""

from __future__ import annotations

from collections import Counter

from driftgate.core.drift import compare
from driftgate.core.errors import StageFailure
from driftgate.core.records import Cell, DriftPayload, InferPayload, TensorDrift
from driftgate.core.verdicts import FailureKind
from driftgate.machine.jobs import Bench, Job
from driftgate.stages.numerics import (
    Arrays,
    differences,
    holds_scores,
    load_outputs,
    outputs_file,
    tolerance_for,
)

EQUAL_SCORES = "where scores tie (random weights, a detector's top queries), a different order is no error"


def drift(job: Job, bench: Bench) -> DriftPayload:
    """Compare. Beyond tolerance is `out_of_tolerance`, with the table; a reference that differs from itself by more than
    its tolerance is `nondeterministic` instead; other names, shapes or dtypes are `shape_mismatch`."""
    del bench
    reference, candidate = job.settings.reference, job.cell.target or ""
    left, right = _outputs(job, reference), _outputs(job, candidate)
    itself = _reference_run(job)
    unlike = differences(left, right)
    if unlike:
        _refuse_unless_deterministic(itself, reference)
        raise StageFailure(
            FailureKind.SHAPE_MISMATCH,
            f"{candidate} returns other outputs than {reference}: {'; '.join(unlike[:6])}",
            hint=f"{len(unlike)} differences in all" if len(unlike) > 6 else None,
        )
    payload = compare_outputs(left, right, reference, candidate, job.entry.task).model_copy(
        update={"self_max_abs": itself.self_max_abs if itself else None}
    )
    _judge(payload, itself)
    return payload


def compare_outputs(left: Arrays, right: Arrays, reference: str, candidate: str, task: str = "other") -> DriftPayload:
    """The table of drifts of outputs that have equal names, shapes and dtypes."""
    tensors: list[TensorDrift] = []
    buckets: Counter[str] = Counter()
    for name, array in left.items():
        tensor, counted = compare(name, array, right[name], tolerance_for(array), scores=holds_scores(name, task))
        tensors.append(tensor)
        buckets.update(counted)
    return DriftPayload(reference=reference, candidate=candidate, tensors=tuple(tensors), buckets=dict(buckets))


def _outputs(job: Job, target: str) -> Arrays:
    return load_outputs(job.folder / outputs_file(target, job.cell.variant))


def _reference_run(job: Job) -> InferPayload | None:
    """What the reference's own cell says, above all whether it agrees with itself."""
    cell = Cell(model=job.cell.model, stage="infer", target=job.settings.reference, variant=job.cell.variant)
    record = job.store.record(cell)
    return record.payload if record is not None and isinstance(record.payload, InferPayload) else None


def _judge(payload: DriftPayload, itself: InferPayload | None) -> None:
    outside = [tensor for tensor in payload.tensors if not tensor.within_tolerance]
    if not outside:
        return
    _refuse_unless_deterministic(itself, payload.reference, payload)
    worst = max(outside, key=lambda tensor: tensor.max_abs or 0.0)
    raise StageFailure(
        FailureKind.OUT_OF_TOLERANCE,
        _sentence(worst),
        hint=f"{_numbers(worst, len(outside))}; {EQUAL_SCORES}",
        payload=payload,
    )


def _refuse_unless_deterministic(itself: InferPayload | None, name: str, payload: DriftPayload | None = None) -> None:
    """A reference that does not agree with itself is no measure for others."""
    if itself is None or itself.deterministic is not False:
        return
    distance = itself.self_max_abs
    told = "in shape, or in what is finite" if distance is None else f"by up to {distance:.3g}"
    raise StageFailure(
        FailureKind.NONDETERMINISTIC,
        f"{name} differs from itself from one run to the next",
        hint=f"{told}; it draws random numbers, and a comparison with another target says nothing",
        payload=payload,
    )


def _sentence(worst: TensorDrift) -> str:
    """What is wrong, in words that are the same every night: the message is what a fingerprint is made of."""
    limit = worst.tolerance
    finite = ", and not finite in the same places" if worst.nonfinite_mismatch else ""
    return f"{worst.name} is beyond its tolerance of {limit.atol:g} + {limit.rtol:g}·|reference|{finite}"


def _numbers(worst: TensorDrift, outside: int) -> str:
    parts = [f"off by {worst.max_abs:.3g}"] if worst.max_abs is not None else []
    if worst.nonfinite_mismatch:
        parts.append(f"{worst.nonfinite_mismatch} elements are NaN or infinite on one side alone")
    parts.append(
        f"{outside} of its tensors are beyond tolerance" if outside > 1 else "the other tensors are within tolerance"
    )
    return "; ".join(parts)
