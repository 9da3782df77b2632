"""Searching for the version that brought a finding, with sides that are made up."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from driftgate.core.bisection import Kind, promised_runs
from driftgate.core.errors import MachineryError, UsageError
from driftgate.core.gate_settings import GateSettings
from driftgate.core.records import ExportPayload, Failure, Finding, ModelIdentity, Severity, StageRecord
from driftgate.core.symptoms import check_searchable
from driftgate.core.verdicts import FailureKind, verdict_of
from driftgate.diagnose.bisect import Bisected, Row, bisect
from driftgate.diagnose.environments import UnbuildableError
from driftgate.diagnose.sides import NotLaunchedError

MODEL = ModelIdentity(ref="zoo:a", slug="zoo--a", family="a", task="other", modality="text", architecture="A")
FAILURE = Failure.of(FailureKind.UNSUPPORTED_OP, "No ONNX function found for aten.unfold_copy")
OTHER = Failure.of(FailureKind.LOAD, "cannot import name 'tokens'")


def record(failure: Failure | None = None, nodes: int = 10) -> StageRecord:
    payload = (
        ExportPayload(exporter="dynamo", node_count=nodes, op_histogram={"Add": nodes}) if failure is None else None
    )
    return StageRecord(
        run_id="r",
        agent="a",
        model=MODEL,
        stage="export",
        verdict=verdict_of(failure.kind) if failure else "passed",
        failure=failure,
        started_at=datetime(2026, 11, 22, tzinfo=UTC),
        duration_s=1.0,
        payload=payload,
    )


def finding(rule: str = "export_lost", fingerprint: str | None = FAILURE.fingerprint, **evidence: object) -> Finding:
    return Finding(
        id="f1", rule=rule, severity=Severity.ERROR, model="zoo--a", stage="export", sentence="lost", fingerprint=fingerprint,
        evidence=evidence,
    )  # fmt: skip


@dataclass
class MadeUp:
    """A side whose cell ends as it is told to, the last way again and again."""

    ends: list[StageRecord | Exception]
    times: list[float] = field(default_factory=list)

    def compute(self) -> StageRecord:
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        if isinstance(end, Exception):
            raise end
        return end

    def launch(self) -> float:
        self.times.append(self.times.pop(0))
        return self.times[-1]


def row(*sides: MadeUp | Exception) -> Row:
    def side(index: int) -> MadeUp:
        made = sides[index]
        if isinstance(made, Exception):
            raise made
        return made

    return Row("kernel", tuple(f"1.{number}" for number in range(len(sides))), side)  # type: ignore[arg-type]


def searched(*sides: MadeUp | Exception, of: Finding | None = None) -> Bisected:
    return bisect(of or finding(), row(*sides), GateSettings())


def good() -> MadeUp:
    return MadeUp([record()])


def bad() -> MadeUp:
    return MadeUp([record(FAILURE)])


def test_the_version_and_the_one_before_it_are_named() -> None:
    result = searched(good(), good(), good(), bad(), bad(), bad())
    assert result.sentence().startswith("kernel 1.3 brought it; 1.2 is good (")
    assert len({step.version for step in result.steps}) <= promised_runs(6)


def test_a_version_that_cannot_be_built_is_left_out_and_said() -> None:
    result = searched(good(), good(), UnbuildableError("pip cannot install kernel==1.2: no wheel"), bad(), bad())
    assert result.outcome.kind is Kind.FOUND
    assert result.untestable == ("1.2",)
    assert result.sentence().startswith("kernel: one of 1.2, 1.3 brought it; 1.1 is good, the rest can't be tested")


def test_a_cell_that_fails_in_another_way_is_run_once_more_then_left_out() -> None:
    once = MadeUp([record(OTHER), record()])
    result = searched(good(), good(), once, bad())
    assert result.sentence().startswith("kernel 1.3 brought it; 1.2 is good")
    always = MadeUp([record(OTHER)])
    result = searched(good(), good(), always, bad())
    assert [step.sight.reason for step in result.steps if step.version == "1.2"] == [
        "load: cannot import name 'tokens'"
    ] * 2
    assert result.sentence().startswith("kernel: one of 1.2, 1.3")


def test_an_end_that_is_not_what_was_claimed_is_said_plainly() -> None:
    assert searched(bad(), bad(), bad()).sentence().startswith("kernel 1.0 has it already")
    assert searched(good(), good(), good()).sentence().startswith("kernel 1.2 does not have it")
    broken = searched(MadeUp([NotLaunchedError("no module named pydantic")]), good(), bad())
    assert broken.sentence() == "kernel 1.0, the good end, can't be tested: no module named pydantic"


def test_what_is_found_by_comparing_is_compared_with_the_good_end() -> None:
    sides = [MadeUp([record(nodes=nodes)]) for nodes in (10, 10, 10, 14, 14)]
    result = searched(*sides, of=finding("graph_changed", None))
    assert result.sentence().startswith("kernel 1.3 brought it")


def test_the_machinery_accuses_no_version() -> None:
    down = MadeUp([record(Failure.of(FailureKind.NETWORK, "the Hub did not answer"))])
    with pytest.raises(MachineryError, match="network: the Hub did not answer"):
        searched(good(), down, bad())


def test_a_slowdown_is_launched_in_turn_with_the_good_end() -> None:
    fast, slow = [1.0, 1.01, 0.99, 1.02, 0.98], [1.2, 1.22, 1.19, 1.21, 1.18]
    sides = [MadeUp([], list(times)) for times in (fast, fast, fast, slow, slow)]
    result = searched(*sides, of=finding("latency", None, ratio=1.2))
    assert result.sentence().startswith("kernel 1.3 brought it; 1.2 is good")
    assert "p = 0.0003" in result.steps[-1].sight.reason or "p = " in result.steps[-1].sight.reason


def test_a_difference_much_smaller_than_the_finding_is_not_it() -> None:
    sides = [MadeUp([], [base + wobble for wobble in (0, 0.001, 0.002)]) for base in (1.0, 1.02, 1.02, 1.2)]
    assert searched(*sides, of=finding("latency", None, ratio=1.2)).outcome.first_bad == 3


@pytest.mark.parametrize("rule", ["missing_cell", "flaky", "machinery"])
def test_what_no_version_can_have_brought_is_not_searched_for(rule: str) -> None:
    with pytest.raises(UsageError, match="can't be searched for; one of these rules: .*new_break"):
        check_searchable(finding(rule))
