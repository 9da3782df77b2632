"""How far one tensor is from another: the arithmetic of drift, in float64, over the elements that are finite on both sides.

Works in chunks, so that comparing two large tensors costs a few megabytes beyond the tensors themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftgate.core.records import TensorDrift, Tolerance

Array = NDArray[Any]
Floats = NDArray[np.float64]

CHUNK = 1 << 18
BUCKETS = (0.0, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Upper ends of the buckets into which absolute errors are counted; what is larger falls into `inf`."""


@dataclass
class _Sums:
    """What a pass over the chunks adds up. Squares are taken of values divided by `scale`, so that they can't overflow."""

    scale: float
    count: int = 0
    max_abs: float = 0.0
    max_rel: float = -1.0
    absolute: float = 0.0
    squared: float = 0.0
    dot: float = 0.0
    reference_norm: float = 0.0
    candidate_norm: float = 0.0
    mismatched: int = 0
    outside: int = 0
    buckets: Floats = field(default_factory=lambda: np.zeros(len(BUCKETS) + 1))


def compare(
    name: str, reference: Array, candidate: Array, tolerance: Tolerance, *, scores: bool = False
) -> tuple[TensorDrift, dict[str, int]]:
    """The drift of one tensor, and its absolute errors counted by size (`≤1e-06` → elements).

    `scores` says that the last axis holds class or token scores, so that the agreement of their argmax means something.
    Integers and booleans are compared exactly, whatever the tolerance. Raises ValueError for unequal shapes or dtypes.
    """
    if reference.shape != candidate.shape or reference.dtype != candidate.dtype:
        raise ValueError(
            f"{name}: {candidate.dtype}{list(candidate.shape)} cannot be compared with "
            f"{reference.dtype}{list(reference.shape)}"
        )
    exact = not is_floating(reference)
    sums = _add_up(reference, candidate, tolerance, exact)
    drift = TensorDrift(
        name=name,
        dtype=str(reference.dtype),
        shape=reference.shape,
        max_abs=_finite(sums.max_abs) if sums.count else None,
        mae=_finite(sums.absolute / sums.count) if sums.count else None,
        rmse=_finite(sums.scale * math.sqrt(sums.squared / sums.count)) if sums.count else None,
        max_rel=_finite(sums.max_rel) if sums.max_rel >= 0 else None,
        cosine=_cosine(sums),
        argmax_agreement=argmax_agreement(reference, candidate) if scores else None,
        nonfinite_mismatch=sums.mismatched,
        within_tolerance=sums.outside == 0 and sums.mismatched == 0,
        tolerance=tolerance,
    )
    return drift, _named_buckets(sums.buckets)


def is_floating(array: Array) -> bool:
    """Whether the dtype is a floating one; numpy has no kind for bfloat16 and float8 (`V`), ml_dtypes brings them."""
    return array.dtype.kind in "fcV"


