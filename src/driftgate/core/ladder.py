"""The ladder of exporters: several tries, each in a process of its own, and the one record they make."""

from __future__ import annotations

from collections.abc import Sequence

from driftgate.core.records import CellResult, ExportAttempt, ExportPayload, Failure, FailureSummary
from driftgate.core.verdicts import FailureKind, Verdict, verdict_of

Part = tuple[str, CellResult, float]
"""Exporter, what its process handed over, seconds."""


def join_attempts(parts: Sequence[Part]) -> CellResult:
    """One result from the tries, in the order in which they were made: the first success wins, every try is listed.

    Without a success the failure is the first try's: the exporter that is tried first is the one people use.
    Raises ValueError for no parts.
    """
    if not parts:
        raise ValueError("an export cell needs at least one try")
    attempts = tuple(_attempt(part) for part in parts)
    for _, result, _ in parts:
        if result.failure is None:
            payload = ExportPayload.model_validate(result.payload or {}).model_copy(update={"attempts": attempts})
            return CellResult(payload=payload.to_dict(), artifacts=result.artifacts)
    return CellResult(payload=ExportPayload(attempts=attempts).to_dict(), failure=_worst(parts))


def _worst(parts: Sequence[Part]) -> Failure:
    """The first failure that is about the model; a try that could not be made at all says less."""
    failures = [result.failure for _, result, _ in parts if result.failure is not None]
    real = [failure for failure in failures if failure.kind is not FailureKind.UNAVAILABLE]
    return (real or failures)[0]


def _attempt(part: Part) -> ExportAttempt:
    """How one try ended, with its own account of itself where its process lived to give one."""
    exporter, result, seconds = part
    told = ExportPayload.model_validate(result.payload or {}).attempts
    failure = result.failure
    return ExportAttempt(
        exporter=exporter,
        dynamic=told[0].dynamic if told else None,
        verdict=verdict_of(failure.kind) if failure else Verdict.PASSED,
        seconds=seconds,
        failure=failure and FailureSummary(**failure.model_dump(include={"kind", "message", "fingerprint", "hint"})),
    )
