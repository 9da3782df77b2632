"""Runs of every schema version there has been are still read, judged and shown.

The folders in `tests/golden/` are what an older Driftgate left on a disk. Never write them anew and never edit them, whatever
fails here: mend the reader (`core/records/upgrade.py`). When the schema gets a version 2, put a run of it into `tests/golden/v2/`,
beside the first.
"""

import json
import shutil
from pathlib import Path

import pytest

from driftgate.core.records import Cell
from driftgate.core.records.base import SCHEMA_VERSION
from driftgate.core.verdicts import FailureKind
from driftgate.machine.store import RunStore
from driftgate.steps.gate import gate
from driftgate.steps.report.build import build_report

GOLDEN = Path(__file__).parents[1] / "golden"
BERT, VIT = "acme--tiny-bert-0000", "acme--tiny-vit-0001"
CELLS = (
    "pull", "inputs", "explain", "export", "infer.torch-eager-cpu", "infer.torch-inductor-cpu", "infer.ort-cpu", "drift.ort-cpu",
)  # fmt: skip
RUNS = [run for version in sorted(GOLDEN.glob("v*")) for run in version.iterdir()]


@pytest.fixture(params=RUNS, ids=lambda run: run.parent.name)
def store(request, tmp_path):
    """A copy of a golden run."""
    return RunStore(shutil.copytree(request.param, tmp_path / request.param.name))


def test_there_is_a_run_of_every_version():
    assert {run.parent.name for run in RUNS} == {f"v{n}" for n in range(1, SCHEMA_VERSION + 1)}
    for run in RUNS:
        versions = {json.loads(path.read_text())["schema_version"] for path in run.rglob("*.json")}
        assert versions == {int(run.parent.name.removeprefix("v"))}


def test_its_documents_are_read(store):
    assert [str(cell) for cell in store.plan().cells] == [f"{model}/{cell}" for model in (BERT, VIT) for cell in CELLS]
    assert [model.ref for model in store.lock().models] == ["hf:acme/tiny-bert-0000", "hf:acme/tiny-vit-0001"]
    assert store.lock().left_out[0].reason == "gated, and no token is set"
    assert [agent.agent for agent in store.agents()] == ["agent-1"]
    assert store.agents()[0].packages["torch"] == "2.13.0"
    manifest = store.manifest()
    assert (manifest.fleet, manifest.verdict) == ("synthetic", "failed")
    assert manifest.counts == {"passed": 13, "failed": 1, "skipped": 2}
    assert [finding.stage for finding in store.findings().findings] == ["export"]


def test_its_records_say_what_they_said(store):
    records = {str(record.cell): record for record in store.records()}
    assert set(records) == {str(cell) for cell in store.plan().cells}
    assert {name: record.failure.kind for name, record in records.items() if record.failure} == {
        f"{VIT}/export": FailureKind.UNSUPPORTED_OP,
        f"{VIT}/infer.ort-cpu": FailureKind.UPSTREAM,
        f"{VIT}/drift.ort-cpu": FailureKind.UPSTREAM,
    }
    failure = records[f"{VIT}/export"].failure
    assert failure.message == "No ONNX function found for <OpOverload(op='aten.unfold_copy')>"
    assert failure.fingerprint == "48c217a3219192c2"
    assert failure.traceback.startswith("Traceback (most recent call last):\n")
    explain = records[f"{BERT}/explain"].payload
    assert (explain.graph_count, explain.break_count, explain.breaks[0].gb_id) == (9, 17, "GB0170")
    export = records[f"{BERT}/export"].payload
    assert (export.exporter, export.opset, export.op_histogram["MatMul"]) == ("dynamo", 20, 21)
    drift = records[f"{BERT}/drift.ort-cpu"].payload
    assert (drift.reference, drift.candidate, drift.tensors[0].name) == (
        "torch-eager-cpu",
        "ort-cpu",
        "last_hidden_state",
    )


def test_what_is_read_and_written_again_is_the_same(store):
    for cell in store.plan().cells:
        before = store.record(cell)
        written = json.loads(store.record_path(cell).read_text())
        store.write_record(before)
        assert store.record(cell) == before
        if (
            written["schema_version"] == SCHEMA_VERSION
        ):  # an optional key that came later may be added, none may be lost
            assert _within(written, json.loads(store.record_path(cell).read_text()))


def test_it_is_judged(store):
    findings = gate(store)
    assert findings.verdict == "failed"
    (finding,) = findings.findings
    assert (finding.model, finding.stage, finding.current) == (VIT, "export", "unsupported_op")
    assert store.manifest().counts == {"passed": 13, "failed": 1, "skipped": 2}
    assert store.record(Cell(model=VIT, stage="export")).failure.kind is FailureKind.UNSUPPORTED_OP


def test_its_report_is_built(store):
    index = build_report(store)
    assert VIT in index.read_text()
    pages = " ".join(page.read_text() for page in index.parent.rglob("*.html"))
    assert "aten.unfold_copy" in pages
    assert "GB0170" in pages


def _within(old, new):
    if isinstance(old, dict):
        return isinstance(new, dict) and all(key in new and _within(value, new[key]) for key, value in old.items())
    if isinstance(old, list):
        return isinstance(new, list) and len(old) == len(new) and all(map(_within, old, new))
    return old == new
