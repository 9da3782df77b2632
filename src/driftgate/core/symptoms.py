"""Does a record show what a finding is about? Asked of the same cell, computed once more with other versions of something."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from driftgate.core.errors import MachineryError, UsageError
from driftgate.core.expectations import Expectations
from driftgate.core.facts import CellFacts
from driftgate.core.gate_settings import GateSettings
from driftgate.core.records import ExplainPayload, Finding, StageRecord
from driftgate.core.rules import RULES
from driftgate.core.rules.base import Case
from driftgate.core.rules.cells import first_line
from driftgate.core.verdicts import KIND_FACTS, FailureKind

OF_A_FAILURE = frozenset({"not_passed", "verdict_worse", "export_lost", "drift_beyond_tolerance"})
"""Rules whose finding is a cell that fails; its fingerprint is the failure's."""
OF_A_COMPARISON = frozenset(
    {
        "more_breaks", "recompiles", "another_exporter", "graph_changed", "drift_grew", "nondeterministic", "placement_changed",
        "compile_time", "memory", "size",
    }
)  # fmt: skip
"""Rules that need to know how it was when all was well."""
LATENCY = "latency"
SEARCHABLE = OF_A_FAILURE | OF_A_COMPARISON | {"new_break", LATENCY}


class Seen(StrEnum):
    """The finding is there (`BAD`), is not (`GOOD`), or nobody can tell (`UNTESTABLE`): the cell ended in another way."""

    GOOD = "good"
    BAD = "bad"
    UNTESTABLE = "untestable"


@dataclass(frozen=True)
class Sight:
    """What was seen, and in a few words why."""

    seen: Seen
    reason: str = ""


def check_searchable(finding: Finding) -> None:
    """Raises UsageError for a finding that no version of anything can be blamed for."""
    if finding.rule not in SEARCHABLE or finding.model is None or finding.stage is None:
        mend = f"one of these rules: {', '.join(sorted(SEARCHABLE))}"
        raise UsageError(f"a finding of the rule {finding.rule!r} can't be searched for", where="--finding", mend=mend)


def sight(finding: Finding, record: StageRecord, before: CellFacts | None, settings: GateSettings) -> Sight:
    """Whether the record shows the finding. `before` is the cell at the good end, None if this is the good end: what is found by comparing
    is absent there by definition. Raises MachineryError for a failure of the machinery, which says nothing."""
    failure = record.failure
    if failure is not None and (KIND_FACTS[failure.kind].machinery):
        raise MachineryError(f"{record.cell.name}: {failure.kind.value}: {first_line(failure.message)}")
    if finding.rule in OF_A_FAILURE:
        if failure is not None and failure.fingerprint == finding.fingerprint:
            return Sight(Seen.BAD, failure.kind.value)
        return Sight(Seen.GOOD) if failure is None else _otherwise(record)
    if failure is not None and failure.kind is not FailureKind.OUT_OF_TOLERANCE:
        return _otherwise(record)
    if finding.rule == "new_break":
        return _break(finding, record)
    if before is None:
        return Sight(Seen.GOOD)
    return _compared(finding, record, before, settings)


def _otherwise(record: StageRecord) -> Sight:
    assert record.failure is not None
    return Sight(Seen.UNTESTABLE, f"{record.failure.kind.value}: {first_line(record.failure.message)}"[:200])


def _break(finding: Finding, record: StageRecord) -> Sight:
    payload = record.payload
    if not isinstance(payload, ExplainPayload):
        return Sight(Seen.UNTESTABLE, "no breaks were counted")
    there = any(one.fingerprint == finding.fingerprint for one in payload.breaks)
    return Sight(Seen.BAD if there else Seen.GOOD)


def _compared(finding: Finding, record: StageRecord, before: CellFacts, settings: GateSettings) -> Sight:
    case = Case(record, "", Expectations(), date.min, settings=settings, before=before)
    for found in RULES.load(finding.rule)().judge(case):
        if (found.rule, found.fingerprint) == (finding.rule, finding.fingerprint):
            return Sight(Seen.BAD, found.sentence)
    return Sight(Seen.GOOD)
