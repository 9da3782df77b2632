"""The contract of a rule."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, Protocol

from driftgate.core.expectations import Expectations
from driftgate.core.facts import CellFacts, facts_of
from driftgate.core.gate_settings import GateSettings
from driftgate.core.records import Cell, DriftPayload, ExportPayload, Finding, Severity, StageRecord


@dataclass(frozen=True)
class Case:
    """A record under judgement, and what the run expects of it.

    `run` is what a command calls the run: its id by default, a path where the id alone would not be found. `before` are the cell's
    facts in the baseline, None without a baseline or if it had no such cell; `past` the largest value of each number over the
    nights of the window; `same_machine` tells whether times and memory of both may be compared.
    """

    record: StageRecord
    fleet: str
    expectations: Expectations
    today: date
    run: str | None = None
    settings: GateSettings = field(default_factory=GateSettings)
    before: CellFacts | None = None
    past: Mapping[str, float] = field(default_factory=dict)
    same_machine: bool = True

    @cached_property
    def now(self) -> CellFacts:
        """The facts of the record."""
        return facts_of(self.record)

    @property
    def is_known(self) -> bool:
        """Whether the cell failed in the same way in the baseline."""
        before, failure = self.before, self.record.failure
        return (
            before is not None
            and failure is not None
            and (before.kind, before.fingerprint) == (failure.kind, failure.fingerprint)
        )

    def past_worst(self, number: str) -> float | None:
        """The largest value that a number (`compile_s`, `max_abs`, …) had in the baseline and the nights of its window."""
        known = [self.past.get(number), getattr(self.before, number, None)]
        return max((float(value) for value in known if value is not None), default=None)

    @property
    def is_expected(self) -> bool:
        """Whether a row of expectations.yaml explains why the cell did not pass."""
        return self.expectations.explaining(self.record, self.today) is not None

    def finding(
        self,
        rule: str,
        severity: Severity,
        sentence: str,
        *,
        fingerprint: str = "",
        baseline: str | None = None,
        operator: str | None = None,
        **evidence: Any,
    ) -> Finding:
        """A finding about this cell, with the command that repeats it. `operator` is the one it is about: by default the failure's."""
        record = self.record
        return Finding.about(
            record.cell,
            self.fleet,
            rule,
            severity,
            sentence,
            mark=fingerprint,
            baseline=baseline,
            current=record.failure.kind.value if record.failure else record.verdict.value,
            evidence=evidence,
            repro=repeat_command(self.run or record.run_id, record.cell),
            ref=record.model.ref,
            fingerprint=fingerprint or None,
            family=record.model.family,
            operator=operator or operator_of(record),
            hint=record.failure.hint if record.failure else None,
        )


class Rule(Protocol):
    """Looks at one cell at a time."""

    def judge(self, case: Case) -> Iterator[Finding]:
        """What is worth telling of this cell; nothing if all is well."""
        ...


def operator_of(record: StageRecord) -> str | None:
    """The operator at which a cell failed: where its drift begins, or the one that could not be exported; None where nobody knows."""
    if record.failure is None:
        return None
    match record.payload:
        case DriftPayload(culprit=culprit) if culprit is not None:
            return culprit.op_type
        case ExportPayload(attempts=attempts):
            names = (one.failure.operator for one in reversed(attempts) if one.failure is not None)
            return next((name for name in names if name), None)
    return None


def repeat_command(run: str, cell: Cell) -> str:
    """`driftgate STAGE --run RUN --model SLUG [--target T] [--variant V]`, quoted for a shell; `run` is an id or a path."""
    words = ["driftgate", cell.stage, "--run", run, "--model", cell.model]
    if cell.target:
        words += ["--target", cell.target]
    if cell.variant:
        words += ["--variant", cell.variant]
    return shlex.join(words)
