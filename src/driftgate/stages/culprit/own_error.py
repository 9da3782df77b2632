"""A node's own error: what it makes of the reference's inputs, against what the reference made of them.

An inner value has no natural size, and its rounding errors have that of the values it comes from: the table's absolute tolerance,
made for outputs of about 1, is taken in units of the tensor's typical magnitude. Elements that only NaN or infinity tells apart count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftgate.core.drift import compare, is_floating
from driftgate.core.records import Tolerance
from driftgate.stages.numerics import tolerance_for

Array = NDArray[Any]

SMALLEST = 1e-3
"""A typical magnitude below this counts as this much, so that the noise of values that are all but zero is no error."""


@dataclass(frozen=True)
class OwnError:
    """`max_abs` is None where the two cannot be subtracted: another shape, another kind of dtype, nothing finite in common.
    `excess` is the largest error in units of what is allowed: more than 1 is beyond tolerance."""

    max_abs: float | None
    excess: float
    tolerance: Tolerance | None = None

    @property
    def beyond(self) -> bool:
        """Whether it exceeds tolerance."""
        return self.excess > 1


def own_error(name: str, reference: Array, own: Array) -> OwnError:
    """How far a node's own value is from the reference's. Two floating dtypes are judged by the coarser one's tolerance."""
    if reference.dtype.kind in "OSU" or own.dtype.kind in "OSU":
        return OwnError(None, 0.0 if np.array_equal(reference, own) else np.inf)
    floating = is_floating(reference) and is_floating(own)
    if reference.shape != own.shape or (reference.dtype != own.dtype and not floating):
        return OwnError(None, np.inf)
    tolerance = local_tolerance(reference, own)
    if reference.dtype == own.dtype and reference.tobytes() == own.tobytes():
        return OwnError(0.0, 0.0, tolerance)
    drift, _ = compare(name, reference, own.astype(reference.dtype, copy=False), tolerance)
    if drift.nonfinite_mismatch or drift.max_abs is None:
        return OwnError(drift.max_abs, 0.0 if drift.within_tolerance else np.inf, tolerance)
    return OwnError(drift.max_abs, _excess(reference, own, tolerance), tolerance)


def local_tolerance(reference: Array, own: Array) -> Tolerance:
    """The tolerance of an inner value: that of its dtype, in units of the reference's typical magnitude."""
    table = max((tolerance_for(reference), tolerance_for(own)), key=lambda tolerance: tolerance.atol)
    scale = max(_typical(reference), SMALLEST)
    return Tolerance(atol=table.atol * scale, rtol=table.rtol, reason=f"{table.reason} (in units of {scale:.3g})")


def _typical(array: Array) -> float:
    """The median magnitude of what is neither zero nor infinite; 1 where there is nothing of the kind."""
    if not is_floating(array) or array.dtype.kind == "c":
        return 1.0
    size = np.abs(array.astype(np.float64, copy=False)).reshape(-1)
    some = size[np.isfinite(size) & (size > 0)]
    return float(np.median(some)) if some.size else 1.0


def _excess(reference: Array, own: Array, tolerance: Tolerance) -> float:
    if not is_floating(reference):
        return 0.0 if np.array_equal(reference, own) else np.inf
    wide = np.complex128 if reference.dtype.kind == "c" else np.float64
    left, right = reference.astype(wide), own.astype(wide)
    finite = np.isfinite(left) & np.isfinite(right)
    distance = np.abs(left[finite] - right[finite])
    allowed = tolerance.atol + tolerance.rtol * np.abs(left[finite])
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(distance > 0, distance / allowed, 0.0)
    return float(share.max(initial=0.0))


def drifting(
    reference: Mapping[str, Array], candidate: Mapping[str, Array], tolerances: Mapping[str, Tolerance]
) -> list[str]:
    """The outputs, by name, that are beyond their tolerance or cannot be compared at all."""
    return [name for name, array in reference.items() if not _agrees(name, array, candidate, tolerances)]


def _agrees(name: str, array: Array, candidate: Mapping[str, Array], tolerances: Mapping[str, Tolerance]) -> bool:
    other = candidate.get(name)
    if other is None or other.shape != array.shape:
        return False
    if other.dtype != array.dtype and not (is_floating(other) and is_floating(array)):
        return False
    if array.dtype.kind in "OSU":
        return bool(np.array_equal(array, other))
    tolerance = tolerances[name] if name in tolerances else tolerance_for(array)
    return compare(name, array, other.astype(array.dtype, copy=False), tolerance)[0].within_tolerance
