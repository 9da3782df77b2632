"""What is known not to pass: rows of `expectations.yaml`, each with a reason."""

from __future__ import annotations

from datetime import date
from fnmatch import fnmatchcase

from pydantic import Field, field_validator

from driftgate.core.errors import did_you_mean
from driftgate.core.records import PAYLOADS, Record, StageRecord
from driftgate.core.verdicts import FailureKind


class Expectation(Record):
    """One row. `model` is a slug or a reference and may hold `*`; `stage`, `target` and `kind` narrow it down;
    `fingerprint` ties it to one cause; after `until` it no longer holds."""

    model: str = Field(min_length=1)
    stage: str
    target: str | None = None
    variant: str | None = None
    kind: FailureKind
    fingerprint: str | None = None
    reason: str = Field(min_length=1)
    until: date | None = None

    @field_validator("stage")
    @classmethod
    def _is_a_stage(cls, stage: str) -> str:
        if stage not in PAYLOADS:
            raise ValueError(f"there is no stage {stage!r}; {did_you_mean(stage, PAYLOADS)}")
        return stage

    def is_about(self, record: StageRecord) -> bool:
        """Whether the row names this cell, whatever became of it."""
        names = (record.model.slug, record.model.ref)
        return (
            any(name == self.model or fnmatchcase(name, self.model) for name in names)
            and self.stage == record.stage
            and self.target in {None, record.target}
            and self.variant in {None, record.variant}
        )

    def explains(self, record: StageRecord, today: date) -> bool:
        """Whether this cell failed as the row says, and the row still holds."""
        failure = record.failure
        return (
            failure is not None
            and self.is_about(record)
            and failure.kind == self.kind
            and self.fingerprint in {None, failure.fingerprint}
            and not self.is_over(today)
        )

    def is_over(self, today: date) -> bool:
        """Whether `until` has passed."""
        return self.until is not None and today > self.until


class Expectations(Record):
    """All rows of a file."""

    expectations: tuple[Expectation, ...] = ()

    def explaining(self, record: StageRecord, today: date) -> Expectation | None:
        """The first row that explains why this cell did not pass."""
        return next((row for row in self.expectations if row.explains(record, today)), None)
