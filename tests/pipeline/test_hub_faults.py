"""A Hub that misbehaves under a whole run: which cells say so, what else goes on, and what the run ends with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import repeat

import pytest
import yaml

from driftgate.core.records import StageRecord
from driftgate.sources.patience import VARIABLE
from driftgate.sources.testing.hub_faults import Fault, FaultyHub, changed, cut, hang, slow, status, wrong_length
from driftgate.sources.testing.model_folders import make_model
from driftgate.testing.workplace import Ended, Workplace

IMPATIENT = {VARIABLE: "1"}
HEALTHY = "python:driftgate.testing.models:healthy"
SIZE = 400_000


@contextmanager
def faulty_hub(place: Workplace, models: Iterable[str], script: Mapping[str, Iterable[Fault]]) -> Iterator[FaultyHub]:
    """A Hub with these models of the author `acme`."""
    for name in models:
        make_model(place.folder / "hub", f"acme/{name}", weights=SIZE)
    with FaultyHub(place.folder / "hub", script) as hub:
        yield hub


def run(place: Workplace, hub: FaultyHub, *models: str, **changes: object) -> Ended:
    """A run of these models of the Hub; those with a colon are references of another kind."""
    references = [name if ":" in name else f"hf:acme/{name}" for name in models]
    config = place.config(*references, hub={"endpoint": hub.url}, **changes)
    ended = place.call("run", config, **IMPATIENT)
    assert "Traceback" not in ended.err
    assert not place.processes()
    return ended


def verdict(record: StageRecord) -> str:
    return record.verdict.value + (f"/{record.failure.kind.value}" if record.failure else "")


WEIGHTS = "GET /acme/{}/resolve/*/model.safetensors"
METADATA = "GET /api/models/acme/{}"
FAULTS: dict[str, tuple[str, Iterable[Fault], str]] = {
    "unauthorised": (METADATA, repeat(status(401)), "failed/auth"),
    "forbidden": (WEIGHTS, repeat(status(403)), "failed/auth"),
    "gated": (METADATA, repeat(status(403, "GatedRepo")), "failed/auth"),
    "unknown": (METADATA, repeat(status(404, "RepoNotFound")), "failed/not_found"),
    "lost": (WEIGHTS, repeat(status(404, "EntryNotFound")), "failed/not_found"),
    "broken": (WEIGHTS, repeat(status(500)), "failed/network"),
    "cut": (WEIGHTS, repeat(cut(after=1_000)), "failed/network"),
    "forged": (WEIGHTS, repeat(changed()), "failed/integrity"),
    "short": (WEIGHTS, repeat(wrong_length(-1_000)), "failed/integrity"),
    "busy": (METADATA, [status(429, Retry_After="0"), status(503)], "passed"),
    "slow": (WEIGHTS, [slow(chunk=100_000, pause=0.2)], "passed"),
    "hiccup": (WEIGHTS, [hang(), cut(after=5_000)], "passed"),
}


@pytest.fixture(scope="module")
def night(shared_place: Workplace) -> tuple[Ended, dict[str, StageRecord], Workplace]:
    """One run in which each model of the Hub has a fault of its own, with a neighbour from elsewhere."""
    place = shared_place
    script = {pattern.format(name): faults for name, (pattern, faults, _) in FAULTS.items()}
    fine = [name for name, (_, _, said) in FAULTS.items() if said == "passed"]
    rows = [
        {"model": f"acme--{name}", "stage": "inputs", "kind": "load", "reason": "its weights are noise"}
        for name in fine
    ]
    (place.folder / "expected.yaml").write_text(yaml.safe_dump(rows))
    with faulty_hub(place, FAULTS, script) as hub:
        ended = run(place, hub, *FAULTS, HEALTHY, expectations="expected.yaml")
    return ended, place.records(), place


@pytest.mark.parametrize("model", FAULTS)
def test_each_fault_has_its_kind_and_what_hangs_on_it_is_skipped(
    night: tuple[Ended, dict[str, StageRecord], Workplace], model: str
) -> None:
    _, records, _ = night
    expected = FAULTS[model][2]
    pull = records[f"acme--{model}/pull"]
    assert verdict(pull) == expected
    others = {
        verdict(record) for record in records.values() if record.model.slug == f"acme--{model}" and record is not pull
    }
    assert others == ({"skipped/upstream"} if expected != "passed" else {"failed/load", "skipped/upstream"})
    if pull.failure is not None:
        assert pull.failure.hint
        assert f"acme/{model}" in pull.failure.message


def test_some_faults_of_a_hub_are_findings_not_the_end(night: tuple[Ended, dict[str, StageRecord], Workplace]) -> None:
    ended, records, place = night
    assert ended.code == 1, ended.err
    assert all(record.passed for record in records.values() if record.model.ref == HEALTHY)
    rules = {finding.model: finding.rule for finding in place.store.findings().findings if finding.severity == "error"}
    accused = {name for name, (_, _, said) in FAULTS.items() if said.endswith(("integrity", "not_found"))}
    assert rules == {
        f"acme--{name}": "not_passed" if name in accused else "not_tested"
        for name in FAULTS
        if FAULTS[name][2] != "passed"
    }


@pytest.mark.parametrize("fault", [status(500), hang()], ids=["500", "silence"])
def test_a_hub_that_is_down_is_the_machinerys_fault_and_a_resumed_run_asks_again(
    place: Workplace, fault: Fault
) -> None:
    names = ("one", "two")
    with faulty_hub(place, names, {"* /*": repeat(fault)}) as hub:
        ended = run(place, hub, *names, limits={"time": 60, "memory": "2GB", "jobs": 2})
        address = hub.url
    assert ended.code == 3, ended.err
    records = place.records()
    assert {verdict(record) for record in records.values()} == {"failed/network", "skipped/upstream"}
    assert place.store.findings().findings[0].rule == "machinery"

    port = int(address.rpartition(":")[2])
    with FaultyHub(place.folder / "hub", {}, port=port):
        resumed = place.call("run", "--resume", "latest", **IMPATIENT)
    assert resumed.code == 1, resumed.err  # the weights are noise
    assert {verdict(record) for record in place.records().values() if record.stage == "pull"} == {"passed"}


def test_one_model_of_several_that_the_hub_does_not_give_is_a_finding(place: Workplace) -> None:
    others = [f"python:driftgate.testing.models:{name}" for name in ("healthy", "returns_nan")]
    with faulty_hub(place, ["one"], {"* /*": repeat(status(503))}) as hub:
        ended = run(place, hub, "one", *others)
    assert ended.code == 1, ended.err
    records = place.records()
    assert {record.model.slug for record in records.values() if not record.passed} == {"acme--one"}


def test_a_hub_that_cannot_be_asked_for_the_fleet_ends_the_run_at_once(place: Workplace) -> None:
    with faulty_hub(place, ["one"], {"* /*": repeat(status(502))}) as hub:
        config = place.config(hub={"endpoint": hub.url, "top": 2, "tasks": ["fill-mask"]})
        ended = place.call("run", config, **IMPATIENT)
    assert ended.code == 3
    assert "the Hub could not be asked for the fleet" in ended.err
    assert "HTTP 502" in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_patience_that_is_no_number_is_a_wrong_call(place: Workplace) -> None:
    config = place.config("hf:acme/one", hub={"endpoint": "http://127.0.0.1:9"})
    ended = place.call("run", config, **{VARIABLE: "soon"})
    assert ended.code == 2
    assert "DRIFTGATE_HUB_PATIENCE='soon' is no number of seconds" in ended.err
    assert len(ended.err.splitlines()) == 1
