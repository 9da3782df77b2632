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

from driftgate.core.ranking import argmax_agreement, topk_agreement
from driftgate.core.records import TensorDrift, Tolerance
from driftgate.core.ulps import UlpHistogram

Array = NDArray[Any]
Floats = NDArray[np.float64]

CHUNK = 1 << 16
BUCKETS = (0.0, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Upper ends of the buckets into which absolute errors are counted; what is larger falls into `inf`."""


@dataclass(frozen=True)
class _Scales:
    """The largest absolute values. Squares are taken of values divided by them, so that they neither overflow nor vanish."""

    reference: float = 1.0
    candidate: float = 1.0
    error: float = 1.0


@dataclass
class _Sums:
    """What a pass over the chunks adds up."""

    scales: _Scales
    count: int = 0
    max_abs: float = 0.0
    max_rel: float = -1.0
    absolute: float = 0.0
    squared: float = 0.0
    dot: float = 0.0
    reference_norm: float = 0.0
    candidate_norm: float = 0.0
    smallest: float = math.inf
    largest: float = -math.inf
    reference_nonfinite: int = 0
    candidate_nonfinite: int = 0
    mismatched: int = 0
    outside: int = 0
    up_to: list[int] = field(default_factory=lambda: [0] * len(BUCKETS))
    ulps: UlpHistogram = field(default_factory=UlpHistogram)


def compare(
    name: str, reference: Array, candidate: Array, tolerance: Tolerance, *, class_axis: int | None = None
) -> tuple[TensorDrift, dict[str, int]]:
    """The drift of one tensor, and its absolute errors counted by size (`≤1e-06` → elements).

    `class_axis` (the last or the second) says along which axis class or token scores lie, so that what they rank first means
    something. Integers and booleans are compared exactly, whatever the tolerance; a complex number counts as two elements.
    Raises ValueError for unequal shapes or dtypes.
    """
    if reference.shape != candidate.shape or reference.dtype != candidate.dtype:
        raise ValueError(
            f"{name}: {candidate.dtype}{list(candidate.shape)} cannot be compared with "
            f"{reference.dtype}{list(reference.shape)}"
        )
    sums = _add_up(reference, candidate, tolerance)
    drift = TensorDrift(
        name=name,
        dtype=str(reference.dtype),
        shape=reference.shape,
        max_abs=_finite(sums.max_abs) if sums.count else None,
        mae=_finite(sums.absolute / sums.count) if sums.count else None,
        rmse=_finite(sums.scales.error * math.sqrt(sums.squared / sums.count)) if sums.count else None,
        max_rel=_finite(sums.max_rel) if sums.max_rel >= 0 else None,
        cosine=_cosine(sums),
        argmax_agreement=None if class_axis is None else argmax_agreement(reference, candidate, class_axis),
        nonfinite_mismatch=sums.mismatched,
        within_tolerance=sums.outside == 0 and sums.mismatched == 0,
        tolerance=tolerance,
        compared=sums.count,
        reference_nonfinite=sums.reference_nonfinite,
        candidate_nonfinite=sums.candidate_nonfinite,
        psnr=_psnr(sums),
        ulps=sums.ulps.ulps(),
        topk_agreement=None if class_axis is None else topk_agreement(reference, candidate, class_axis),
    )
    return drift, _named_buckets(sums)


def is_floating(array: Array) -> bool:
    """Whether the dtype is a floating one; numpy has no kind for bfloat16 and float8 (`V`), ml_dtypes brings them."""
    return array.dtype.kind in "fcV"


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


def nan_count(array: Array) -> int:
    """How many elements are NaN."""
    if not is_floating(array):
        return 0
    return sum(int(np.isnan(_wide(part)).sum()) for (part,) in _chunks(array))


def _add_up(reference: Array, candidate: Array, tolerance: Tolerance) -> _Sums:
    floating = is_floating(reference)
    sums = _Sums(_scales(reference, candidate) if _may_overflow(reference) else _Scales())
    with np.errstate(over="ignore"):  # what overflows becomes infinite, and is told as None
        for left, right in _chunks(reference, candidate):
            if floating:
                _add_floats(sums, left, right, tolerance)
            else:
                sums.outside += int((left != right).sum())
                _add_chunk(sums, _wide(left), _wide(right), _integer_distance(left, right))
    return sums


def _add_floats(sums: _Sums, reference: Array, candidate: Array, tolerance: Tolerance) -> None:
    left, right = _wide(reference), _wide(candidate)
    finite = np.isfinite(left), np.isfinite(right)
    both = finite[0] & finite[1]
    if not both.all():
        sums.reference_nonfinite += int((~finite[0]).sum())
        sums.candidate_nonfinite += int((~finite[1]).sum())
        sums.mismatched += _mismatched(left[~both], right[~both])
        left, right, reference, candidate = left[both], right[both], reference[both], candidate[both]
    distance = np.abs(right - left)
    allowed = tolerance.atol + tolerance.rtol * np.abs(left)
    # an overflowing distance is infinite, and so may be what is allowed: that is no agreement
    sums.outside += int(np.count_nonzero((distance > allowed) | np.isinf(distance)))
    sums.ulps.add(reference, candidate)
    _add_chunk(sums, left, right, distance)


def _mismatched(reference: Floats, candidate: Floats) -> int:
    """How many pairs of which one at least is not finite are not the same."""
    same = (reference == candidate) | (np.isnan(reference) & np.isnan(candidate))
    return int((~same).sum())


def _add_chunk(sums: _Sums, reference: Floats, candidate: Floats, distance: Floats) -> None:
    if not distance.size:
        return
    scales = sums.scales
    left, right = _scaled(reference, scales.reference), _scaled(candidate, scales.candidate)
    error = _scaled(distance, scales.error)
    sums.count += distance.size
    sums.max_abs = max(sums.max_abs, float(distance.max()))
    sums.absolute += float(distance.sum())
    sums.squared += float(error @ error)
    relative = np.divide(distance, np.abs(reference), out=np.full_like(distance, -1.0), where=reference != 0)
    sums.max_rel = max(sums.max_rel, float(relative.max()))
    sums.dot += float(left @ right)
    sums.reference_norm += float(left @ left)
    sums.candidate_norm += float(right @ right)
    sums.smallest, sums.largest = min(sums.smallest, float(left.min())), max(sums.largest, float(left.max()))
    for place, end in enumerate(BUCKETS):
        sums.up_to[place] += int(np.count_nonzero(distance <= end))


def _integer_distance(left: Array, right: Array) -> Floats:
    """|left − right| without overflow: the difference of two 64-bit integers fits an unsigned one."""
    larger, smaller = np.maximum(left, right), np.minimum(left, right)
    return np.asarray(larger.astype(np.uint64) - smaller.astype(np.uint64), dtype=np.float64)


def _may_overflow(array: Array) -> bool:
    """Whether the square of an element may be too large or too small for a float64; other dtypes reach 1e±90 at most."""
    return array.dtype in (np.dtype(np.float64), np.dtype(np.complex128))


def _scales(reference: Array, candidate: Array) -> _Scales:
    largest = [0.0, 0.0, 0.0]
    for parts in _chunks(reference, candidate):
        left, right = (_wide(part) for part in parts)
        both = np.isfinite(left) & np.isfinite(right)
        with np.errstate(all="ignore"):
            for place, values in enumerate((left, right, right - left)):
                largest[place] = max(largest[place], float(np.abs(values).max(initial=0.0, where=both)))
    return _Scales(*(value if 0 < value < math.inf else 1.0 for value in largest))


def _scaled(values: Floats, scale: float) -> Floats:
    return values if scale == 1 else values / scale


def _chunks(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Flat pieces of equal position. A complex number is two floats."""
    flat = [_real(array.reshape(-1)) for array in arrays]
    for start in range(0, flat[0].size, CHUNK):
        yield tuple(array[start : start + CHUNK] for array in flat)


def _real(array: Array) -> Array:
    return array.view(array.real.dtype) if array.dtype.kind == "c" else array


def _wide(array: Array) -> Floats:
    return array.astype(np.float64)


def _cosine(sums: _Sums) -> float | None:
    if sums.reference_norm == 0 or sums.candidate_norm == 0:
        return None
    cosine = sums.dot / math.sqrt(sums.reference_norm) / math.sqrt(sums.candidate_norm)
    return max(-1.0, min(1.0, cosine))


def _psnr(sums: _Sums) -> float | None:
    """Decibels between the reference's range and the root of the mean squared error."""
    extent = sums.largest - sums.smallest
    if not sums.count or not 0 < sums.squared < math.inf or extent == 0:
        return None
    error = math.log10(sums.squared / sums.count) / 2 + math.log10(sums.scales.error)
    return 20 * (math.log10(extent) + math.log10(sums.scales.reference) - error)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _named_buckets(sums: _Sums) -> dict[str, int]:
    """How many errors lie in each bucket, from how many lie up to its end."""
    ends = [0, *sums.up_to, sums.count]
    names = [*(f"≤{end:g}" for end in BUCKETS), "larger"]
    counts = {name: ends[place + 1] - ends[place] for place, name in enumerate(names)}
    return {name: count for name, count in counts.items() if count}
