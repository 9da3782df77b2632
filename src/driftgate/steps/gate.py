"""gate: judge a run. Writes findings.json, junit.xml, summary.md and the verdict into run.json.

Without a history, `expectations.yaml` alone says what may fail: an unexpected cell that did not pass is a finding. Every planned cell
that has no record gets one that says so: nothing vanishes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from driftgate.core.errors import DamagedRecordError, ExitCode
from driftgate.core.expectations import Expectations
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
from driftgate.steps.report.commands import name_for_commands
from driftgate.steps.summary import summary_markdown

SHARED_CAUSES = frozenset({FailureKind.NETWORK, FailureKind.DISK, FailureKind.AUTH})
"""Kinds that, if half a fleet fails with them in one stage, mean that the machinery failed and not the models. Not among them:
`not_run`, which is what an agent leaves that never came; the rest of the run is worth judging then."""


def gate(store: RunStore, expectations_file: Path | None = None) -> Findings:
    """Judge every planned cell. `expectations_file` replaces the one that was put into the run when it began."""
    expectations = _expectations(store, expectations_file)
    _record_what_did_not_run(store)
    manifest = store.manifest()
    today = datetime.now(UTC).date()
    reference = str(manifest.config.get("reference", ""))
    rules: list[Rule] = [RULES.load(name)() for name in RULES.names()]
    found: list[Finding] = []
    expected: dict[Cell, ExpectedFailure] = {}
    counts: Counter[str] = Counter()
    shared: dict[str, Counter[FailureKind | None]] = defaultdict(Counter)
    for record in _planned(store):
        case = Case(record, manifest.fleet, expectations, today, run=name_for_commands(store))
        found += [finding for rule in rules for finding in rule.judge(case)]
        found += _without_a_cause(store, case, reference)
        counts[record.verdict.value] += 1
        shared[record.stage][record.failure.kind if record.failure else None] += 1
        row = expectations.explaining(record, today)
        if row is not None:
            expected[record.cell] = ExpectedFailure(
                model=record.model.slug, cell=record.cell.name, kind=row.kind.value, reason=row.reason
            )
    broken = list(_broken_machinery(manifest.fleet, shared))
    findings = Findings(
        run_id=store.run_id,
        fleet=manifest.fleet,
        verdict="error" if broken else "failed" if _is_red(found) else "passed",
        findings=(
            *broken,
            *sorted(found, key=lambda f: (list(Severity).index(f.severity), f.model or "", f.stage or "")),
        ),
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
