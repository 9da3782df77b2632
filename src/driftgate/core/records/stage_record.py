"""The record of one cell: `models/SLUG/STAGE[.TARGET][@VARIANT].json`, the unit of everything that follows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import SerializeAsAny, ValidationInfo, field_validator, model_validator

from driftgate.core.fingerprints import fingerprint
from driftgate.core.records.base import SCHEMA_VERSION, Message, Record, Sha256, Traceback
from driftgate.core.records.model import ModelIdentity
from driftgate.core.records.payloads import PAYLOADS
from driftgate.core.records.plan import Cell
from driftgate.core.verdicts import FailureKind, Verdict


class Failure(Record):
    """Why a cell did not pass. `fingerprint` is stable across paths, line numbers and addresses."""

    kind: FailureKind
    message: Message
    fingerprint: str
    hint: str | None = None
    traceback: Traceback | None = None
    signal: str | None = None

    @classmethod
    def of(
        cls,
        kind: FailureKind,
        message: str,
        *,
        hint: str | None = None,
        traceback: str | None = None,
        signal: str | None = None,
    ) -> Failure:
        """A failure with the fingerprint of its kind and message."""
        return cls(
            kind=kind,
            message=message or kind.value,
            fingerprint=fingerprint(kind.value, message),
            hint=hint,
            traceback=traceback,
            signal=signal,
        )


class Artifact(Record):
    """A file that the cell left beside its record: the name inside the model's folder, its size and hash."""

    name: str
    bytes: int
    sha256: Sha256


class CellResult(Record):
    """What a worker hands over for one job: a payload or a failure (or both: a failed drift has its table)."""

    payload: dict[str, Any] | None = None
    failure: Failure | None = None
    artifacts: tuple[Artifact, ...] = ()


class StageRecord(Record):
    """How one cell ended.

    Times are UTC; `duration_s` is the wall time of the attempt that counts; `peak_rss_bytes` is the largest
    resident size of the worker's whole family of processes, `baseline_rss_bytes` what the worker had at
    its start. `cached` records were taken from the cache.
    """

    schema_version: int = SCHEMA_VERSION
    run_id: str
    agent: str
    model: ModelIdentity
    stage: str
    target: str | None = None
    variant: str | None = None
    verdict: Verdict
    failure: Failure | None = None
    started_at: datetime
    duration_s: float
    peak_rss_bytes: int | None = None
    baseline_rss_bytes: int | None = None
    attempt: int = 1
    flaky: bool = False
    cached: bool = False
    payload: SerializeAsAny[Record] | None = None
    artifacts: tuple[Artifact, ...] = ()

    @property
    def cell(self) -> Cell:
        """The cell that this is the record of."""
        return Cell(model=self.model.slug, stage=self.stage, target=self.target, variant=self.variant)

    @property
    def passed(self) -> bool:
        """Whether the stage did its job."""
        return self.verdict is Verdict.PASSED

    @field_validator("payload", mode="before")
    @classmethod
    def _payload_of_its_stage(cls, value: object, info: ValidationInfo) -> object:
        stage = info.data.get("stage")
        if value is None or isinstance(value, Record):
            return value
        if not isinstance(stage, str) or stage not in PAYLOADS:
            raise ValueError(f"stage {stage!r} has no payload")
        return PAYLOADS[stage].model_validate(value)

    @model_validator(mode="after")
    def _failure_unless_passed(self) -> StageRecord:
        if self.passed == (self.failure is not None):
            raise ValueError(f"verdict {self.verdict} {'with' if self.failure else 'without'} a failure")
        return self
