"""JUnit XML that any CI takes: a case a cell, one failure a case, and nothing that was found is left out."""

import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime

import pytest

from driftgate.core.records import Cell, Failure, Severity
from driftgate.core.verdicts import FailureKind, verdict_of
from driftgate.sinks.junit import Suite, junit_xml
from driftgate.testing.findings import broke, drifted, finding
from driftgate.testing.runs import Story, synthetic_run

SUITE = Suite("nightly", datetime(2026, 11, 22, 2, 15, tzinfo=UTC), {"run": "R", "commit": "c0ffee"})
MODEL = "acme--tiny-bert-0000"
# The schema that Jenkins' xUnit plugin checks by: attributes with what they must look like, children in their order.
NUMBER, TIME = r"\d+", r"\d+\.\d{3}"
SCHEMA = {
    "testsuite": (
        {"name": ".+", "tests": NUMBER, "failures": NUMBER, "errors": NUMBER, "skipped": NUMBER, "time": TIME,
         "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"},
        ["properties", "testcase", "system-out"],
    ),
    "properties": ({}, ["property"]),
    "property": ({"name": ".+", "value": ".+"}, []),
    "testcase": ({"classname": ".+", "name": ".+", "time": TIME}, ["skipped", "error", "failure", "system-out"]),
    "failure": ({"message": "(?s).+", "type": ".+"}, []),
    "error": ({"message": "(?s).+", "type": ".+"}, []),
    "skipped": ({"message": "(?s).+"}, []),
    "system-out": ({}, []),
}  # fmt: skip


def check(element):
    """Raises for what the schema does not have."""
    attributes, children = SCHEMA[element.tag]
    assert set(element.attrib) == set(attributes), element.tag
    for name, pattern in attributes.items():
        assert re.fullmatch(pattern, element.attrib[name]), (element.tag, name)
    places = [children.index(child.tag) for child in element]
    assert places == sorted(places), element.tag
    for child in element:
        check(child)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    store = synthetic_run(tmp_path_factory.mktemp("run"), models=2, stories=(Story.CLEAN, Story.UNSUPPORTED))
    return list(store.records())


def suite_of(records, findings=(), expected=None):
    """The parsed document, checked against the schema."""
    suite = ET.fromstring(junit_xml(SUITE, records, findings, expected or {}))
    check(suite)
    cases = suite.findall("testcase")
    names = [(case.get("classname"), case.get("name")) for case in cases]
    assert len(set(names)) == len(names) == int(suite.get("tests"))
    for tag, count in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert len(suite.findall(f"testcase/{tag}")) == int(suite.get(count))
    return suite


def case(suite, name, model=MODEL):
    (found,) = (one for one in suite.findall("testcase") if (one.get("classname"), one.get("name")) == (model, name))
    return found


def test_every_cell_is_a_case_and_the_run_has_its_properties(records):
    suite = suite_of(records)
    assert suite.get("tests") == "16"
    assert {one.get("name"): one.get("value") for one in suite.iter("property")} == {"run": "R", "commit": "c0ffee"}
    assert suite.get("timestamp") == "2026-11-22T02:15:00"


def test_a_failure_has_fingerprint_hint_owner_and_the_command(records):
    failed = next(one for one in records if one.failure and one.stage == "export")
    found = finding(
        model=failed.model.slug, owner="exporters", repro="driftgate export --run R", fingerprint=failed.failure.fingerprint,
        evidence={"fingerprint_of_failure": failed.failure.fingerprint},
    )  # fmt: skip
    failure = case(suite_of(records, [found]), "export", failed.model.slug).find("failure")
    assert failure.get("type") == "unsupported_op"
    assert failure.text.count(f"fingerprint: {failed.failure.fingerprint}") == 1
    for line in (
        "hint: register a custom translation",
        "owner: exporters",
        "repeat: driftgate export --run R",
        "DispatchError",
    ):
        assert line in failure.text


def test_what_is_expected_or_hangs_on_a_failure_is_skipped_with_its_reason(records):
    slug = next(one.model.slug for one in records if one.failure)
    suite = suite_of(records, expected={Cell(model=slug, stage="export"): "no translation yet"})
    assert case(suite, "export", slug).find("skipped").get("message") == "expected: no translation yet"
    assert case(suite, "infer.ort-cpu", slug).find("skipped").get("message").startswith("upstream: needs export")
    assert (suite.get("failures"), suite.get("errors")) == ("0", "0")


def test_two_findings_of_one_cell_are_one_failure_that_tells_both(records):
    failure = case(suite_of(records, [broke(MODEL), broke(MODEL, code="x.item()")]), "explain").find("failure")
    assert failure.get("message").endswith("(and 1 more)")
    assert "fingerprint: GB0170 if mask.any():" in failure.text
    assert "fingerprint: GB0170 x.item()" in failure.text


def test_what_is_of_no_cell_has_a_case_of_its_own(records):
    gone = finding("missing_cell", MODEL, "drift", target="tpu", sentence="drift.tpu is missing: the baseline has it")
    down = [
        finding("machinery", None, "pull", fingerprint=kind, sentence=f"half failed: {kind}")
        for kind in ("network", "disk")
    ]
    whole = finding("late", None, None, sentence="the run took a day")
    suite = suite_of(records, [gone, *down, whole])
    assert suite.get("tests") == "19"
    assert "the baseline has it" in case(suite, "drift.tpu").find("failure").text
    assert "half failed: disk" in case(suite, "pull: machinery", "run").find("error").text
    assert case(suite, "late", "run").find("failure").get("message") == "the run took a day"
    assert (suite.get("failures"), suite.get("errors")) == ("2", "1")


def test_what_nobody_could_test_is_an_error_and_accuses_no_model(records):
    suite = suite_of(records, [finding("not_tested", MODEL, "pull", sentence="the Hub did not answer")])
    assert case(suite, "pull").find("error") is not None
    assert suite.get("failures") == "0"


def test_what_fails_nothing_is_told_beside_its_case_and_fails_nothing(records):
    flaky = finding("flaky", MODEL, "explain", severity=Severity.WARNING, sentence="passed at try 2")
    taken = drifted(MODEL, severity=Severity.INFO, accepted="they know")
    left = finding(
        "missing_cell", "acme--gone", "pull", severity=Severity.WARNING, sentence="gone is no longer in the fleet"
    )
    suite = suite_of(records, [flaky, taken, left])
    assert case(suite, "explain").find("system-out").text == "warning: passed at try 2"
    assert case(suite, "drift.ort-cpu").find("system-out").text.endswith("(accepted: they know)")
    assert suite.find("system-out").text == "warning: gone is no longer in the fleet"
    assert (suite.get("tests"), suite.get("failures")) == ("16", "0")


def test_no_message_breaks_the_document(records):
    evil = "]]><testcase name='x'/>\x00\x1b[31m\ud800 & <b>\u2028 " + "long " * 2000
    failure = Failure.of(FailureKind.COMPILE, evil)
    broken = [
        one.model_copy(update={"failure": failure, "verdict": verdict_of(failure.kind), "payload": None})
        if one.stage == "explain"
        else one
        for one in records
    ]
    suite = suite_of(
        broken, [finding("verdict_worse", MODEL, "explain", sentence=evil), finding(model="]]>&\x00", stage="pull")]
    )
    assert suite.get("tests") == "17"
    assert len(case(suite, "explain").find("failure").get("message")) < 3000
