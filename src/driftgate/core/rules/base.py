"""The contract of a rule."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from driftgate.core.expectations import Expectations
from driftgate.core.records import Cell, Finding, Severity, StageRecord, finding_id


@dataclass(frozen=True)
class Case:
    """A record under judgement, and what the run expects of it.

    `run` is what a command calls the run: its id by default, a path where the id alone would not be found.
    """

    record: StageRecord
    fleet: str
    expectations: Expectations
    today: date
    run: str | None = None

    @property
    def is_expected(self) -> bool:
        """Whether a row of expectations.yaml explains why the cell did not pass."""
        return self.expectations.explaining(self.record, self.today) is not None

    def finding(
        self, rule: str, severity: Severity, sentence: str, *, fingerprint: str = "", **evidence: Any
    ) -> Finding:
        """A finding about this cell, with the command that repeats it."""
        record = self.record
        return Finding(
            id=finding_id(
                rule, self.fleet, record.model.slug, record.stage, record.target, record.variant, fingerprint
            ),
            rule=rule,
            severity=severity,
            model=record.model.slug,
            stage=record.stage,
            target=record.target,
            variant=record.variant,
            sentence=sentence,
            current=record.failure.kind.value if record.failure else record.verdict.value,
            evidence=evidence,
            repro=repeat_command(self.run or record.run_id, record.cell),
        )


class Rule(Protocol):
    """Looks at one cell at a time."""

    def judge(self, case: Case) -> Iterator[Finding]:
        """What is worth telling of this cell; nothing if all is well."""
        ...


def repeat_command(run: str, cell: Cell) -> str:
    """`driftgate STAGE --run RUN --model SLUG [--target T] [--variant V]`, quoted for a shell; `run` is an id or a path."""
    words = ["driftgate", cell.stage, "--run", run, "--model", cell.model]
    if cell.target:
        words += ["--target", cell.target]
    if cell.variant:
        words += ["--variant", cell.variant]
    return shlex.join(words)
