"""Rules about how a cell ended, without any history."""

from __future__ import annotations

from collections.abc import Iterator

from driftgate.core.records import Finding, Severity
from driftgate.core.rules.base import Case
from driftgate.core.verdicts import KIND_FACTS, FailureKind

CONSEQUENCES = frozenset({FailureKind.UPSTREAM})
"""Kinds whose cause is told at another cell."""


class NotPassed:
    """A cell failed, and nobody expected it to."""

    def judge(self, case: Case) -> Iterator[Finding]:
        """One finding for a failure that the model or its toolchain is to answer for."""
        failure = case.record.failure
        if failure is None or case.is_expected or failure.kind in CONSEQUENCES or _not_the_models(failure.kind):
            return
        sentence = f"{_cell(case)} {case.record.verdict.value}: {failure.kind.value}: {_first_line(failure.message)}"
        yield case.finding(
            "not_passed",
            Severity.ERROR,
            sentence,
            fingerprint=failure.fingerprint,
            fingerprint_of_failure=failure.fingerprint,
        )


class NotTested:
    """A cell could not be judged, for reasons that are not the model's."""

    def judge(self, case: Case) -> Iterator[Finding]:
        """The machinery failed, or the runtime is not there; no model is accused."""
        failure = case.record.failure
        if failure is None or case.is_expected or not _not_the_models(failure.kind):
            return
        severity = Severity.WARNING if failure.kind is FailureKind.UNAVAILABLE else Severity.ERROR
        sentence = f"{_cell(case)} was not tested: {failure.kind.value}: {_first_line(failure.message)}"
        yield case.finding("not_tested", severity, sentence, fingerprint=failure.kind.value)


class Flaky:
    """A cell passed only at the second try."""

    def judge(self, case: Case) -> Iterator[Finding]:
        """Counted and shown, but no failure."""
        if case.record.flaky:
            yield case.finding("flaky", Severity.WARNING, f"{_cell(case)} passed only at try {case.record.attempt}")


def _not_the_models(kind: FailureKind) -> bool:
    return KIND_FACTS[kind].machinery or kind is FailureKind.UNAVAILABLE


def _cell(case: Case) -> str:
    return f"{case.record.cell.name} of {case.record.model.slug}"


def _first_line(message: str) -> str:
    lines = message.strip().splitlines()
    return lines[0][:300] if lines else "no message"
