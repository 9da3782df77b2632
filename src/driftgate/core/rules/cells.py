"""Rules about how a cell ended, without any history."""

from __future__ import annotations

import math
from collections.abc import Iterator

from driftgate.core.records import Finding, InferPayload, Severity
from driftgate.core.rules.base import Case
from driftgate.core.text import plural
from driftgate.core.verdicts import SAYS_NOTHING, FailureKind, not_the_models


class NotPassed:
    """A cell failed, and nobody expected it to."""

    def judge(self, case: Case) -> Iterator[Finding]:
        """One finding for a failure that the model or its toolchain is to answer for. With a baseline `Worse` speaks instead."""
        failure = case.record.failure
        if failure is None or case.before is not None or case.is_expected or failure.kind in SAYS_NOTHING:
            return
        sentence = f"{name_of(case)} {case.record.verdict.value}: {failure.kind.value}: {first_line(failure.message)}"
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
        if failure is None or case.is_expected or not not_the_models(failure.kind):
            return
        severity = Severity.WARNING if failure.kind is FailureKind.UNAVAILABLE else Severity.ERROR
        sentence = f"{name_of(case)} was not tested: {failure.kind.value}: {first_line(failure.message)}"
        yield case.finding("not_tested", severity, sentence, fingerprint=failure.kind.value)


class Flaky:
    """A cell passed only at the second try."""

    def judge(self, case: Case) -> Iterator[Finding]:
        """Counted and shown, but no failure."""
        if case.record.flaky:
            yield case.finding("flaky", Severity.WARNING, f"{name_of(case)} passed only at try {case.record.attempt}")


class NonfiniteOutputs:
    """The reference itself returns NaN, or nothing finite at all: what a comparison with it says is little, or nothing."""

    def judge(self, case: Case) -> Iterator[Finding]:
        """A warning for each such output of the reference (which alone runs twice). Infinities among numbers are a mask."""
        payload = case.record.payload
        if not isinstance(payload, InferPayload) or payload.deterministic is None:
            return
        for output in payload.outputs:
            size = math.prod(output.shape)
            if output.nan or (size and output.nonfinite >= size):
                count = f"{plural(output.nan, 'NaN')} among" if output.nan else "nothing finite among"
                sentence = f"{name_of(case)}: output {output.name!r} has {count} {size:,} elements; no target can be compared there"
                yield case.finding("nonfinite_outputs", Severity.WARNING, sentence, fingerprint=output.name)


def name_of(case: Case) -> str:
    """`infer.ort-cpu of zoo--bert`."""
    return f"{case.record.cell.name} of {case.record.model.slug}"


def first_line(message: str) -> str:
    """What of a message fits into a sentence."""
    lines = message.strip().splitlines()
    return lines[0][:300] if lines else "no message"
