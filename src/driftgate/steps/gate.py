"""gate: judge a run. Writes findings.json, junit.xml, summary.md and the verdict into run.json.

Without a baseline, `expectations.yaml` alone says what may fail: an unexpected cell that did not pass is a finding. With one, what is not
as it was is a finding, and what failed then as it fails now is known. Every planned cell that has no record gets one that says so:
nothing vanishes. What was found is told by likely cause, and to its owner.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

from driftgate.core.errors import ExitCode
from driftgate.core.expectations import Expectations
from driftgate.core.facts import CellFacts
from driftgate.core.gate_settings import GateSettings
from driftgate.core.needs import upstream
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
from driftgate.steps.heard import as_severe_as, explained, order, unless_accepted
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
    expectations = load_expectations(expectations_file) if expectations_file else expectations_in(store)
    owners = load_owners(owners_file) if owners_file else owners_in(store)
    settings, today = settings or GateSettings(), datetime.now(UTC).date()
    bench = _Bench(store, store.manifest(), expectations, settings, against, today)
    seen, rows = _judged(bench)
    findings = explained(_findings(bench, seen, rows, slower), seen.models, owners)
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
    for name, given in ((NAME, expectations_file), (OWNERS, owners_file)):
        if given is not None:
            store.write_text(name, given.read_text("utf-8"))
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
    alarms = as_severe_as(bench.settings, [*slower, *seen.found, *gone])
    for finding in alarms:
        rows.hear(finding)
    told = [*alarms, *as_severe_as(bench.settings, rows.findings())]
    heard = [unless_accepted(finding, bench.expectations, bench.today) for finding in told]
    broken = tuple(broken_machinery(fleet, seen.shared))
    return Findings(
        run_id=bench.store.run_id,
        fleet=fleet,
        verdict="error" if broken else "failed" if any(one.severity is Severity.ERROR for one in heard) else "passed",
        findings=(*broken, *sorted(heard, key=order)),
        baseline=against.baseline.run_id if against else None,
        provenance=tuple(map(str, against.provenance)) if against else (),
        unlike_machines=against is not None and against.unlike,
    )


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


def exit_code(findings: Findings) -> ExitCode:
    """3 if the machinery failed, 1 for regressions, 0 if all is well or known."""
    return {"error": ExitCode.MACHINERY, "failed": ExitCode.REGRESSIONS}.get(findings.verdict, ExitCode.FINE)


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
