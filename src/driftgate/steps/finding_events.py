"""The gate's findings in the event log: one event for the judgement and one for each finding, so that boards show them beside what led
to them."""

from __future__ import annotations

from driftgate.core.records import Finding, Findings, Severity
from driftgate.machine.events import EventLog
from driftgate.machine.provenance import agent_name
from driftgate.machine.store import RunStore

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "info"}
_VERDICT_LEVELS = {"passed": "info"}


def log_findings(store: RunStore, findings: Findings) -> None:
    """Append to the log of this machine's agent. A run that is judged again says so again."""
    agents = {agent.agent: agent.commit for agent in store.agents()}
    here = agent_name()
    commit = agents.get(here) or next((commit for commit in agents.values() if commit), None)
    with EventLog.of_run(store, here, commit) as events:
        events.write(
            "judged",
            level=_VERDICT_LEVELS.get(findings.verdict, "error"),
            fleet=findings.fleet,
            verdict=findings.verdict,
            findings=len(findings.findings),
            baseline=findings.baseline,
        )
        for finding in findings.findings:
            _log(events, finding)


def _log(events: EventLog, finding: Finding) -> None:
    events.write(
        "finding",
        level=_LEVELS[finding.severity],
        model=finding.model,
        stage=finding.stage,
        target=finding.target,
        variant=finding.variant,
        rule=finding.rule,
        severity=finding.severity.value,
        message=finding.sentence,
        id=finding.id,
        confirmed=finding.confirmed,
        accepted=finding.accepted,
        repro=finding.repro,
    )
