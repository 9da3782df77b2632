"""What the gate found: one sentence a person can act on, with its evidence."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Any

from driftgate.core.records.base import SCHEMA_VERSION, Message, Record
from driftgate.core.records.plan import Cell


class Severity(StrEnum):
    """`ERROR` fails the build; `WARNING` is shown; `INFO` is good or neutral news."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Finding(Record):
    """One thing that is new and real. `model` (a slug; `ref` is its reference), `stage`, `target` and `variant` name the cell, None where
    it is of the run; `fingerprint` tells two of the same rule and cell apart; `accepted` is the reason for which somebody lives with it.

    `operator` is the operator, or the id of the graph break, that it is about; `hint` what would mend the failure; `group` the id of the
    group of likely cause, `owner` whose it is by `owners.yaml`."""

    id: str
    rule: str
    severity: Severity
    model: str | None
    stage: str | None
    target: str | None = None
    variant: str | None = None
    sentence: Message
    baseline: str | None = None
    current: str | None = None
    evidence: dict[str, Any] = {}
    confirmed: bool | None = None
    repro: str | None = None
    ref: str | None = None
    fingerprint: str | None = None
    accepted: str | None = None
    owner: str | None = None
    family: str | None = None
    operator: str | None = None
    hint: str | None = None
    group: str | None = None

    @classmethod
    def about(
        cls, cell: Cell, fleet: str, rule: str, severity: Severity, sentence: str, *, mark: str = "", **more: Any
    ) -> Finding:
        """A finding about one cell. `mark` tells two of the same rule and cell apart in its id; `more` are further fields."""
        return cls(
            id=finding_id(rule, fleet, cell.model, cell.stage, cell.target, cell.variant, mark),
            rule=rule,
            severity=severity,
            model=cell.model,
            stage=cell.stage,
            target=cell.target,
            variant=cell.variant,
            sentence=sentence,
            **more,
        )


class FindingGroup(Record):
    """Findings with one likely cause. `id` is the same night after night; `change` is what differs from the baseline and reaches all of
    them, None where nothing is known to; `findings` and `models` are counts, `severity` that of the worst."""

    id: str
    severity: Severity
    sentence: Message
    findings: int
    models: int
    change: str | None = None
    owners: tuple[str, ...] = ()


class Findings(Record):
    """`findings.json`. `verdict` is passed, failed (regressions) or error (the machinery failed). `baseline` is the run that this one was
    compared with, None if by expectations alone; `provenance` what differs between the two, one `torch 2.12.0 → 2.13.0` each;
    `unlike_machines` tells that their times and memory were not compared. `groups` are the likely causes, worst first: each finding
    is in one."""

    schema_version: int = SCHEMA_VERSION
    run_id: str
    fleet: str
    verdict: str
    findings: tuple[Finding, ...]
    baseline: str | None = None
    provenance: tuple[str, ...] = ()
    unlike_machines: bool = False
    groups: tuple[FindingGroup, ...] = ()


def finding_id(
    rule: str,
    fleet: str,
    slug: str | None,
    stage: str | None,
    target: str | None,
    variant: str | None,
    fingerprint: str,
) -> str:
    """The same finding in the same cell has the same id, night after night."""
    parts = (rule, fleet, slug, stage, target, variant, fingerprint)
    return hashlib.sha256("\x1f".join(part or "" for part in parts).encode()).hexdigest()[:16]
