"""The culprit part of a drift cell: eager torch against an exported file with a fault planted in it."""

import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from culprit_models import X
from onnx import numpy_helper
from stage_desk import Desk, QuietBench

from driftgate.core.records import Cell, DriftPayload, ExportPayload, StageRecord
from driftgate.core.verdicts import FailureKind
from driftgate.stages.culprit.stage import culprit
from driftgate.stages.drift import drift
from driftgate.stages.export import export
from driftgate.stages.infer import infer

EAGER, ORT, INDUCTOR = "torch-eager-cpu", "ort-cpu", "torch-inductor-cpu"


def plant(path: Path) -> None:
    """One weight of the second block's `up` is off by a half."""
    model = onnx.load(path)
    tensor = next(t for t in model.graph.initializer if t.name == "blocks.1.up.weight")
    array = numpy_helper.to_array(tensor).copy()
    array[3, 3] += 0.5
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    onnx.save(model, path)


def planted(folder: Path, variant: str | None = None) -> tuple[Desk, StageRecord]:
    """A desk whose exported file was changed between export and inference, and the drift that came of it."""
    desk = Desk(folder, "culprit_models:perceptron")
    desk.give({"x": X}, {"x": X[:3].clone()})
    assert desk.run(export, variant=variant, part="dynamo").passed
    plant(desk.folder / f"model{f'@{variant}' if variant else ''}.onnx")
    assert desk.run(infer, EAGER, variant).passed
    assert desk.run(infer, ORT, variant).passed
    return desk, desk.run(drift, ORT, variant)


def search(desk: Desk, target: str = ORT, variant: str | None = None) -> DriftPayload:
    shutil.rmtree(desk.folder / ".search", ignore_errors=True)
    return culprit(desk.job("drift", target, variant, part="culprit"), QuietBench())


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk, record = planted(tmp_path_factory.mktemp("planted"))
    assert record.failure is not None
    assert record.failure.kind is FailureKind.OUT_OF_TOLERANCE
    return desk


def test_the_planted_fault_is_named_with_module_source_line_and_both_errors(desk: Desk) -> None:
    found = search(desk).culprit
    assert found is not None
    assert (found.module, found.value) == ("blocks.1.up", "linear_2")
    assert found.node == "node_linear_2"
    assert found.source is not None
    assert found.source.startswith(str(Path(__file__).parent / "culprit_models.py:"))
    assert found.code is not None
    assert "the line that a test looks for" in found.code
    assert found.own_error is not None
    assert found.own_error > 0.01
    assert found.inherited_error is not None
    assert found.inherited_error < 1e-5


def test_the_reproduction_runs_by_itself_from_a_copied_folder(desk: Desk, tmp_path: Path) -> None:
    found = search(desk).culprit
    assert found is not None
    assert found.repro == "repro/drift.ort-cpu"
    assert found.repro_bytes is not None
    assert found.repro_bytes < 100_000
    copy = tmp_path / "somewhere else"
    shutil.copytree(desk.folder / found.repro, copy)
    run = [sys.executable, "-I", str(copy / "repro.py")]
    broken = subprocess.run(run, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert broken.returncode == 1, broken.stderr
    assert "linear_2: " in broken.stdout
    assert broken.stdout.endswith("still differs\n")
    mended = onnx.load(copy / "model.onnx")
    (weight,) = (t for t in mended.graph.initializer if list(t.dims) == [16, 8])
    array = numpy_helper.to_array(weight).copy()
    array[3, 3] -= 0.5
    weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    onnx.save(mended, copy / "model.onnx")
    assert subprocess.run(run, capture_output=True, check=False).returncode == 0


def test_the_dynamic_variant_is_searched_at_the_second_size(tmp_path: Path) -> None:
    desk, record = planted(tmp_path, "dynamic")
    assert record.failure is not None
    found = search(desk, variant="dynamic").culprit
    assert found is not None
    assert (found.module, found.repro) == ("blocks.1.up", "repro/drift.ort-cpu@dynamic")


def test_an_exporter_without_a_program_leaves_a_file_that_differs_as_it_is(desk: Desk) -> None:
    record = desk.job("drift", ORT).store.record(Cell(model="model", stage="export"))
    assert record is not None
    assert isinstance(record.payload, ExportPayload)
    other = record.model_copy(update={"payload": record.payload.model_copy(update={"exporter": "torchscript"})})
    desk.job("drift", ORT).store.write_record(other)
    told = search(desk)
    desk.job("drift", ORT).store.write_record(record)
    assert told.culprit is None
    assert told.culprit_note is not None
    assert "torchscript exporter hands over no program" in told.culprit_note


def test_a_compiled_module_has_no_nodes_to_look_at_and_says_so(desk: Desk) -> None:
    told = search(desk, INDUCTOR)
    assert told.culprit is None
    assert told.culprit_note is not None
    assert "runs the module as a whole" in told.culprit_note


def test_a_module_that_is_captured_otherwise_than_it_runs_has_no_culprit_among_the_nodes(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "culprit_models:otherwise_when_exported")
    desk.give({"x": X})
    assert desk.run(export, part="dynamo").passed
    assert desk.run(infer, EAGER).passed
    assert desk.run(infer, ORT).passed
    told = search(desk)
    assert told.culprit is None
    assert told.culprit_note is not None
    assert "differs from the module itself" in told.culprit_note
