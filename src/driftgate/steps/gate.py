"""gate: judge a run. Writes findings.json, junit.xml, summary.md and the verdict into run.json.

Without a baseline, `expectations.yaml` alone says what may fail: an unexpected cell that did not pass is a finding. With one, what is not
as it was is a finding, and what failed then as it fails now is known. Every planned cell that has no record gets one that says so:
nothing vanishes. What was found is told by likely cause, and to its owner.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

from driftgate.core.causes import grouped
from driftgate.core.errors import ExitCode
from driftgate.core.expectations import Expectations
from driftgate.core.facts import CellFacts
from driftgate.core.gate_settings import GateSettings
from driftgate.core.needs import upstream
from driftgate.core.owners import Owners
from driftgate.core.records import (
    Cell,
    Finding,
    Findings,
    Manifest,
    ModelIdentity,
    Severity,
    StageRecord,
)
from driftgate.core.records.run import ExpectedFailure
from driftgate.core.rules import RULES
from driftgate.core.rules.base import Case, Rule
from driftgate.core.rules.expected import Rows
from driftgate.core.verdicts import FailureKind
from driftgate.history.database import Database
from driftgate.history.importing import Night, take_in
from driftgate.machine.expectations import NAME, expectations_in, load_expectations
from driftgate.machine.owners import NAME as OWNERS
from driftgate.machine.owners import load_owners, owners_in
from driftgate.machine.store import RunStore
from driftgate.sinks.junit import Suite, junit_xml
from driftgate.steps.against import Against
from driftgate.steps.report.commands import name_for_commands
from driftgate.steps.run_findings import broken_machinery, cells_gone, record_what_did_not_run
from driftgate.steps.summary import summary_markdown


@dataclass
class _Seen:
    """What the records said so far: findings, the facts of each cell, what was expected of whom, and how cells ended."""

    found: list[Finding] = field(default_factory=list)
    facts: list[CellFacts] = field(default_factory=list)
    expected: dict[Cell, ExpectedFailure] = field(default_factory=dict)
    models: dict[str, ModelIdentity] = field(default_factory=dict)
    verdicts: Counter[str] = field(default_factory=Counter)
    shared: dict[str, Counter[FailureKind | None]] = field(default_factory=lambda: defaultdict(Counter))

    def see(self, record: StageRecord) -> None:
        """Count a record."""
        self.models[record.model.slug] = record.model
        self.verdicts[record.verdict.value] += 1
        self.shared[record.stage][record.failure.kind if record.failure else None] += 1


@dataclass(frozen=True)
class _Bench:
    """The run under judgement, and what it is judged by."""

    store: RunStore
    manifest: Manifest
    expectations: Expectations
    settings: GateSettings
    against: Against | None
    today: date

    def case(self, record: StageRecord) -> Case:
        """A record with all that a rule may ask."""
        name, fleet = name_for_commands(self.store), self.manifest.fleet
        case = partial(Case, record, fleet, self.expectations, self.today, name, self.settings)
        against = self.against
        if against is None:
            return case()
        return case(against.before(record.cell), against.past(record.cell), against.same_machine(record))


def gate(
    store: RunStore,
    expectations_file: Path | None = None,
    *,
    owners_file: Path | None = None,
    against: Against | None = None,
    settings: GateSettings | None = None,
    slower: Sequence[Finding] = (),
    history: Database | None = None,
) -> Findings:
    """Judge every planned cell. `expectations_file` and `owners_file` replace those that were put into the run when it began; `against` is
    what it is compared with; `slower` are the findings about latencies, which are judged over the whole fleet at once;
    `history` takes the run in before anything is written beside it: where that is refused, the run stays as it was."""
    record_what_did_not_run(store)
    bench = _Bench(
        store,
        store.manifest(),
        _expectations(store, expectations_file),
        settings or GateSettings(),
        against,
        datetime.now(UTC).date(),
    )
    owners = _owners(store, owners_file)
    seen, rows = _judged(bench)
    findings = _told(_findings(bench, seen, rows, slower), seen.models, owners)
    manifest = bench.manifest.model_copy(
        update={
            "ended_at": bench.manifest.ended_at or datetime.now(UTC),
            "counts": dict(seen.verdicts),
            "verdict": findings.verdict,
            "expected": tuple(seen.expected.values()),
        }
    )
    if history is not None:
        take_in(Night.of(manifest, store.agents(), seen.facts, findings), history)
    store.write_findings(findings)
    store.write_manifest(manifest)
    _write_for_others(store, manifest, findings, {cell: row.reason for cell, row in seen.expected.items()})
    return findings


def _judged(bench: _Bench) -> tuple[_Seen, Rows]:
    """Every rule, asked about every record, and what the records say of the rows of expectations.yaml."""
    seen, rows = _Seen(), Rows(bench.expectations, bench.settings, compared=bench.against is not None)
    rules: list[Rule] = [RULES.load(name)() for name in RULES.names()]
    reference = str(bench.manifest.config.get("reference", ""))
    for record in _planned(bench.store):
        case = bench.case(record)
        seen.found += [finding for rule in rules for finding in rule.judge(case)]
        seen.found += _without_a_cause(bench.store, case, reference)
        rows.see(case)
        seen.see(record)
        seen.facts.append(case.now)
        excuse = _excuse(case, bench.against)
        if excuse is not None:
            seen.expected[record.cell] = excuse
    return seen, rows


def _findings(bench: _Bench, seen: _Seen, rows: Rows, slower: Sequence[Finding]) -> Findings:
    """What the records, the baseline and the rows have to say, as severe as gate.yaml has it, the accepted ones as news."""
    fleet, against = bench.manifest.fleet, bench.against
    gone = cells_gone(bench.store.plan().cells, fleet, against) if against else ()
    alarms = _heard([*slower, *seen.found, *gone], bench.settings)
    for finding in alarms:
        rows.hear(finding)
    told = [*alarms, *_heard(rows.findings(), bench.settings)]
    heard = [_unless_accepted(finding, bench.expectations, bench.today) for finding in told]
    broken = tuple(broken_machinery(fleet, seen.shared))
    return Findings(
        run_id=bench.store.run_id,
        fleet=fleet,
        verdict="error" if broken else "failed" if _is_red(heard) else "passed",
        findings=(*broken, *sorted(heard, key=_order)),
        baseline=against.baseline.run_id if against else None,
        provenance=tuple(map(str, against.provenance)) if against else (),
    )


def _told(findings: Findings, models: Mapping[str, ModelIdentity], owners: Owners) -> Findings:
    """The findings with all that a reader wants beside each: its model's reference and family, its owner, its likely cause."""
    owned = []
    for finding in findings.findings:
        model = models.get(finding.model or "")
        about = {"ref": finding.ref or model.ref, "family": finding.family or model.family} if model else {}
        known = finding.model_copy(update=about)
        owned.append(known.model_copy(update={"owner": owners.owner_of(known)}))
    told, groups = grouped(owned, findings.provenance)
    return findings.model_copy(update={"findings": told, "groups": groups})


