"""JUnit XML: one case per cell, so that any CI shows the matrix.

Only what the gate found is a `<failure>`, or an `<error>` where no model is accused; what is expected, and what only hangs on an
earlier failure, is skipped with its reason. What was found of no cell (a cell that is gone, the machinery) has a case of its own; what
fails nothing (a warning, an accepted finding) stands in `<system-out>`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from xml.etree import ElementTree as ET  # written here, never parsed

from driftgate.core.records import Cell, Finding, Severity, StageRecord

OF_THE_MACHINERY = frozenset({"not_tested", "machinery"})
"""The rules whose findings accuse no model."""
RUN = "run"
"""The class of what is of no model."""
_MESSAGE = 2_000
_NOT_XML = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


@dataclass(frozen=True)
class Suite:
    """What is said of the run as a whole: `properties` are name → value, in their order."""

    fleet: str
    started_at: datetime
    properties: Mapping[str, str]


@dataclass
class _Counts:
    tests: int = 0
    failures: int = 0
    errors: int = 0
    skipped: int = 0
    seconds: float = 0.0


@dataclass
class _Findings:
    """Those of one case: what fails it, and what is only told."""

    errors: list[Finding] = field(default_factory=list)
    others: list[Finding] = field(default_factory=list)


def junit_xml(
    suite: Suite, records: Iterable[StageRecord], findings: Sequence[Finding], expected: Mapping[Cell, str]
) -> str:
    """The document as text. `expected` is the reason why a cell may fail."""
    root = ET.Element("testsuite", name=_clean(f"driftgate.{suite.fleet}"))
    _properties(root, suite)
    counts = _Counts()
    by_case = _by_case(findings)
    for record in records:
        own = by_case.pop((record.model.slug, record.cell.name), _Findings())
        _case_of_a_cell(root, record, own, expected.get(record.cell), counts)
    told = []
    for (classname, name), own in by_case.items():
        if own.errors:
            case = _case(root, classname, name, 0.0, counts)
            _fail(case, own.errors, None, counts)
            _tell(case, own.others)
        else:
            told += own.others
    _tell(root, told)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(getattr(counts, name)))
    root.set("time", f"{counts.seconds:.3f}")
    root.set("timestamp", f"{suite.started_at:%Y-%m-%dT%H:%M:%S}")
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _properties(root: ET.Element, suite: Suite) -> None:
    properties = ET.SubElement(root, "properties")
    for name, value in suite.properties.items():
        ET.SubElement(properties, "property", name=name, value=_clean(value))


def _by_case(findings: Sequence[Finding]) -> dict[tuple[str, str], _Findings]:
    found: dict[tuple[str, str], _Findings] = {}
    for finding in findings:
        own = found.setdefault(_named(finding), _Findings())
        (own.errors if finding.severity is Severity.ERROR else own.others).append(finding)
    return found


def _named(finding: Finding) -> tuple[str, str]:
    """Class and name of the case: those of its cell where it has one."""
    if finding.stage is None:
        return finding.model or RUN, finding.rule
    cell = Cell(model=finding.model or RUN, stage=finding.stage, target=finding.target, variant=finding.variant)
    return cell.model, cell.name if finding.model else f"{cell.name}: {finding.rule}"


def _case(root: ET.Element, classname: str, name: str, seconds: float, counts: _Counts) -> ET.Element:
    counts.tests += 1
    counts.seconds += seconds
    return ET.SubElement(root, "testcase", classname=_clean(classname), name=_clean(name), time=f"{seconds:.3f}")


def _case_of_a_cell(root: ET.Element, record: StageRecord, own: _Findings, reason: str | None, counts: _Counts) -> None:
    case = _case(root, record.model.slug, record.cell.name, record.duration_s, counts)
    failure = record.failure
    if own.errors:
        _fail(case, own.errors, record, counts)
    elif failure is not None:
        counts.skipped += 1
        why = f"expected: {reason}" if reason else f"{failure.kind.value}: {failure.message}"
        ET.SubElement(case, "skipped", message=_clean(why[:_MESSAGE]))
    _tell(case, own.others)


def _fail(case: ET.Element, errors: Sequence[Finding], record: StageRecord | None, counts: _Counts) -> None:
    """One failure, however many findings the cell has: a case fails once. Its text has them all."""
    machinery = all(finding.rule in OF_THE_MACHINERY for finding in errors)
    counts.errors += machinery
    counts.failures += not machinery
    failure = record.failure if record is not None else None
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    element = ET.SubElement(
        case,
        "error" if machinery else "failure",
        message=_clean(errors[0].sentence[:_MESSAGE] + more),
        type=failure.kind.value if failure else errors[0].rule,
    )
    lines = [line for finding in errors for line in _lines(finding)]
    if failure is not None:
        lines += [f"fingerprint: {failure.fingerprint}", f"hint: {failure.hint}" if failure.hint else ""]
        lines.append(failure.traceback or "")
    element.text = _clean("\n".join(line for line in lines if line))


def _lines(finding: Finding) -> list[str]:
    """A finding in full; the fingerprint of a failure is told with the failure."""
    mark = finding.fingerprint if finding.evidence.get("fingerprint_of_failure") is None else None
    named = (("owner", finding.owner), ("fingerprint", mark), ("repeat", finding.repro))
    return [finding.sentence, *(f"{name}: {value}" for name, value in named if value), f"finding: {finding.id}"]


def _tell(element: ET.Element, findings: Sequence[Finding]) -> None:
    if findings:
        lines = (
            f"{finding.severity.value}: {finding.sentence}"
            + (f" (accepted: {finding.accepted})" if finding.accepted is not None else "")
            for finding in findings
        )
        ET.SubElement(element, "system-out").text = _clean("\n".join(lines))


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
