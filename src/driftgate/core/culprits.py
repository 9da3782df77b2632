"""Drift and its culprit are two jobs and one record: which drifts are worth a search, and how its answer joins the verdict."""

from __future__ import annotations

from collections.abc import Sequence

from driftgate.core.records import CellResult, DriftPayload
from driftgate.core.verdicts import FailureKind

COMPARE, CULPRIT = "compare", "culprit"

Part = tuple[str, CellResult, float]
"""Name, what its process handed over, seconds."""


def worth_a_search(result: CellResult) -> bool:
    """Whether a comparison's result has a culprit: a drift beyond tolerance has one; outputs that cannot be compared, or a
    reference that differs from itself, have none."""
    return result.failure is not None and result.failure.kind is FailureKind.OUT_OF_TOLERANCE


def join_culprit(parts: Sequence[Part]) -> CellResult:
    """The comparison's result, with the culprit put into its payload. Whatever became of the search, the verdict stands.

    Raises ValueError for no parts.
    """
    if not parts:
        raise ValueError("a drift cell needs its comparison")
    compared = parts[0][1]
    if len(parts) == 1 or compared.payload is None:
        return compared
    found = parts[1][1]
    told = DriftPayload.model_validate(found.payload) if found.payload is not None and found.failure is None else None
    payload = DriftPayload.model_validate(compared.payload).model_copy(
        update={
            "culprit": told.culprit if told else None,
            "culprit_note": told.culprit_note if told else _why_not(found),
        }
    )
    artifacts = (*compared.artifacts, *(found.artifacts if told else ()))
    return CellResult(payload=payload.to_dict(), failure=compared.failure, artifacts=artifacts)


def _why_not(found: CellResult) -> str:
    failure = found.failure
    assert failure is not None
    return f"the search for the node where it begins ended as {failure.kind.value}: {failure.message}"
