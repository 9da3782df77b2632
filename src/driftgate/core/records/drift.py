"""The drift payload: how far one target's outputs are from the reference's."""

from __future__ import annotations

from driftgate.core.records.base import Record


class Tolerance(Record):
    """|candidate − reference| ≤ atol + rtol · |reference|, and why it was chosen."""

    atol: float
    rtol: float
    reason: str


class TensorDrift(Record):
    """One output tensor against the reference.

    Computed in float64 over the elements that are finite on both sides; `nonfinite_mismatch` counts the
    others that differ (NaN against a number, +inf against −inf …). Values that cannot be computed are None.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    max_abs: float | None
    mae: float | None
    rmse: float | None
    max_rel: float | None
    cosine: float | None
    argmax_agreement: float | None
    nonfinite_mismatch: int
    within_tolerance: bool
    tolerance: Tolerance


class Culprit(Record):
    """The first node whose own error exceeds tolerance; what flows in from above is inherited error."""

    node: str
    op_type: str
    module: str | None = None
    source: str | None = None
    own_error: float
    inherited_error: float


class DriftPayload(Record):
    """`self_max_abs` is how far the reference is from itself run to run: a model that differs from itself is
    marked, not blamed."""

    reference: str
    candidate: str
    tensors: tuple[TensorDrift, ...]
    buckets: dict[str, int] = {}
    culprit: Culprit | None = None
    self_max_abs: float | None = None
