"""Findings on their way to a reader: as severe as gate.yaml has them, accepted ones as news, each with model, owner and likely cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from driftgate.core.causes import grouped
from driftgate.core.expectations import Expectations
from driftgate.core.gate_settings import GateSettings
from driftgate.core.owners import Owners
from driftgate.core.records import Finding, Findings, ModelIdentity, Severity


def as_severe_as(settings: GateSettings, findings: Iterable[Finding]) -> list[Finding]:
    """As severe as gate.yaml says, without those that nobody wants to hear of."""
    severe = (_weighed(settings, finding) for finding in findings)
    return [finding for finding in severe if finding is not None]


def _weighed(settings: GateSettings, finding: Finding) -> Finding | None:
    """The finding with the severity that gate.yaml gives its rule; None where that is `off`. What was measured and is less than sure (a
    suspect latency, a slowdown whose cause is not separated) stays a warning."""
    severity = settings.severity(finding.rule, finding.severity)
    if severity is Severity.ERROR and finding.confirmed is not None and finding.severity is Severity.WARNING:
        return finding
    return None if severity is None else finding.model_copy(update={"severity": severity})


def unless_accepted(finding: Finding, expectations: Expectations, today: date) -> Finding:
    """What somebody accepted is still told, as news with the reason."""
    row = expectations.accepting(finding, today)
    return finding if row is None else finding.model_copy(update={"severity": Severity.INFO, "accepted": row.reason})


def explained(findings: Findings, models: Mapping[str, ModelIdentity], owners: Owners) -> Findings:
    """The findings, each with its model's reference and family, its owner and its likely cause."""
    owned = []
    for finding in findings.findings:
        model = models.get(finding.model or "")
        about = {"ref": finding.ref or model.ref, "family": finding.family or model.family} if model else {}
        known = finding.model_copy(update=about)
        owned.append(known.model_copy(update={"owner": owners.owner_of(known)}))
    told, groups = grouped(owned, findings.provenance)
    return findings.model_copy(update={"findings": told, "groups": groups})


def order(finding: Finding) -> tuple[int, str, str]:
    """The key by which findings are sorted: errors first, then by model."""
    return list(Severity).index(finding.severity), finding.model or "", finding.stage or ""