def _heard(findings: Iterable[Finding], settings: GateSettings) -> list[Finding]:
    """As severe as gate.yaml says, without those that nobody wants to hear of."""
    severe = (_as_severe_as(settings, finding) for finding in findings)
    return [finding for finding in severe if finding is not None]


def _order(finding: Finding) -> tuple[int, str, str]:
    return list(Severity).index(finding.severity), finding.model or "", finding.stage or ""


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


def exit_code(findings: Findings) -> ExitCode:
    """3 if the machinery failed, 1 for regressions, 0 if all is well or known."""
    return {"error": ExitCode.MACHINERY, "failed": ExitCode.REGRESSIONS}.get(findings.verdict, ExitCode.FINE)


def _expectations(store: RunStore, given: Path | None) -> Expectations:
    if given is not None:
        expectations = load_expectations(given)
        store.write_text(NAME, given.read_text("utf-8"))
        return expectations
    return expectations_in(store)


def _owners(store: RunStore, given: Path | None) -> Owners:
    if given is None:
        return owners_in(store)
    owners = load_owners(given)
    store.write_text(OWNERS, given.read_text("utf-8"))
    return owners


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


def _is_red(findings: list[Finding]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in findings)


def _write_for_others(store: RunStore, manifest: Manifest, findings: Findings, expected: Mapping[Cell, str]) -> None:
    commits = dict.fromkeys(agent.commit for agent in store.agents() if agent.commit)
    properties = {
        "run": findings.run_id,
        "fleet": findings.fleet,
        "verdict": findings.verdict,
        "commit": ", ".join(commits),
        "baseline": findings.baseline or "",
        "changed": ", ".join(findings.provenance),
        "driftgate": manifest.driftgate,
    }
    suite = Suite(findings.fleet, manifest.started_at, {name: value for name, value in properties.items() if value})
    store.write_text("junit.xml", junit_xml(suite, _planned(store), findings.findings, expected))
    store.write_text("summary.md", summary_markdown(store))
