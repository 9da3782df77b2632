"""What is known: rows of `expectations.yaml`, each with a reason. A row with a `kind` names a cell that does not pass, one with a
`rule` a finding that somebody accepted."""

from __future__ import annotations

from datetime import date
from fnmatch import fnmatchcase

from pydantic import Field, model_validator

from driftgate.core.records import Finding, Record, StageRecord
from driftgate.core.row_names import RuleName, StageName
from driftgate.core.verdicts import FailureKind


class Expectation(Record):
    """One row. `model` is a slug or a reference and may hold `*`; `stage`, `target` and `kind` (or `rule`) narrow it down;
    `fingerprint` ties it to one cause; after `until` it no longer holds."""

    model: str = Field(min_length=1)
    stage: StageName
    target: str | None = None
    variant: str | None = None
    kind: FailureKind | None = None
    rule: RuleName | None = None
    fingerprint: str | None = None
    reason: str = Field(min_length=1)
    until: date | None = None

    @model_validator(mode="after")
    def _a_kind_or_a_rule(self) -> Expectation:
        if (self.kind is None) == (self.rule is None):
            raise ValueError(
                "a row has a `kind` (how a cell fails) or a `rule` (which finding is accepted), and not both"
            )
        return self

    @property
    def what(self) -> str:
        """The kind of failure, or the rule, that it is about."""
        return self.kind.value if self.kind else str(self.rule)

    def is_about(self, record: StageRecord) -> bool:
        """Whether the row names this cell, whatever became of it."""
        names = (record.model.slug, record.model.ref)
        return (
            self.stage == record.stage
            and self.target in {None, record.target}
            and self.variant in {None, record.variant}
            and any(name == self.model or fnmatchcase(name, self.model) for name in names)
        )

    def fails_so(self, record: StageRecord) -> bool:
        """Whether this cell failed as the row says, whatever the day."""
        failure = record.failure
        return (
            failure is not None
            and self.is_about(record)
            and failure.kind == self.kind
            and self.fingerprint in {None, failure.fingerprint}
        )

    def explains(self, record: StageRecord, today: date) -> bool:
        """Whether this cell failed as the row says, and the row still holds."""
        return self.fails_so(record) and not self.is_over(today)

    def is_like(self, finding: Finding) -> bool:
        """Whether the row is about this finding, whatever the day."""
        return (
            self.rule == finding.rule
            and any(
                name == self.model or fnmatchcase(name, self.model) for name in (finding.model or "", finding.ref or "")
            )
            and self.stage == finding.stage
            and self.target in {None, finding.target}
            and self.variant in {None, finding.variant}
            and self.fingerprint in {None, finding.fingerprint}
        )

    def accepts(self, finding: Finding, today: date) -> bool:
        """Whether somebody accepted this finding, and the row still holds."""
        return self.is_like(finding) and not self.is_over(today)

    def is_over(self, today: date) -> bool:
        """Whether `until` has passed."""
        return self.until is not None and today > self.until


class Expectations(Record):
    """All rows of a file."""

    expectations: tuple[Expectation, ...] = ()

    def explaining(self, record: StageRecord, today: date) -> Expectation | None:
        """The first row that explains why this cell did not pass."""
        return next((row for row in self.expectations if row.explains(record, today)), None)

    def accepting(self, finding: Finding, today: date) -> Expectation | None:
        """The first row by which this finding is accepted."""
        return next((row for row in self.expectations if row.accepts(finding, today)), None)
