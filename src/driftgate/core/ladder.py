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
    """The first failure that is about the model; a try that could not be made at all says less. Its fingerprint is the one of
    its try's account, which is made of the cause alone."""
    failed = [part for part in parts if part[1].failure is not None]
    real = [part for part in failed if _failure(part).kind is not FailureKind.UNAVAILABLE]
    worst = (real or failed)[0]
    told = _told(worst)
    failure = _failure(worst)
    return failure.model_copy(update={"fingerprint": told.failure.fingerprint}) if told and told.failure else failure


def _failure(part: Part) -> Failure:
    failure = part[1].failure
    assert failure is not None
    return failure


def _told(part: Part) -> ExportAttempt | None:
    """A try's own account of itself, where its process lived to give one."""
    return next(iter(ExportPayload.model_validate(part[1].payload or {}).attempts), None)


def _attempt(part: Part) -> ExportAttempt:
    """How one try ended."""
    exporter, result, seconds = part
    told = _told(part)
    failure = result.failure
    bare = failure and FailureSummary(**failure.model_dump(include={"kind", "message", "fingerprint", "hint"}))
    return ExportAttempt(
        exporter=exporter,
        dynamic=told.dynamic if told else None,
        verdict=verdict_of(failure.kind) if failure else Verdict.PASSED,
        seconds=seconds,
        failure=(told and told.failure) or bare,
        opset=told.opset if told else None,
        node_count=told.node_count if told else None,
    )
