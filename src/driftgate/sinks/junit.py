"""JUnit XML: one case per cell, so that any CI shows the matrix.

Only what the gate found is a `<failure>`, or an `<error>` where no model is accused; what is expected, and what only hangs on an
earlier failure, is skipped with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from xml.etree import ElementTree as ET  # written here, never parsed

from driftgate.core.records import Cell, Finding, Severity, StageRecord

NOT_TESTED = "not_tested"
"""The rule whose findings speak of the machinery."""

_NOT_XML = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


def junit_xml(
    fleet: str, records: Iterable[StageRecord], findings: Mapping[Cell, Finding], expected: Mapping[Cell, str]
) -> str:
    """The document as text. `findings` and `expected` (a reason) are by cell."""
    suite = ET.Element("testsuite", name=f"driftgate.{fleet}")
    counts = {"tests": 0, "failures": 0, "skipped": 0, "errors": 0}
    seconds = 0.0
    for record in records:
        counts["tests"] += 1
        seconds += record.duration_s
        case = ET.SubElement(
            suite,
            "testcase",
            classname=_clean(record.model.slug),
            name=record.cell.name,
            time=f"{record.duration_s:.3f}",
        )
        _tell(case, record, findings.get(record.cell), expected.get(record.cell), counts)
    for name, count in counts.items():
        suite.set(name, str(count))
    suite.set("time", f"{seconds:.3f}")
    ET.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suite, encoding="unicode") + "\n"


def _tell(
    case: ET.Element, record: StageRecord, finding: Finding | None, reason: str | None, counts: dict[str, int]
) -> None:
    failure = record.failure
    if finding is not None and finding.severity is Severity.ERROR:
        untested = finding.rule == NOT_TESTED
        counts["errors" if untested else "failures"] += 1
        kind = failure.kind.value if failure else finding.rule
        element = ET.SubElement(case, "error" if untested else "failure", message=_clean(finding.sentence), type=kind)
        lines = [finding.sentence, f"repeat: {finding.repro}"]
        if failure is not None:
            lines += [f"fingerprint: {failure.fingerprint}", f"hint: {failure.hint}" if failure.hint else ""]
            lines.append(failure.traceback or "")
        element.text = _clean("\n".join(line for line in lines if line))
    elif failure is not None:
        counts["skipped"] += 1
        why = f"expected: {reason}" if reason else f"{failure.kind.value}: {failure.message}"
        ET.SubElement(case, "skipped", message=_clean(why))


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
