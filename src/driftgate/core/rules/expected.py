"""Rules about expectations that no longer say the truth."""

from __future__ import annotations

from collections.abc import Iterator

from driftgate.core.records import Finding, Severity
from driftgate.core.rules.base import Case


class Outdated:
    """A row of expectations.yaml names a cell that passes by now, or has run out."""

    def judge(self, case: Case) -> Iterator[Finding]:
        """A warning for each such row: take it out, or look again."""
        for row in case.expectations.expectations:
            if row.kind is None or not row.is_about(case.record) or "*" in row.model:
                continue
            cell = f"{case.record.cell.name} of {case.record.model.slug}"
            if case.record.passed:
                text = f"{cell} passes, though it is expected to fail ({row.what}: {row.reason}); take the row out"
                yield case.finding("expectation_outdated", Severity.WARNING, text, fingerprint=row.what)
            elif row.is_over(case.today):
                text = f"{cell} was expected to fail until {row.until} ({row.reason}); that day has passed"
                yield case.finding("expectation_outdated", Severity.WARNING, text, fingerprint="over")
