"""One run on several machines: which cells belong where, and what a machine does that has the records and not the files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from driftgate.cli import run_command
from driftgate.targets import RUNNERS, TARGETS, runner_of
from driftgate.testing.workplace import Workplace, workplace_in

(GOLDEN,) = (Path(__file__).parents[1] / "golden" / "v1").iterdir()
MODEL = "python:driftgate.testing.models:healthy"


def _call(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = run_command([str(one) for one in arguments])
    out, err = capfd.readouterr()
    return code, out, err


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with targets for both kinds of machine."""
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"models": [MODEL], "targets": ["torch-eager-cpu", "ort-cpu", "ort-cuda"]}))
    return path


def test_every_target_belongs_on_one_kind_of_machine() -> None:
    belongs = {name: runner_of(name) for name in TARGETS.names()}
    assert {name for name, runner in belongs.items() if runner == "gpu"} >= {
        "torch-eager-cuda", "torch-inductor-cuda", "ort-cuda",
    }  # fmt: skip
    assert all(belongs[name] == "cpu" for name in ("torch-eager-cpu", "torch-inductor-cpu", "ort-cpu"))
    assert set(belongs.values()) == set(RUNNERS)


def test_a_dry_run_names_the_cells_of_a_runner_and_runs_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(GOLDEN, tmp_path / GOLDEN.name)
    before = sorted(tmp_path.rglob("*"))
    cells = ("infer", "--run", "latest", "--output", tmp_path, "--dry-run")
    code, out, err = _call(capfd, *cells, "--runner", "cpu")
    assert (code, err) == (0, "")
    models = ("acme--tiny-bert-0000", "acme--tiny-vit-0001")
    targets = ("torch-eager-cpu", "torch-inductor-cpu", "ort-cpu")
    assert set(out.splitlines()) == {f"{model}/infer.{target}" for model in models for target in targets}
    assert _call(capfd, *cells, "--runner", "gpu") == (0, "", "")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_plan_for_one_kind_of_machine_leaves_the_other_targets_out(
    config: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, out, err = _call(capfd, "plan", config, "--runner", "cpu", "--format", "json")
    assert code == 0, err
    assert {cell["target"] for cell in json.loads(out)["cells"]} == {None, "torch-eager-cpu", "ort-cpu"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["explain", "zoo:bert", "--runner", "gpu"], "--runner goes with --run"),
        (["infer", "zoo:bert", "--dry-run"], "--dry-run goes with --run"),
        (["plan", "CONFIG", "--runner", "tpu"], "'tpu' is not one of 'cpu', 'gpu'"),
        (["plan", "CONFIG", "--target", "ort-cpu", "--runner", "gpu"], "--runner: none of ort-cpu runs on gpu"),
        (
            ["plan", "CONFIG", "--model", "zoo:bert", "--top", "3"],
            "--model names the models, --top and --family select",
        ),
        (["plan", "CONFIG", "--top", "0"], "--top"),
        (["pull", "--run", "latest", "--family", "bert"], "go with a configuration; a run has its models"),
        (["run", "--resume", "latest", "--top", "3"], "--resume goes on with the run's own configuration"),
    ],
)
def test_a_wrong_call_is_exit_2_and_one_line(
    config: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    code, out, err = _call(capfd, *(config if one == "CONFIG" else one for one in arguments))
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.splitlines()) == 1


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    """A workplace for one test."""
    with workplace_in(tmp_path) as place:
        yield place


@pytest.mark.full
def test_a_machine_with_the_records_alone_brings_the_files_that_its_cells_need(place: Workplace) -> None:
    assert place.call("run", place.config(MODEL)).code == 0
    (file,) = place.folder.glob("outputs/*/models/*/model.onnx")
    file.unlink()  # another machine: the records came, and nothing of this model is in its cache

    ended = place.call("infer", "--run", "latest", "--target", "ort-cpu", "--with-needs", DRIFTGATE_AGENT="gpu-1")

    assert ended.code == 0, ended.err
    records = {record.cell.name: record for record in place.records().values()}
    assert {name for name, record in records.items() if record.agent == "gpu-1"} == {"infer.ort-cpu"}
    assert all(record.passed for record in records.values())


def test_a_secret_that_a_ci_does_not_have_names_no_database(place: Workplace) -> None:
    ended = place.call("history", "import", GOLDEN, DRIFTGATE_DB_URL="")
    assert ended.code == 0, ended.err
    assert (place.folder / "outputs" / "history.sqlite").is_file()
