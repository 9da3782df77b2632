"""The Jenkinsfile, executed: every `sh` really runs, agents have workspaces and caches of their own, and only stashes connect them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from jenkins_build import CPU, GPU, Built, Lab

from driftgate.core.verdicts import FailureKind
from driftgate.machine.store import RunStore

BIN = Path(sys.executable).parent
FLEET = {
    "fleet": "jenkins",
    "models": [f"python:driftgate.testing.models:{name}" for name in ("healthy", "raises")],
    "targets": ["torch-eager-cpu", "ort-cpu", "torch-eager-cuda"],
    "explain": {"fullgraph": False, "second_shape": False},
    "export": {"exporters": ["dynamo"], "dynamic": False},
    "latency": {"enabled": False},
    "limits": {"time": 60, "memory": "2GB"},
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A build of two models, one of them broken, on a day on which no gpu agent comes."""
    lab = Lab(tmp_path_factory.mktemp("jenkins"), path=(BIN,))
    lab.repository({"configs/two.yaml": yaml.safe_dump(FLEET)})
    return lab.build(CONFIG="configs/two.yaml", GPU=True, BASELINE="")


def _opened(built: Built, folder: Path) -> RunStore:
    """The archived run, as somebody who downloaded it opens it."""
    (archive,) = built.page.glob("outputs/*.tar.gz")
    call = [BIN / "driftgate", "open", archive, "--output", folder]
    subprocess.run(call, check=True, capture_output=True, text=True)
    return RunStore.find("latest", folder)


def test_every_cell_of_the_run_has_its_record_in_the_archive(built: Built, tmp_path: Path) -> None:
    store = _opened(built, tmp_path)
    cells = store.plan().cells
    assert len(cells) == 2 * 9
    assert [cell for cell in cells if store.record(cell) is None] == []
    assert {"findings.json", "junit.xml", "summary.md", "metrics.prom", "report/index.html"} <= {
        str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file()
    }


def test_an_agent_that_never_comes_leaves_its_cells_not_run_and_the_build_unstable(
    built: Built, tmp_path: Path
) -> None:
    store = _opened(built, tmp_path)
    records = {str(record.cell): record for record in store.records()}
    missing = {
        name for name, record in records.items() if record.failure and record.failure.kind is FailureKind.NOT_RUN
    }
    assert {name.rpartition("/")[2] for name in missing} == {"infer.torch-eager-cuda"}
    assert len(missing) == 2
    assert (built.result, built.stages["infer"]) == ("UNSTABLE", "UNSTABLE"), built.log
    assert "no gpu agent answered for 60 minutes: its cells are not_run" in built.log


def test_one_models_failure_stops_no_other(built: Built, tmp_path: Path) -> None:
    store = _opened(built, tmp_path)
    healthy = {r.cell.name: r.verdict.value for r in store.records() if r.model.slug.endswith("healthy")}
    assert {name for name, verdict in healthy.items() if verdict == "passed"} == {
        "pull", "inputs", "explain", "export", "infer.torch-eager-cpu", "infer.ort-cpu", "drift.ort-cpu",
    }  # fmt: skip
    assert [stage for stage, result in built.stages.items() if result == "FAILURE"] == []


def test_the_findings_are_the_description_of_the_build(built: Built) -> None:
    assert built.description is not None
    assert "raises" in built.description
    assert built.description.splitlines()[-1].startswith("failed:")


def test_the_page_of_the_build_has_results_report_and_the_archive_with_its_fingerprint(built: Built) -> None:
    assert built.junit is not None
    assert built.junit["tests"] == 18
    assert built.junit["failures"] > 0
    assert built.reports == ("Driftgate",)
    page = built.folder / "reports/Driftgate/report/index.html"
    links = re.findall(r'href="([^"#:]+)"', page.read_text())
    assert len(links) > 10
    assert [link for link in links if not (page.parent / link).exists()] == []
    (archive,) = (name for name in built.artifacts if name.endswith(".tar.gz"))
    assert set(built.fingerprints) == set(built.artifacts)
    assert {Path(name).name for name in built.artifacts} == {
        Path(archive).name, "summary.md", "findings.json", "metrics.prom", "junit.xml",
    }  # fmt: skip


def test_models_do_not_travel_by_stash(built: Built) -> None:
    travelled = [path.name for path in (built.folder / "stashes").rglob("*") if path.is_file()]
    assert "inputs.safetensors" in travelled
    assert "outputs.ort-cpu.safetensors" in travelled
    assert [name for name in travelled if ".onnx" in name] == []


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_the_quickstart_is_green_and_whole(tmp_path: Path) -> None:
    lab = Lab(tmp_path, path=(BIN,), agents=(CPU, GPU))
    root = Path(__file__).parents[2] / "configs"
    names = ("quickstart.yaml", "quickstart.expectations.yaml")
    lab.repository({f"configs/{name}": (root / name).read_text() for name in names})
    built = lab.build(CONFIG="configs/quickstart.yaml", BASELINE="")
    assert built.result == "SUCCESS", built.log
    store = _opened(built, tmp_path / "opened")
    assert [cell for cell in store.plan().cells if store.record(cell) is None] == []
    assert built.junit is not None
    assert built.junit["failures"] == 0


@pytest.mark.full
def test_what_two_agents_computed_is_one_run(tmp_path: Path) -> None:
    lab = Lab(tmp_path, path=(BIN,), agents=(CPU, GPU))
    lab.repository({"configs/two.yaml": yaml.safe_dump(FLEET)})
    built = lab.build(CONFIG="configs/two.yaml", GPU=True, BASELINE="")
    store = _opened(built, tmp_path / "opened")
    by_target = {r.target: r.agent for r in store.records() if r.stage == "infer"}
    assert by_target == {"torch-eager-cpu": "cpu-1", "ort-cpu": "cpu-1", "torch-eager-cuda": "gpu-1"}
    assert {agent.agent for agent in store.agents()} == {"cpu-1", "gpu-1"}
    assert json.loads((store.root / "findings.json").read_text())["run_id"] == store.run_id
