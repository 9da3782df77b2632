"""Owners on their way: from the configuration into the run, from the run into every place that tells a finding."""

import io
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from pages import read
from rich.console import Console

from driftgate.cli import run_command
from driftgate.cli.session import owners_of
from driftgate.core.errors import UsageError
from driftgate.core.records import Cell
from driftgate.core.verdicts import FailureKind
from driftgate.machine.owners import load_owners
from driftgate.machine.settings import load_config
from driftgate.machine.store import RunStore
from driftgate.steps.gate import gate
from driftgate.steps.report import build_report
from driftgate.steps.summary import print_summary
from driftgate.targets import TARGETS
from driftgate.testing.nights import failing
from driftgate.testing.runs import Story, synthetic_run

ROWS = "- {owner: everybody}\n- {family: bert, stage: infer, owner: bert-people}\n"


@pytest.fixture
def store(tmp_path):
    """A run of a bert and a vit; the bert crashes in ONNX Runtime, the vit under dynamo."""
    store = synthetic_run(tmp_path / "outputs", models=2, stories=(Story.CLEAN,))
    bert, vit = (entry.slug for entry in store.lock().models)
    for cell in (Cell(model=bert, stage="infer", target="ort-cpu"), Cell(model=vit, stage="explain")):
        store.write_record(failing(FailureKind.SIGNAL, f"the worker died in {cell.stage}")(store.record(cell)))
    return store


def owners(findings):
    return {one.stage: one.owner for one in findings.findings}


def test_a_configuration_names_the_file_and_a_mistake_points_at_the_key(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("fleet: a\nowners: people.yaml\n")
    with pytest.raises(UsageError, match=r"c\.yaml:2: owners: there is no file .*people\.yaml"):
        owners_of(load_config(config))
    (tmp_path / "people.yaml").write_text(ROWS)
    assert owners_of(load_config(config)) == ROWS
    (tmp_path / "people.yaml").write_text(ROWS.replace("infer", "infr"))
    with pytest.raises(UsageError, match=r"people\.yaml:2: owners\[1\]\.stage: there is no stage 'infr'"):
        owners_of(load_config(config))
    config.write_text("fleet: a\n")
    assert owners_of(load_config(config)) is None


def test_the_file_in_configs_is_read():
    assert load_owners(Path("configs/owners.yaml"), TARGETS.names()).owners


def test_a_run_carries_its_owners_and_names_the_same_ones_elsewhere(store, tmp_path):
    store.write_text("owners.yaml", ROWS)
    first = owners(gate(store))
    assert first == {"infer": "bert-people", "explain": "everybody"}
    elsewhere = RunStore(shutil.copytree(store.root, tmp_path / "elsewhere" / store.run_id))
    assert owners(gate(elsewhere)) == first


def test_without_owners_nobody_is_named(store):
    assert owners(gate(store)) == {"infer": None, "explain": None}


def test_the_owner_stands_in_terminal_junit_summary_and_report(store, tmp_path, capfd):
    file = tmp_path / "o.yaml"
    file.write_text(ROWS)
    assert run_command(["gate", "--run", str(store.root), "--owners", str(file)]) == 1
    out, _ = capfd.readouterr()
    assert "signal: the worker died in infer [bert-people]\n" in out
    texts = [one.text for one in ET.parse(store.root / "junit.xml").iter("failure")]
    assert sorted(line for text in texts for line in text.splitlines() if "owner" in line) == [
        "owner: bert-people",
        "owner: everybody",
    ]
    assert "(bert-people)" in (store.root / "summary.md").read_text()
    console = Console(file=io.StringIO(), width=80)
    print_summary(store, console)
    assert "[bert-people]" in console.file.getvalue()
    assert "owner: bert-people" in " ".join(read(build_report(store)).text.split())
    assert (store.root / "owners.yaml").read_text() == ROWS


def test_a_mistake_in_the_file_is_told_before_anything_is_written(store, tmp_path, capfd):
    before = (store.root / "findings.json").read_bytes()
    file = tmp_path / "o.yaml"
    file.write_text(ROWS.replace("family", "famly"))
    assert run_command(["gate", "--run", str(store.root), "--owners", str(file)]) == 2
    _, err = capfd.readouterr()
    assert "o.yaml:2: owners[1].famly: unknown key 'famly'; did you mean 'family'?" in err
    assert len(err.splitlines()) == 1
    assert (store.root / "findings.json").read_bytes() == before
    assert not store.has("owners.yaml")
