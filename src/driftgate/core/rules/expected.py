"""Rows of expectations.yaml that no longer say the truth: what they name passes by now, is not found any more, or their time has run out.

Asked of whole rows over a whole run, for a row may name many cells. A row about models or columns that this run does not have says
nothing: one file may serve several fleets. Nor does one whose cells nobody could test, or that failed in yet another way, which is a
finding by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from driftgate.core.expectations import Expectation, Expectations
from driftgate.core.fingerprints import fingerprint
from driftgate.core.gate_settings import GateSettings
from driftgate.core.records import Finding, InferPayload, Severity, StageRecord, finding_id
from driftgate.core.rules.base import Case
from driftgate.core.text import plural
from driftgate.core.verdicts import SAYS_NOTHING

RULE = "expectation_outdated"
WITHOUT_A_BASELINE = frozenset({"not_passed", "not_tested", "flaky", "nonfinite_outputs"})
"""Rules that need no earlier night to speak."""


@dataclass
class _Row:
    """What a run says of one row: the cells that it names, how many of them passed or were not tested, and whether one is as it says."""

    row: Expectation
    first: Case | None = None
    cells: int = 0
    passed: int = 0
    untested: int = 0
    is_so: bool = False

    @property
    def named(self) -> str:
        """`infer.ort-cpu of zoo--bert`, or what the row says where that is several cells."""
        assert self.first is not None
        if self.cells == 1:
            return f"{self.first.record.cell.name} of {self.first.record.model.slug}"
        target = f".{self.row.target}" if self.row.target else ""
        return f"{self.row.stage}{target} of {self.row.model} ({plural(self.cells, 'cell')})"


class Rows:
    """Follows every row over a run: `see` each case, `hear` each finding, then ask for `findings`. Without a baseline (`compared`) most
    rules are silent, and a row about one of those is not judged."""

    def __init__(self, expectations: Expectations, settings: GateSettings, *, compared: bool) -> None:
        self._rows = [_Row(row) for row in expectations.expectations if row.rule != RULE]
        self._settings, self._compared = settings, compared

    def see(self, case: Case) -> None:
        """Take note of a cell, however it ended."""
        record = case.record
        for one in self._rows:
            if one.row.is_about(record):
                one.first = one.first or case
                one.cells += 1
                one.passed += record.passed
                one.untested += _untested(record) or not self._can_speak(one.row, record)
                one.is_so = one.is_so or one.row.fails_so(record)

    def hear(self, finding: Finding) -> None:
        """Take note of what was found."""
        for one in self._rows:
            one.is_so = one.is_so or one.row.is_like(finding)

    def findings(self) -> Iterator[Finding]:
        """A warning for each row that is to be taken out, or looked at again."""
        for one in self._rows:
            said = _outdated(one) if one.first is not None else None
            if said is not None:
                yield _finding(one, said)

    def _can_speak(self, row: Expectation, record: StageRecord) -> bool:
        """Whether the rule that the row is about could have found something in this cell tonight."""
        if row.rule is None:
            return True
        if self._settings.severity(row.rule, Severity.WARNING) is None:
            return False
        if row.rule == "latency":
            payload = record.payload
            timed = isinstance(payload, InferPayload) and payload.latency is not None
            return self._compared and timed and not record.cached
        return self._compared or row.rule in WITHOUT_A_BASELINE


def _untested(record: StageRecord) -> bool:
    failure = record.failure
    return failure is not None and failure.kind in SAYS_NOTHING


def _outdated(one: _Row) -> str | None:
    row = one.row
    assert one.first is not None
    if row.kind is not None and not one.is_so and one.passed == one.cells:
        passes = "passes, though it is" if one.cells == 1 else "pass, though they are"
        return f"{one.named} {passes} expected to fail ({row.what}: {row.reason}); take the row out"
    if row.rule is not None and row.until is None and not one.is_so and not one.untested:
        gone = "nothing like it is new: it is gone, or the baseline has it by now"
        return f"{row.rule} in {one.named} was accepted ({row.reason}), and {gone}; take the row out"
    if row.is_over(one.first.today):
        what = "expected to fail" if row.kind is not None else f"accepted ({row.rule})"
        return f"{one.named} was {what} until {row.until} ({row.reason}); that day has passed"
    return None


def _finding(one: _Row, sentence: str) -> Finding:
    row, case = one.row, one.first
    assert case is not None
    mark = fingerprint(row.model, row.stage, row.target or "", row.variant or "", row.what, row.fingerprint or "")
    if one.cells == 1:
        return case.finding(RULE, Severity.WARNING, sentence, fingerprint=mark, reason=row.reason)
    return Finding(
        id=finding_id(RULE, case.fleet, None, row.stage, row.target, row.variant, mark),
        rule=RULE,
        severity=Severity.WARNING,
        model=None,
        stage=row.stage,
        target=row.target,
        variant=row.variant,
        sentence=sentence,
        evidence={"model": row.model, "cells": one.cells, "reason": row.reason},
        fingerprint=mark,
    )