def argmax_agreement(reference: Array, candidate: Array) -> float | None:
    """The share of rows (last axis) whose largest element is at the same place; None without rows of two or more."""
    if reference.ndim == 0 or reference.shape[-1] < 2 or reference.size == 0 or not is_floating(reference):
        return None
    width = reference.shape[-1]
    left, right = reference.reshape(-1, width), candidate.reshape(-1, width)
    step = max(1, CHUNK // width)
    agreed = sum(
        int((_wide(left[i : i + step]).argmax(-1) == _wide(right[i : i + step]).argmax(-1)).sum())
        for i in range(0, len(left), step)
    )
    return agreed / len(left)


def max_abs_difference(left: Array, right: Array) -> float | None:
    """The largest absolute difference over elements finite on both sides.

    None if the shapes or dtypes differ, if an element is finite on one side alone, or if there is nothing to compare.
    """
    if left.shape != right.shape or left.dtype != right.dtype:
        return None
    drift, _ = compare("", left, right, Tolerance(atol=0, rtol=0, reason="only measured"))
    return drift.max_abs if drift.nonfinite_mismatch == 0 else None


def nonfinite(array: Array) -> int:
    """How many elements are NaN or infinite."""
    if not is_floating(array):
        return 0
    return sum(int((~np.isfinite(_wide(part))).sum()) for (part,) in _chunks(array))


def _add_up(reference: Array, candidate: Array, tolerance: Tolerance, exact: bool) -> _Sums:
    sums = _Sums(scale=_scale(reference, candidate))
    for left, right in _chunks(reference, candidate):
        if exact:
            sums.outside += int((left != right).sum())
            _add_chunk(sums, _wide(left), _wide(right), _integer_distance(left, right))
        else:
            _add_floats(sums, _wide(left), _wide(right), tolerance)
    return sums


def _add_floats(sums: _Sums, reference: Floats, candidate: Floats, tolerance: Tolerance) -> None:
    finite = np.isfinite(reference) & np.isfinite(candidate)
    same = (reference == candidate) | (np.isnan(reference) & np.isnan(candidate))
    sums.mismatched += int((~finite & ~same).sum())
    left, right = reference[finite], candidate[finite]
    with np.errstate(over="ignore"):
        distance = np.abs(right - left)
        allowed = tolerance.atol + tolerance.rtol * np.abs(left)
    # an overflowing distance is infinite, and so may be what is allowed: that is no agreement
    sums.outside += int(((distance > allowed) | np.isinf(distance)).sum())
    _add_chunk(sums, left, right, distance)


def _add_chunk(sums: _Sums, reference: Floats, candidate: Floats, distance: Floats) -> None:
    if not distance.size:
        return
    left, right = reference / sums.scale, candidate / sums.scale
    sums.count += distance.size
    sums.max_abs = max(sums.max_abs, float(distance.max()))
    with np.errstate(over="ignore"):
        sums.absolute += float(distance.sum())
        sums.squared += float(np.square(distance / sums.scale).sum())
        nonzero = reference != 0
        if nonzero.any():
            relative = distance[nonzero] / np.abs(reference[nonzero])
            sums.max_rel = max(sums.max_rel, float(relative.max()))
    sums.dot += float(left @ right)
    sums.reference_norm += float(left @ left)
    sums.candidate_norm += float(right @ right)
    sums.buckets += np.bincount(np.searchsorted(BUCKETS, distance), minlength=len(BUCKETS) + 1)


def _integer_distance(left: Array, right: Array) -> Floats:
    """|left − right| without overflow: the difference of two 64-bit integers fits an unsigned one."""
    larger, smaller = np.maximum(left, right), np.minimum(left, right)
    return np.asarray(larger.astype(np.uint64) - smaller.astype(np.uint64), dtype=np.float64)


def _scale(reference: Array, candidate: Array) -> float:
    largest = 0.0
    for parts in _chunks(reference, candidate):
        for part in parts:
            wide = np.abs(_wide(part))
            largest = max(largest, float(wide.max(initial=0.0, where=np.isfinite(wide))))
    return largest or 1.0


def _chunks(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Flat pieces of equal position. A complex number is two floats."""
    flat = [_real(array).reshape(-1) for array in arrays]
    for start in range(0, flat[0].size, CHUNK):
        yield tuple(array[start : start + CHUNK] for array in flat)


def _real(array: Array) -> Array:
    if array.dtype.kind != "c":
        return array
    return np.stack((array.real, array.imag), axis=-1)


def _wide(array: Array) -> Floats:
    return array.astype(np.float64)


def _cosine(sums: _Sums) -> float | None:
    if sums.reference_norm == 0 or sums.candidate_norm == 0:
        return None
    cosine = sums.dot / math.sqrt(sums.reference_norm) / math.sqrt(sums.candidate_norm)
    return max(-1.0, min(1.0, cosine))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _named_buckets(counts: Floats) -> dict[str, int]:
    names = [*(f"≤{end:g}" for end in BUCKETS), "larger"]
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}
