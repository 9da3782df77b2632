"""gate: judge a run. Writes findings.json, junit.xml, summary.md and the verdict into run.json.

Without a baseline, `expectations.yaml` alone says what may fail: an unexpected cell that did not pass is a finding. With one, what is not
as it was is a finding, and what failed then as it fails now is known. Every planned cell that has no record gets one that says so:
nothing vanishes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

from driftgate.core.errors import DamagedRecordError, ExitCode
from driftgate.core.expectations import Expectations
from driftgate.core.gate_settings import GateSettings
from driftgate.core.needs import upstream
from driftgate.core.records import (
    Cell,
    Failure,
    Finding,
    Findings,
    Severity,
    StageRecord,
    finding_id,
)
from driftgate.core.records.run import ExpectedFailure
from driftgate.core.rules import RULES
from driftgate.core.rules.base import Case, Rule
from driftgate.core.text import plural
from driftgate.core.verdicts import FailureKind, Verdict
from driftgate.machine.expectations import NAME, expectations_in, load_expectations
from driftgate.machine.provenance import agent_name
from driftgate.machine.store import RunStore
from driftgate.sinks.junit import junit_xml
from driftgate.steps.against import Against, gone
from driftgate.steps.report.commands import name_for_commands
from driftgate.steps.summary import summary_markdown

SHARED_CAUSES = frozenset({FailureKind.NETWORK, FailureKind.DISK, FailureKind.AUTH})
"""Kinds that, if half a fleet fails with them in one stage, mean that the machinery failed and not the models. Not among them:
`not_run`, which is what an agent leaves that never came; the rest of the run is worth judging then."""


def gate(
    store: RunStore,
    expectations_file: Path | None = None,
    *,
    against: Against | None = None,
    settings: GateSettings | None = None,
    slower: Sequence[Finding] = (),
) -> Findings:
    """Judge every planned cell. `expectations_file` replaces the one that was put into the run when it began; `against` is what it is
    compared with; `slower` are the findings about latencies, which are judged over the whole fleet at once."""
    settings = settings or GateSettings()
    expectations = _expectations(store, expectations_file)
    _record_what_did_not_run(store)
    manifest = store.manifest()
    today = datetime.now(UTC).date()
    reference = str(manifest.config.get("reference", ""))
    rules: list[Rule] = [RULES.load(name)() for name in RULES.names()]
    found: list[Finding] = [*slower, *(_gone(store, manifest.fleet, against) if against else ())]
    expected: dict[Cell, ExpectedFailure] = {}
    counts: Counter[str] = Counter()
    shared: dict[str, Counter[FailureKind | None]] = defaultdict(Counter)
    for record in _planned(store):
        case = _case(record, manifest.fleet, expectations, today, store, settings, against)
        found += [finding for rule in rules for finding in rule.judge(case)]
        found += _without_a_cause(store, case, reference)
        counts[record.verdict.value] += 1
        shared[record.stage][record.failure.kind if record.failure else None] += 1
        excuse = _excuse(case, against)
        if excuse is not None:
            expected[record.cell] = excuse
    broken = list(_broken_machinery(manifest.fleet, shared))
    heard = [
        _unless_accepted(finding, expectations, today)
        for finding in map(partial(_as_severe_as, settings), found)
        if finding is not None
    ]
    findings = Findings(
        run_id=store.run_id,
        fleet=manifest.fleet,
        verdict="error" if broken else "failed" if _is_red(heard) else "passed",
        findings=(
            *broken,
            *sorted(heard, key=lambda f: (list(Severity).index(f.severity), f.model or "", f.stage or "")),
        ),
        baseline=against.baseline.run_id if against else None,
        provenance=tuple(map(str, against.provenance)) if against else (),
    )
    store.write_findings(findings)
    store.write_manifest(
        manifest.model_copy(
            update={
                "ended_at": manifest.ended_at or datetime.now(UTC),
                "counts": dict(counts),
                "verdict": findings.verdict,
                "expected": tuple(expected.values()),
            }
        )
    )
    _write_for_others(store, findings, {cell: row.reason for cell, row in expected.items()})
    return findings


def _case(
    record: StageRecord,
    fleet: str,
    expectations: Expectations,
    today: date,
    store: RunStore,
    settings: GateSettings,
    against: Against | None,
) -> Case:
    name = name_for_commands(store)
    if against is None:
        return Case(record, fleet, expectations, today, name, settings)
    before, past = against.before(record.cell), against.past(record.cell)
    return Case(record, fleet, expectations, today, name, settings, before, past, against.same_machine(record))


def _excuse(case: Case, against: Against | None) -> ExpectedFailure | None:
    """Why a failure is no news: a row of the expectations, or the baseline that failed in the same way."""
    record = case.record
    row = case.expectations.explaining(record, case.today)
    if row is not None:
        kind, reason = row.what, row.reason
    elif against is not None and case.is_known and record.failure is not None:
        kind, reason = record.failure.kind.value, f"failed in the same way in {against.baseline.run_id}"
    else:
        return None
    return ExpectedFailure(model=record.model.slug, cell=record.cell.name, kind=kind, reason=reason)


def _as_severe_as(settings: GateSettings, finding: Finding) -> Finding | None:
    """The finding with the severity that gate.yaml gives its rule; None where that is `off`. What was measured and is less than sure (a
    suspect latency, a slowdown whose cause is not separated) stays a warning."""
    severity = settings.severity(finding.rule, finding.severity)
    if severity is Severity.ERROR and finding.confirmed is not None and finding.severity is Severity.WARNING:
        return finding
    return None if severity is None else finding.model_copy(update={"severity": severity})


def _unless_accepted(finding: Finding, expectations: Expectations, today: date) -> Finding:
    """What somebody accepted is still told, as news with the reason."""
    row = expectations.accepting(finding, today)
    return finding if row is None else finding.model_copy(update={"severity": Severity.INFO, "accepted": row.reason})


def _gone(store: RunStore, fleet: str, against: Against) -> Iterator[Finding]:
    """Cells that the baseline had and this run does not plan: one finding for a model that left, else one a cell."""
    planned = store.plan().cells
    models, missing = {cell.model for cell in planned}, gone(against, planned)
    left = dict.fromkeys(cell.model for cell in missing if cell.model not in models)
    for slug in left:
        sentence = f"{slug} is no longer in the fleet"
        yield _missing(fleet, Cell(model=slug, stage="pull"), Severity.WARNING, sentence)
    for cell in missing:
        if cell.model in models:
            yield _missing(fleet, cell, Severity.ERROR, f"{cell.name} of {cell.model} is missing: the baseline has it")


def _missing(fleet: str, cell: Cell, severity: Severity, sentence: str) -> Finding:
    return Finding(
        id=finding_id("missing_cell", fleet, cell.model, cell.stage, cell.target, cell.variant, ""),
        rule="missing_cell",
        severity=severity,
        model=cell.model,
        stage=cell.stage,
        target=cell.target,
        variant=cell.variant,
        sentence=sentence,
    )


def exit_code(findings: Findings) -> ExitCode:
    """3 if the machinery failed, 1 for regressions, 0 if all is well or known."""
    return {"error": ExitCode.MACHINERY, "failed": ExitCode.REGRESSIONS}.get(findings.verdict, ExitCode.FINE)


def _expectations(store: RunStore, given: Path | None) -> Expectations:
    if given is not None:
        expectations = load_expectations(given)
        store.write_text(NAME, given.read_text("utf-8"))
        return expectations
    return expectations_in(store)


def _planned(store: RunStore) -> Iterator[StageRecord]:
    for cell in store.plan().cells:
        record = store.record(cell)
        if record is not None:
            yield record


def _without_a_cause(store: RunStore, case: Case, reference: str) -> Iterator[Finding]:
    """A cell that was skipped though all that it needs has passed since: nobody knows how it would have ended."""
    record = case.record
    if record.failure is None or record.failure.kind is not FailureKind.UPSTREAM:
        return
    needs = [store.record(need) for need in upstream(record.cell, reference)]
    if all(need is not None and need.passed for need in needs):
        sentence = (
            f"{record.cell.name} of {record.model.slug} was not tested: it was skipped, and what it needs passed later"
        )
        yield case.finding("not_tested", Severity.ERROR, sentence, fingerprint="stale")


def _record_what_did_not_run(store: RunStore) -> None:
    entries = {entry.slug: entry for entry in store.lock().models}
    for cell in store.plan().cells:
        if store.record_path(cell).is_file():
            continue
        if cell.model not in entries:
            raise DamagedRecordError(f"{store.root / 'models.lock.json'} has no model {cell.model}, which the plan has")
        message = "the run ended before this cell was computed"
        store.write_record(
            StageRecord(
                run_id=store.run_id,
                agent=agent_name(),
                model=entries[cell.model].identity(),
                stage=cell.stage,
                target=cell.target,
                variant=cell.variant,
                verdict=Verdict.SKIPPED,
                failure=Failure.of(
                    FailureKind.NOT_RUN, message, hint=f"driftgate run --resume {name_for_commands(store)}"
                ),
                started_at=datetime.now(UTC),
                duration_s=0.0,
            )
        )


def _broken_machinery(fleet: str, shared: dict[str, Counter[FailureKind | None]]) -> Iterator[Finding]:
    """Half a fleet that fails alike in one stage, for a reason of the machinery, is one finding and exit code 3."""
    for stage, kinds in shared.items():
        total = kinds.total() - kinds[FailureKind.UPSTREAM]
        for kind in SHARED_CAUSES:
            count = kinds[kind]
            if count and 2 * count >= total:
                cells = f"{stage} failed in {plural(count, 'cell')} of {total}"
                sentence = f"{cells} for one reason, {kind.value}: the machinery failed, not the models"
                yield Finding(
                    id=finding_id("machinery", fleet, None, stage, None, None, kind.value),
                    rule="machinery",
                    severity=Severity.ERROR,
                    model=None,
                    stage=stage,
                    sentence=sentence,
                    current=kind.value,
                    evidence={"cells": count, "of": total},
                )


def _is_red(findings: list[Finding]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in findings)


def _write_for_others(store: RunStore, findings: Findings, expected: dict[Cell, str]) -> None:
    by_cell = {
        Cell(model=f.model, stage=f.stage, target=f.target, variant=f.variant): f
        for f in reversed(findings.findings)
        if f.model and f.stage and f.severity is Severity.ERROR
    }
    store.write_text("junit.xml", junit_xml(findings.fleet, _planned(store), by_cell, expected))
    store.write_text("summary.md", summary_markdown(store))
