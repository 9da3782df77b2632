"""What a run writes into its event log, and Loki that is told while it runs."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from driftgate.testing.loki import Fault, LokiDouble
from driftgate.testing.workplace import Ended, Workplace

BREAKS = """
import torch

class Breaking(torch.nn.Module):
    def forward(self, x):
        x = torch.relu(x)
        torch._dynamo.graph_break()
        return x + 1

def breaking():
    return Breaking(), (torch.ones(2, 3),)
"""


@pytest.fixture(scope="module")
def told(shared_place: Workplace) -> Iterator[tuple[Workplace, LokiDouble, Ended]]:
    """A run of a model that breaks its graph and one that raises, told to a Loki that stumbles."""
    (shared_place.folder / "mine.py").write_text(BREAKS)
    config = shared_place.config("python:mine:breaking", "python:driftgate.testing.models:raises")
    with LokiDouble(faults={0: Fault.DIES_AFTER, 1: Fault.ERROR}) as loki:
        ended = shared_place.call(
            "run", config, DRIFTGATE_LOKI_URL=loki.url, DRIFTGATE_AGENT="agent-1", GIT_COMMIT="c0ffee"
        )
        yield shared_place, loki, ended


def test_every_event_of_the_run_is_in_loki_once_and_as_it_stands_in_the_log(
    told: tuple[Workplace, LokiDouble, Ended],
) -> None:
    place, loki, ended = told
    assert ended.code == 1, ended.err
    assert "sent to Loki" in ended.err
    lines = place.store.events_path("agent-1").read_text().splitlines()
    assert sorted(entry.line for entry in loki.entries) == sorted(lines)
    kinds = {json.loads(line)["event"] for line in lines}
    assert kinds == {"start", "verdict", "break", "judged", "finding"}


def test_an_event_names_run_commit_model_stage_and_target(told: tuple[Workplace, LokiDouble, Ended]) -> None:
    place, loki, _ = told
    metadata = [dict(entry.metadata) for entry in loki.entries]
    assert {row["run_id"] for row in metadata} == {place.store.run_id}
    assert {row["commit"] for row in metadata} == {"c0ffee"}
    assert {row["agent"] for row in metadata} == {"agent-1"}
    (found,) = [entry for entry in loki.entries if dict(entry.metadata)["event"] == "break"]
    assert dict(found.labels) == {"app": "driftgate", "level": "warning", "stage": "explain"}
    assert json.loads(found.line)["message"].startswith("Call to `torch._dynamo.graph_break()`")
    inferred = [dict(entry.labels) for entry in loki.entries if dict(entry.labels).get("stage") == "infer"]
    assert {row["target"] for row in inferred} == {"torch-eager-cpu", "ort-cpu"}
    finding = next(json.loads(entry.line) for entry in loki.entries if dict(entry.metadata)["event"] == "finding")
    assert finding["message"] in {known.sentence for known in place.store.findings().findings}


def test_the_metrics_of_the_run_say_how_far_its_logs_came(told: tuple[Workplace, LokiDouble, Ended]) -> None:
    place, loki, _ = told
    metrics = (place.store.root / "metrics.prom").read_text().splitlines()
    values = {
        line.split("{")[0]: float(line.rsplit(" ", 1)[1])
        for line in metrics
        if line.startswith("driftgate_log_records")
    }
    assert values == {
        "driftgate_log_records_pending": 0,
        "driftgate_log_records_shipped_total": len(loki.entries),
        "driftgate_log_records_dropped_total": 0,
    }


def test_a_loki_that_is_down_fails_publish_alone_and_what_waits_can_be_sent_later(
    told: tuple[Workplace, LokiDouble, Ended],
) -> None:
    place, loki, _ = told
    place.call("gate", "--run", "latest", DRIFTGATE_AGENT="agent-1")
    before = {path: path.read_bytes() for path in place.store.root.rglob("*.json")}
    refused = place.call("publish", "--run", "latest", DRIFTGATE_LOKI_URL=loki.url + "/nowhere")
    assert refused.code == 3
    last = refused.err.splitlines()[-1]
    assert "log records wait in" in last
    assert (
        f"{loki.url}/nowhere: 404 Not Found: 404 page not found; is DRIFTGATE_LOKI_URL a Loki?; `driftgate publish"
        in last
    )
    assert {path: path.read_bytes() for path in place.store.root.rglob("*.json")} == before

    assert place.call("publish", "--run", "latest", DRIFTGATE_LOKI_URL=loki.url).code == 0
    lines = place.store.events_path("agent-1").read_text().splitlines()
    assert len(loki.entries) == len(lines)


def test_a_wrong_url_is_told_before_anything_is_computed(place: Workplace) -> None:
    ended = place.call("run", DRIFTGATE_LOKI_URL="ftp://user:hush@127.0.0.1/")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert "DRIFTGATE_LOKI_URL: no URL of a server" in ended.err
    assert "hush" not in ended.err
    assert not (place.folder / "outputs").exists()
