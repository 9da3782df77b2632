"""Whose a finding is: rows of `owners.yaml`, like those of CODEOWNERS.

Every key of a row narrows it down, names may hold `*`, and the last row that matches wins: what holds for all stands at the top, each
exception below it.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field, field_validator

from driftgate.core.records import Finding, Record
from driftgate.core.row_names import RuleName, StageName

Pattern = Annotated[str, Field(min_length=1, max_length=400)]
Owner = Annotated[str, Field(max_length=100)]


class OwnerRow(Record):
    """One row: `family`, `model` (a slug or a reference), `target` and `operator` (of a graph, or the id of a graph break) may hold
    `*`; `stage` and `rule` are names. What a row leaves out may be anything."""

    family: Pattern | None = None
    model: Pattern | None = None
    stage: StageName | None = None
    target: Pattern | None = None
    rule: RuleName | None = None
    operator: Pattern | None = None
    owner: Owner

    @field_validator("owner")
    @classmethod
    def _is_one_line(cls, owner: str) -> str:
        if not owner.strip() or not owner.isprintable():
            raise ValueError("an owner is one line of text")
        return owner.strip()

    def owns(self, finding: Finding) -> bool:
        """Whether the row is about this finding."""
        return (
            _is_like(self.family, finding.family)
            and _is_like(self.model, finding.model, finding.ref)
            and self.stage in {None, finding.stage}
            and _is_like(self.target, finding.target)
            and self.rule in {None, finding.rule}
            and _is_like(self.operator, finding.operator)
        )

    @property
    def conditions(self) -> tuple[str | None, ...]:
        """All that narrows it down."""
        return (self.family, self.model, self.stage, self.target, self.rule, self.operator)


class Owners(Record):
    """All rows of a file."""

    owners: tuple[OwnerRow, ...] = ()

    def owner_of(self, finding: Finding) -> str | None:
        """The owner by the last row that matches; None if there is none."""
        return next((row.owner for row in reversed(self.owners) if row.owns(finding)), None)

    def idle(self) -> tuple[int, int] | None:
        """The number of a row that can never win, and of the later one that is about the same; None where there is none."""
        last: dict[tuple[str | None, ...], int] = {}
        for number, row in enumerate(self.owners):
            earlier = last.setdefault(row.conditions, number)
            if earlier != number:
                return earlier, number
        return None


def _is_like(pattern: str | None, *names: str | None) -> bool:
    return pattern is None or any(
        name is not None and (name == pattern or fnmatchcase(name, pattern)) for name in names
    )
