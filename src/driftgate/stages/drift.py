"""drift: a target's outputs against the reference's, tensor by tensor."""

from __future__ import annotations

from collections import Counter

from driftgate.core.drift import compare
from driftgate.core.errors import StageFailure
from driftgate.core.records import Cell, DriftPayload, InferPayload, TensorDrift
from driftgate.core.text import plural
from driftgate.core.tolerances import ToleranceTable
from driftgate.core.verdicts import FailureKind
from driftgate.machine.jobs import Bench, Job
from driftgate.machine.tolerances import tolerances_in
from driftgate.stages.numerics import Arrays, class_axis, differences, load_outputs, outputs_file, tolerance_for
from driftgate.stages.yardsticks import against_labels, beside_float64

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
    payload = compare_outputs(left, right, reference, candidate, job.entry.task, tolerances_in(job.store))
    payload = payload.model_copy(update={"self_max_abs": itself.self_max_abs if itself else None})
    payload = beside_float64(job, against_labels(job, payload, left, right), left, right, itself)
    _judge(payload, itself)
    return payload


def compare_outputs(
    left: Arrays,
    right: Arrays,
    reference: str,
    candidate: str,
    task: str = "other",
    table: ToleranceTable | None = None,
) -> DriftPayload:
    """The table of drifts of outputs that have equal names, shapes and dtypes."""
    tensors: list[TensorDrift] = []
    buckets: Counter[str] = Counter()
    for name, array in left.items():
        tolerance = tolerance_for(array, table, task, candidate)
        axis = class_axis(name, task, array.ndim)
        tensor, counted = compare(name, array, right[name], tolerance, class_axis=axis)
        tensors.append(tensor)
        buckets.update(counted)
    notes = tuple(note for tensor in tensors for note in _what_is_not_finite(tensor, reference))
    return DriftPayload(
        reference=reference, candidate=candidate, tensors=tuple(tensors), buckets=dict(buckets), notes=notes
    )


def _what_is_not_finite(tensor: TensorDrift, reference: str) -> tuple[str, ...]:
    """An output full of NaN on both sides is within tolerance: nothing of it was compared, and that must be seen."""
    if not tensor.reference_nonfinite:
        return ()
    told = f"{tensor.name}: {plural(tensor.reference_nonfinite, 'element')} of {reference} NaN or infinite"
    return (f"{told}, none left to compare" if tensor.compared == 0 else f"{told}, {tensor.compared:,} compared",)


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
    own = {output.name: output.self_max_abs for output in itself.outputs} if itself else {}
    if all(_is_noise(tensor, own.get(tensor.name)) for tensor in outside):
        raise _nondeterministic(payload.reference, f"{_sentence(outside[0])}, and so it is from itself", payload)
    worst = max(outside, key=lambda tensor: tensor.max_abs or 0.0)
    raise StageFailure(
        FailureKind.OUT_OF_TOLERANCE,
        _sentence(worst),
        hint=f"{_numbers(worst, len(outside))}; {EQUAL_SCORES}",
        payload=payload,
    )


def _is_noise(tensor: TensorDrift, own: float | None) -> bool:
    """Whether the reference is as far from itself, run to run, as the candidate is from it. `deterministic` was judged when the
    reference ran; the tolerance may be another one by now."""
    return tensor.nonfinite_mismatch == 0 and bool(own) and (tensor.max_abs or 0.0) <= (own or 0.0)


def _refuse_unless_deterministic(itself: InferPayload | None, name: str, payload: DriftPayload | None = None) -> None:
    """A reference that does not agree with itself is no measure for others."""
    if itself is None or itself.deterministic is not False:
        return
    distance = itself.self_max_abs
    told = "in shape, or in what is finite" if distance is None else f"by up to {distance:.3g}"
    raise _nondeterministic(name, told, payload)


def _nondeterministic(name: str, told: str, payload: DriftPayload | None) -> StageFailure:
    return StageFailure(
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
        parts.append(f"{plural(worst.nonfinite_mismatch, 'element')} NaN or infinite on one side alone")
    parts += _beside_float64(worst)
    parts.append(
        f"{outside} of its tensors are beyond tolerance" if outside > 1 else "the other tensors are within tolerance"
    )
    return "; ".join(parts)


def _beside_float64(worst: TensorDrift) -> list[str]:
    """Who is to blame: the side that is farther from the same model in float64."""
    reference, candidate = worst.reference_error, worst.candidate_error
    if reference is None or candidate is None:
        return []
    told = f"from float64 the candidate is off by {candidate:.3g}, the reference itself by {reference:.3g}"
    return [f"{told}: the candidate is the nearer one, the error is the reference's" if candidate < reference else told]
