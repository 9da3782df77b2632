"""docs/ci.md: the blocks are valid for the services that they are written for, and their commands are Driftgate's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jenkins_build import ROOT

from driftgate.cli.commands import COMMANDS
from driftgate.core.verdicts import FailureKind
from driftgate.machine.store import RunStore

TEXT = (ROOT / "docs" / "ci.md").read_text()
BLOCKS = re.findall(r"^```yaml\n# (\S+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
SCHEMAS = {
    ".github/workflows/driftgate.yaml": "vendor.github-workflows",
    ".gitlab-ci.yml": "vendor.gitlab-ci",
    ".gitlab-ci.field.yml": "vendor.gitlab-ci",
}
BIN = Path(sys.executable).parent


def test_each_service_is_there() -> None:
    assert [name for name, _ in BLOCKS] == list(SCHEMAS)


@pytest.mark.parametrize(("name", "text"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_a_block_is_valid_by_the_schema_of_its_service(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "ci.yml"
    path.write_text(text)
    call = [str(BIN / "check-jsonschema"), "--builtin-schema", SCHEMAS[name], str(path)]
    answer = subprocess.run(call, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    path.write_text(text.replace("script:", "scrpt:").replace("runs-on:", "run-on:"))
    assert subprocess.run(call, capture_output=True, check=False).returncode == 1


def test_the_commands_are_commands_of_driftgate() -> None:
    named = {word for _, text in BLOCKS for word in re.findall(r"driftgate ([a-z]\w*)", text)}
    named |= {
        word
        for _, text in BLOCKS
        for words in re.findall(r"for \w+ in ([a-z ]+); do driftgate", text)
        for word in words.split()
    }
    assert {"pull", "infer", "merge", "gate", "archive", "run"} <= named
    assert named <= set(COMMANDS)


def _job(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load(dict(BLOCKS)[".gitlab-ci.yml"])[name])


def _script(name: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    own = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    own |= {"HOME": str(folder), "DRIFTGATE_CACHE": str(folder / "cache")} | variables
    text = "set -e\n" + "\n".join(_job(name)["script"])
    return subprocess.run(["bash", "-c", text], cwd=folder, env=own, capture_output=True, text=True, check=False)


@pytest.mark.full
def test_the_commands_for_several_machines_make_one_whole_run(tmp_path: Path) -> None:
    """The gpu runner never comes."""
    (tmp_path / "configs").mkdir()
    fleet = {
        "models": ["python:driftgate.testing.models:healthy"],
        "targets": ["torch-eager-cpu", "ort-cpu", "ort-cuda"],
        "explain": {"second_shape": False},
        "latency": {"enabled": False},
    }
    (tmp_path / "configs" / "nightly.yaml").write_text(yaml.safe_dump(fleet))
    prepared = _script("prepare", tmp_path)
    assert prepared.returncode == 0, prepared.stderr
    run = (tmp_path / "run.env").read_text().strip().removeprefix("RUN=")
    copy = ["cp", "-r", "outputs", "prepared"]
    subprocess.run(copy, cwd=tmp_path, check=True)
    for file in tmp_path.glob("outputs/*/models/*/*.onnx*"):
        file.unlink()  # as `exclude` does
    ran = _script("infer", tmp_path, RUN=run, RUNNER="cpu", DRIFTGATE_AGENT="cpu-2")
    assert ran.returncode == 0, ran.stderr
    (tmp_path / "prepared").rename(tmp_path / "outputs")

    judged = _script("judge", tmp_path, RUN=run)

    assert judged.returncode == 1, judged.stderr
    store = RunStore.find(run, tmp_path / "outputs")
    records = {record.cell.name: record for record in store.records()}
    assert set(records) == {cell.name for cell in store.plan().cells}
    assert records["infer.ort-cpu"].agent == "cpu-2"
    failure = records["infer.ort-cuda"].failure
    assert failure is not None
    assert failure.kind is FailureKind.NOT_RUN
    assert (tmp_path / "outputs" / f"{run}.tar.gz").is_file()
