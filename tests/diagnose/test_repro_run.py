"""A run that breaks in every way leaves scripts that break in the same way, without Driftgate and in another place."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from reproductions import Ended, run_copies

from driftgate.testing.workplace import Workplace, workplace_in

MODELS = "breaks", "wider", "twists", "raises", "half", "dies"
SCRIPTS = {
    "breaks/explain.py": "4 break events; in the run there were 4",
    "wider/explain.py": "0 break events; in the run there were 0",
    "breaks/export.dynamo.py": "as in the run",
    "twists/export.dynamo.py": "as in the run",
    "raises/explain.py": "as in the run",
    "raises/export.dynamo.py": "as in the run",
    "raises/infer.torch-eager-cpu.py": "as in the run",
    "half/infer.ort-cpu.py": "as in the run",
    "dies/explain.py": "ended by signal, in the run by signal",
    "dies/export.dynamo.py": "ended by signal, in the run by signal",
    "dies/infer.torch-eager-cpu.py": "ended by signal, in the run by signal",
}
"""What is broken, and the last words of what repeats it."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with workplace_in(tmp_path_factory.mktemp("place")) as place:
        shutil.copy(Path(__file__).parent / "broken_models.py", place.folder)
        sizes = "tensors: {x: {dtype: float32, shape: [batch, 4]}}\nsizes: {batch: [2, 3]}\n"
        (place.folder / "inputs").mkdir(exist_ok=True)
        (place.folder / "inputs/python--broken_models--wider.yaml").write_text(sizes)
        config = place.config(
            *(f"python:broken_models:{name}" for name in MODELS), limits={"time": 200, "memory": "2GB"}, explain={}
        )
        ended = place.call("run", config)
        assert ended.code == 1, ended.err
        yield place


@pytest.fixture(scope="module")
def ended(place: Workplace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    scripts = [
        place.store.root / f"models/python--broken_models--{model}/repro/{name}" for model, name in split(SCRIPTS)
    ]
    found = run_copies(scripts, tmp_path_factory.mktemp("elsewhere"))
    return {name.removeprefix("python--broken_models--"): how for name, how in found.items()}


def split(names: dict[str, str]) -> list[list[str]]:
    return [name.split("/") for name in names]


def listed(place: Workplace, *more: str) -> list[dict[str, str | None]]:
    return json.loads(place.call("repro", "--run", "latest", "--format", "json", *more).out)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_repeats_what_broke_with_the_same_fingerprint(ended: dict[str, Ended], name: str) -> None:
    assert ended[name].code == 1, ended[name].output
    assert ended[name].output.strip().endswith(SCRIPTS[name])


def test_every_broken_cell_has_a_script_and_nothing_else_has(place: Workplace) -> None:
    found = {str(path.relative_to(place.store.root / "models")) for path in place.store.root.rglob("repro/*.py")}
    expected = {f"python--broken_models--{model}/repro/{name}" for model, name in split(SCRIPTS)}
    assert {name for name in found if not name.endswith("/recognise.py")} == expected


def test_the_breaks_that_a_script_prints_are_those_of_the_record(place: Workplace, ended: dict[str, Ended]) -> None:
    record = place.records()["python--broken_models--breaks/explain"]
    lines = ended["breaks/explain.py"].output.splitlines()
    for seen in record.payload.breaks:
        told = [line for line in lines if line.startswith(seen.fingerprint)]
        assert len(told) == seen.count
        assert f"{seen.gb_id} in {seen.function}, " in told[0]
        assert told[0].endswith(f"broken_models.py:{seen.line}: {seen.code}")


def test_the_command_prints_how_to_call_each_script(place: Workplace) -> None:
    rows = listed(place)
    assert {(row["model"].rpartition("--")[2], Path(row["script"]).name) for row in rows} == {
        (m, n) for m, n in split(SCRIPTS)
    }
    assert all(row["command"] == f"python {row['script']}" for row in rows)
    out = place.call("repro", "--run", "latest", "--model", "python:broken_models:half").out
    script = f"outputs/{place.store.run_id}/models/python--broken_models--half/repro/infer.ort-cpu.py"
    assert out == f"python--broken_models--half: infer.ort-cpu\n  python {script}\n"


def test_one_can_ask_for_one_stage_and_in_markdown(place: Workplace) -> None:
    assert {row["cell"] for row in listed(place, "--stage", "export")} == {"export"}
    out = place.call("repro", "--run", "latest", "--stage", "infer", "--format", "markdown").out
    assert out.startswith("| model | cell | without Driftgate |\n")


def test_a_model_that_is_not_in_the_run_is_a_mistake_of_the_caller(place: Workplace) -> None:
    called = place.call("repro", "--run", "latest", "--model", "python:broken_models:halve")
    assert called.code == 2
    assert "did you mean" in called.err


def test_the_report_shows_the_command_at_the_cell_and_at_its_finding(place: Workplace) -> None:
    report = place.store.root / "report"
    command = f"python outputs/{place.store.run_id}/models/python--broken_models--half/repro/infer.ort-cpu.py"
    for page in (report / "models/python--broken_models--half.html", report / "findings.html", report / "index.html"):
        assert f"<code>{command}</code>" in page.read_text(), page
    link = 'href="../../models/python--broken_models--half/repro/infer.ort-cpu.py"'
    assert link in (report / "models/python--broken_models--half.html").read_text()
    assert (report / "models" / link.split('"')[1]).resolve().is_file()


def test_what_no_longer_breaks_loses_its_script_and_other_folders_stay(place: Workplace) -> None:
    folder = place.store.repro_folder("python--broken_models--half")
    culprit = folder / "drift.ort-cpu"
    culprit.mkdir()
    (culprit / "repro.py").write_text("a script of somebody else")
    (folder / "export.dynamo.py").write_text("left by an earlier call")
    rows = listed(place, "--model", "python:broken_models:half")
    assert [row["cell"] for row in rows] == ["infer.ort-cpu", "drift.ort-cpu"]
    assert not (folder / "export.dynamo.py").exists()
    assert (culprit / "repro.py").is_file()
    shutil.rmtree(culprit)


def test_a_script_without_its_files_gives_no_answer_instead_of_a_wrong_one(place: Workplace, tmp_path: Path) -> None:
    folder = tmp_path / "half"
    shutil.copytree(place.store.repro_folder("python--broken_models--half"), folder / "repro")
    os.unlink(folder / "repro" / "model.onnx")
    (how,) = run_copies([folder / "repro" / "infer.ort-cpu.py"], tmp_path / "elsewhere", warm=False).values()
    assert how.code == 2
    assert "model.onnx" in how.output
