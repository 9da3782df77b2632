"""The gate with a baseline: what is new is a finding, once; what was so before is not; what is better is told."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from pages import read
from rich.console import Console

from driftgate.core.gate_settings import GateSettings
from driftgate.core.records import Cell, Finding, Findings, InferPayload, Severity, StageRecord
from driftgate.core.statistics.night import judge_night
from driftgate.core.verdicts import FailureKind
from driftgate.history.baseline import find_baseline
from driftgate.history.database import Database
from driftgate.history.importing import forget, import_run
from driftgate.history.queries import runs_of
from driftgate.machine.gate_settings import load_gate_settings
from driftgate.machine.store import RunStore
from driftgate.steps.against import Against, headline
from driftgate.steps.gate import exit_code, gate
from driftgate.steps.report import build_report
from driftgate.steps.slower import confirmed, night_of, procedure_of
from driftgate.steps.summary import print_summary
from driftgate.testing.nights import Plant, breaking_at, failing, next_night, slower
from driftgate.testing.run_payloads import BREAKS
from driftgate.testing.runs import Story, synthetic_run

MODELS = tuple(f"zoo:m{number}" for number in range(6))
EXPLAIN = Cell(model="zoo--m1", stage="explain")
EXPORT = Cell(model="zoo--m2", stage="export")
DRIFT = Cell(model="zoo--m3", stage="drift", target="ort-cpu")
INFER = Cell(model="zoo--m4", stage="infer", target="ort-cpu")
UPSTREAM = failing(FailureKind.UPSTREAM, "needs export, which ended as unsupported_op")
PLANTED: Mapping[Cell, Plant] = {
    EXPLAIN: breaking_at(BREAKS[0]),
    EXPORT: failing(FailureKind.UNSUPPORTED_OP, "No ONNX function found for <OpOverload(op='aten.unfold_copy')>"),
    Cell(model="zoo--m2", stage="infer", target="ort-cpu"): UPSTREAM,
    Cell(model="zoo--m2", stage="drift", target="ort-cpu"): UPSTREAM,
    DRIFT: failing(FailureKind.OUT_OF_TOLERANCE, "logits is beyond its tolerance", with_payload=True),
    INFER: slower(1.3),
}


PLANTED_WORDS = (
    "breaks at a new place", "export of zoo--m2 is lost", "is not any more", "slower (95 % interval",
)  # fmt: skip


@pytest.fixture
def first(tmp_path: Path) -> RunStore:
    """A good night, in the history."""
    store = synthetic_run(tmp_path / "outputs", names=MODELS, models=6, stories=[Story.CLEAN])
    import_run(_database(store), store)
    return store


def _database(store: RunStore) -> Database:
    return Database.at(f"sqlite:///{store.root.parent}/history.sqlite", store.root.parent)


def against(store: RunStore, name: str = "last-good") -> Against:
    baseline = find_baseline(name, store.manifest(), _database(store), store.root.parent)
    assert baseline is not None
    return Against.of(baseline, store.agents(), _database(store))


def judge(store: RunStore, name: str = "last-good", *more: Finding) -> Findings:
    return gate(store, against=against(store, name), slower=more)


def told(findings: Findings) -> list[tuple[str, str, str]]:
    return [(one.rule, one.model or "", one.severity.value) for one in findings.findings]


class SameMachine:
    """Launches with 2 % of noise: tonight's builds are as slow as their records say, the baseline's as they were."""

    def __init__(self, before: np.ndarray, now: np.ndarray) -> None:
        self._before, self._now, self._draw = before, now, np.random.default_rng(7)

    def current(self, series: int, count: int) -> list[float]:
        return list(self._now[series] * np.exp(self._draw.normal(0, 0.02, count)))

    def in_turn(self, series: int, count: int) -> tuple[list[float], list[float]]:
        return list(self._before[series] * np.exp(self._draw.normal(0, 0.02, count))), self.current(series, count)

    def separated(self, series: int) -> bool:
        return True


def _slowdowns(store: RunStore) -> list[Finding]:
    night = night_of(store, against(store))
    machine = SameMachine(np.median(night.window, axis=1), night.tonight)
    _, outcomes = judge_night(night.window, night.tonight, machine, procedure_of(GateSettings().latency))
    return list(confirmed(store, night, outcomes, separated=True))


def _everywhere(store: RunStore) -> dict[str, tuple[str, str]]:
    """Cell → words of its finding and the rule, as findings.json has them; fails where terminal, JUnit, summary or report have others."""
    build_report(store)
    terminal = io.StringIO()
    print_summary(store, Console(file=terminal, width=80))
    index = " ".join(read(store.root / "report" / "index.html").text.split())
    summary = (store.root / "summary.md").read_text()
    _, *lines = terminal.getvalue().splitlines()
    on_screen = " ".join(" ".join(lines).split())
    found = {}
    for one in store.findings().findings:
        words = next(words for words in PLANTED_WORDS if words in one.sentence)
        assert all(words in text for text in (index, summary, on_screen))
        found[f"{one.model}/{_cell(one).name}"] = words, one.rule
    cases = ET.parse(store.root / "junit.xml").getroot().iter("testcase")
    failed = {f"{case.get('classname')}/{case.get('name')}" for case in cases if case.find("failure") is not None}
    assert failed == set(found)
    assert index.count("Repeat") == len(read(store.root / "report" / "index.html").all("h3")) == len(found)
    assert sum(line.startswith("✗ ") for line in lines) == summary.count("\n- ") == len(found)
    return found


def _cell(finding: Finding) -> Cell:
    assert finding.stage is not None
    return Cell(model=finding.model or "", stage=finding.stage, target=finding.target, variant=finding.variant)


def test_four_plants_are_four_findings_and_the_same_night_again_is_none(first: RunStore) -> None:
    for day in range(1, 13):
        night = next_night(first, day=day, spread=0.02)
        judge(night)
        import_run(_database(night), night)
    bad = next_night(first, day=13, plant=PLANTED)
    findings = judge(bad, "last-good", *_slowdowns(bad))

    assert sorted(told(findings)) == [
        ("drift_beyond_tolerance", "zoo--m3", "error"),
        ("export_lost", "zoo--m2", "error"),
        ("latency", "zoo--m4", "error"),
        ("new_break", "zoo--m1", "error"),
    ]
    assert exit_code(findings) == 1
    assert _everywhere(bad) == {
        "zoo--m1/explain": ("breaks at a new place", "new_break"),
        "zoo--m2/export": ("export of zoo--m2 is lost", "export_lost"),
        "zoo--m3/drift.ort-cpu": ("is not any more", "drift_beyond_tolerance"),
        "zoo--m4/infer.ort-cpu": ("slower (95 % interval", "latency"),
    }
    (slow,) = [one for one in findings.findings if one.rule == "latency"]
    assert slow.confirmed
    assert slow.evidence["ratio"] == pytest.approx(1.3, abs=0.04)
    assert slow.evidence["launches"] == 14
    assert "30" in slow.sentence or "29" in slow.sentence or "31" in slow.sentence

    import_run(_database(bad), bad)
    again = next_night(first, day=14, plant=PLANTED)
    assert told(judge(again, bad.run_id)) == []
    assert _everywhere(again) == {}


def test_a_failure_that_was_there_before_is_known_and_says_so(first: RunStore) -> None:
    bad = next_night(first, day=1, plant=PLANTED)
    judge(bad)
    import_run(_database(bad), bad)
    again = next_night(first, day=2, plant=PLANTED)
    findings = judge(again, bad.run_id)

    assert findings.verdict == "passed"
    reasons = {row.cell: row.reason for row in again.manifest().expected}
    assert reasons["export"] == f"failed in the same way in {bad.run_id}"


def test_another_failure_of_the_same_cell_is_news(first: RunStore) -> None:
    bad = next_night(first, day=1, plant=PLANTED)
    import_run(_database(bad), bad)
    other = next_night(first, day=2, plant={**PLANTED, EXPORT: failing(FailureKind.DATA_DEPENDENT, "Could not guard")})
    (finding,) = judge(other, bad.run_id).findings
    assert finding.rule == "verdict_worse"
    assert finding.sentence.startswith("export of zoo--m2 fails in another way than before (unsupported_op)")


def test_what_is_better_is_told_and_fails_nothing(first: RunStore) -> None:
    bad = next_night(first, day=1, plant=PLANTED)
    import_run(_database(bad), bad)
    findings = judge(next_night(first, day=2), bad.run_id)
    assert findings.verdict == "passed"
    assert {one.severity for one in findings.findings} == {Severity.INFO}
    assert (
        sorted(one.sentence for one in findings.findings)[0]
        == "drift.ort-cpu of zoo--m3 passes again (was out_of_tolerance)"
    )


def test_a_break_that_moved_is_no_news_and_one_more_of_it_is_a_warning(first: RunStore) -> None:
    bad = next_night(first, day=1, plant={EXPLAIN: breaking_at(BREAKS[0])})
    import_run(_database(bad), bad)
    moved = next_night(first, day=2, plant={EXPLAIN: breaking_at(BREAKS[0].model_copy(update={"line": 700}))})
    more = next_night(first, day=3, plant={EXPLAIN: breaking_at(BREAKS[0].model_copy(update={"count": 5}))})
    assert told(judge(moved, bad.run_id)) == []
    assert told(judge(more, bad.run_id)) == [("more_breaks", "zoo--m1", "warning")]


@pytest.mark.parametrize("kind", [FailureKind.NETWORK, FailureKind.NOT_RUN, FailureKind.AUTH, FailureKind.DISK])
def test_the_machinery_never_accuses_a_model(kind: FailureKind, first: RunStore) -> None:
    night = next_night(first, day=1, plant={EXPORT: failing(kind, "the Hub did not answer")})
    (finding,) = judge(night).findings
    assert finding.rule == "not_tested"

    import_run(_database(night), night)
    lost = next_night(first, day=2, plant={EXPORT: PLANTED[EXPORT]})
    assert [one.rule for one in judge(lost, night.run_id).findings] == ["not_passed"]


def test_a_cell_that_is_planned_no_more_is_missed(first: RunStore) -> None:
    night = next_night(first, day=1)
    plan = night.plan()
    gone = {cell for cell in plan.cells if cell == DRIFT or cell.model == "zoo--m5"}
    night.write_plan(plan.model_copy(update={"cells": tuple(cell for cell in plan.cells if cell not in gone)}))
    found = judge(night).findings
    assert [(one.severity.value, one.sentence) for one in found] == [
        ("error", "drift.ort-cpu of zoo--m3 is missing: the baseline has it"),
        ("warning", "zoo--m5 is no longer in the fleet"),
    ]


def test_a_part_of_the_fleet_misses_nothing_that_it_was_not_asked_for(first: RunStore) -> None:
    night = next_night(first, day=1)
    plan, manifest = night.plan(), night.manifest()
    asked = tuple(cell for cell in plan.cells if cell.model == "zoo--m5" and cell.target != "ort-cpu")
    night.write_plan(plan.model_copy(update={"cells": asked}))
    narrower = manifest.config | {"models": ["zoo:m5"], "targets": ["torch-eager-cpu"]}
    night.write_manifest(manifest.model_copy(update={"part": True, "config": narrower}))
    assert judge(night).findings == ()

    import_run(_database(night), night)
    again = next_night(night, day=1)
    again.write_plan(again.plan().model_copy(update={"cells": asked[1:]}))
    assert [one.rule for one in judge(again).findings] == ["missing_cell"]


def test_what_differs_is_told_first_and_unlike_machines_are_not_compared(first: RunStore) -> None:
    night = next_night(first, day=1, plant={INFER: slower(3.0)})
    (agent,) = night.agents()
    packages = agent.packages | {"onnxruntime": "1.32.0"}
    night.write_agent(agent.model_copy(update={"cpu": "Another CPU", "packages": packages}))
    asked = against(night)
    assert (
        headline(asked).splitlines()[0].startswith(f"against {first.run_id} (last-good): onnxruntime 1.31.0 → 1.32.0")
    )
    assert "times and memory are not compared: the machines differ" in headline(asked)
    assert asked.latencies is None
    assert judge(night).provenance[0] == "onnxruntime 1.31.0 → 1.32.0"
    summary = (night.root / "summary.md").read_text().splitlines()
    apart = "(times and memory are not: the machines differ)"
    assert summary[2].startswith(f"Compared with {first.run_id} {apart}: onnxruntime 1.31.0 → 1.32.0")
    build_report(night)
    assert apart in " ".join(read(night.root / "report" / "index.html").text.split())


def test_memory_of_another_machine_is_no_finding(first: RunStore) -> None:
    large = {INFER: lambda record: record.model_copy(update={"peak_rss_bytes": 64 << 30})}
    here, elsewhere = (next_night(first, day=day, plant=large) for day in (1, 2))
    (agent,) = elsewhere.agents()
    elsewhere.write_agent(agent.model_copy(update={"cpu": "Another CPU"}))
    assert told(judge(here)) == [("memory", "zoo--m4", "warning")]
    assert told(judge(elsewhere)) == []


def test_a_baseline_that_took_no_times_is_judged_without_them(first: RunStore) -> None:
    infer = {cell: _untimed for cell in first.plan().cells if cell.stage == "infer"}
    database = _database(first)
    with database.writing() as connection:
        forget(connection, [run.number for run in runs_of(connection)])
    untimed = next_night(first, day=1, plant=infer)
    gate(untimed)
    import_run(database, untimed)
    code, _, error = run("gate", "--run", next_night(first, day=2).root, "--baseline", "last-good")
    assert (code, error.splitlines()) == (
        0,
        [f"against {untimed.run_id} (last-good): made with the same versions on the same machine"],
    )


@pytest.mark.parametrize(
    ("placement", "words"),
    [
        ({"CPUExecutionProvider": 40, "CUDAExecutionProvider": 60}, ["100 on CPUExecutionProvider", "60 on CUDA"]),
        ({"CPUExecutionProvider": 98}, []),
    ],
)
def test_nodes_that_moved_are_told_and_a_smaller_graph_is_no_move(placement, words, first: RunStore) -> None:
    whole = next_night(first, day=1, plant={INFER: placed({"CPUExecutionProvider": 100})})
    found = judge(next_night(first, day=2, plant={INFER: placed(placement)}), whole.run_id).findings
    assert [one.rule for one in found] == ["placement_changed"] * bool(words)
    assert all(word in one.sentence for one in found for word in words)


def test_nodes_that_moved_between_providers_that_stay_are_told_too(first: RunStore) -> None:
    both = next_night(first, day=1, plant={INFER: placed({"CPUExecutionProvider": 2, "CUDAExecutionProvider": 98})})
    moved = next_night(first, day=2, plant={INFER: placed({"CPUExecutionProvider": 50, "CUDAExecutionProvider": 50})})
    assert told(judge(moved, both.run_id)) == [("placement_changed", "zoo--m4", "error")]


def placed(placement: dict[str, int]) -> Plant:
    def plant(record: StageRecord) -> StageRecord:
        assert isinstance(record.payload, InferPayload)
        return record.model_copy(update={"payload": record.payload.model_copy(update={"placement": placement})})

    return plant


@pytest.mark.parametrize("baseline", ["nosuch", "window:0", "git:no-such-branch"])
def test_a_baseline_that_means_nothing_is_told_before_anything_runs(baseline: str, first: RunStore) -> None:
    output = first.root.parent
    before = {path.name for path in output.iterdir()}
    code, _, error = run("run", "--model", "zoo:bert", "--output", output, "--baseline", baseline)
    assert (code, error.count("\n")) == (2, 1)
    assert error.startswith("driftgate: --baseline: ")
    assert {path.name for path in output.iterdir()} == before


def _untimed(record: StageRecord) -> StageRecord:
    assert isinstance(record.payload, InferPayload)
    return record.model_copy(update={"payload": record.payload.model_copy(update={"latency": None})})


def test_a_baseline_named_by_its_folder_has_the_numbers_of_the_nights_too(first: RunStore) -> None:
    asked = against(next_night(first, day=1), first.run_id)
    assert [night.run_id for night in asked.nights] == [first.run_id]
    assert asked.latencies is not None


def test_a_run_of_a_part_of_the_fleet_is_no_baseline_for_all_of_it(first: RunStore) -> None:
    part = next_night(first, day=1)
    manifest = part.manifest()
    part.write_manifest(manifest.model_copy(update={"config": manifest.config | {"models": ["zoo:m1"]}}))
    judge(part)
    import_run(_database(part), part)
    night = next_night(first, day=2)
    assert against(night, "last-good").baseline.run_id == first.run_id
    assert against(next_night(part, day=3), "last-good").baseline.run_id == part.run_id

    changed = next_night(first, day=4)
    changed.write_manifest(changed.manifest().model_copy(update={"config": {"models": ["zoo:m1", "zoo:m2"]}}))
    assert against(changed, "last-good").baseline.run_id == part.run_id  # nothing else was asked for the same


@pytest.mark.parametrize("name", ["latest", "20261124T"])
def test_a_run_that_the_history_has_already_is_not_its_own_baseline(name: str, first: RunStore) -> None:
    night = next_night(first, day=2)
    import_run(_database(night), night)
    code, _, error = run("gate", "--run", night.root, "--baseline", name)
    assert (code, error) == (2, "driftgate: --baseline: a run cannot be its own baseline; name an earlier one\n")


def test_a_first_night_has_no_baseline_and_that_is_no_error(tmp_path: Path) -> None:
    store = synthetic_run(tmp_path, models=1)
    for name in ("last-good", "window:30"):
        assert find_baseline(name, store.manifest(), _database(store), tmp_path) is None


def test_the_file_in_configs_is_what_holds_without_one() -> None:
    given, default = load_gate_settings(Path("configs/gate.yaml")), GateSettings()
    without_severity = {"severity"}
    for name in GateSettings.model_fields:
        mine, theirs = getattr(given, name), getattr(default, name)
        assert mine.model_dump(exclude=without_severity) == theirs.model_dump(exclude=without_severity)


def test_a_rule_can_be_made_silent_or_milder(first: RunStore) -> None:
    settings = GateSettings.model_validate({"new_break": {"severity": "warning"}, "export_lost": {"severity": "off"}})
    bad = next_night(first, day=1, plant={EXPLAIN: PLANTED[EXPLAIN], EXPORT: PLANTED[EXPORT]})
    findings = gate(bad, against=against(bad), settings=settings)
    assert told(findings) == [("new_break", "zoo--m1", "warning")]
    assert findings.verdict == "passed"


def run(*arguments: str | Path) -> tuple[int, str, str]:
    from driftgate.cli import run_command

    runner = CliRunner()
    with runner.isolation() as (out, err, *_):
        code = run_command([str(argument) for argument in arguments])
        return code, out.getvalue().decode(), err.getvalue().decode()


def test_an_accepted_finding_is_told_and_fails_nothing(first: RunStore, tmp_path: Path) -> None:
    bad = next_night(first, day=1, plant={EXPLAIN: PLANTED[EXPLAIN], EXPORT: PLANTED[EXPORT]})
    file = tmp_path / "expectations.yaml"
    for finding in judge(bad).findings:
        code, said, _ = run(
            "accept", finding.id[:8], "--reason", 'until "their" fix', "--run", bad.root, "--file", file
        )
        assert code == 0, said
    findings = gate(bad, file, against=against(bad))
    assert findings.verdict == "passed"
    assert [(one.rule, one.accepted) for one in findings.findings] == [("new_break", 'until "their" fix')]
    assert {row.reason for row in bad.manifest().expected} == {'until "their" fix'}
    assert 'accepted: until "their" fix' in (bad.root / "summary.md").read_text()


@pytest.mark.parametrize(
    ("baseline", "says"),
    [
        ("nosuch", "no run 'nosuch' in the history; valid:"),
        ("window:0", "'window:0' is no window; for example window:30"),
        ("git:no-such-branch", "git knows no commit no-such-branch here"),
    ],
)
def test_a_baseline_that_means_nothing_is_a_wrong_call(baseline: str, says: str, first: RunStore) -> None:
    night = next_night(first, day=1)
    code, _, error = run("gate", "--run", night.root, "--baseline", baseline)
    assert code == 2
    assert says in error.replace("'no-such-branch'", "no-such-branch")
    assert not night.has("findings.json")
