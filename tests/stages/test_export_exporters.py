"""Each exporter calls outputs what the model does, and says what it ignored; the exported program is kept on request."""

import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from stage_desk import NO_LATENCY, Desk

from driftgate.core.records import ExportPayload
from driftgate.machine.settings import ExportSettings
from driftgate.stages.export import export

PT2 = NO_LATENCY.model_copy(update={"export": ExportSettings(pt2=True)})
BERT_OUTPUTS = ("last_hidden_state", "hidden_states.0", "hidden_states.1")
NAMES = ("top", "hidden.0", "hidden.1.0", "hidden.1.1", "more.deep")


def inputs_of(model: str) -> dict[str, torch.Tensor]:
    _, inputs = getattr(importlib.import_module("export_models"), model)()
    return dict(inputs)


def exported(folder: Path, model: str, part: str, variant: str | None = None, **more: Any) -> ExportPayload:
    desk = Desk(folder, f"export_models:{model}", **more)
    first = inputs_of(model)
    desk.give(first, {name: tensor[:2].clone() for name, tensor in first.items()})
    record = desk.run(export, variant=variant, part=part)
    assert record.failure is None
    assert isinstance(record.payload, ExportPayload)
    return record.payload


def run_onnx(folder: Path, payload: ExportPayload, inputs: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(
        folder / "models/model" / str(payload.file), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    feeds = {value.name: inputs[value.name].numpy() for value in session.get_inputs()}
    return dict(zip(names, session.run(None, feeds), strict=True))


@pytest.mark.parametrize("part", ["dynamo", "torchscript"])
def test_nested_outputs_are_named_by_their_place(tmp_path: Path, part: str) -> None:
    payload = exported(tmp_path, "nested", part)
    inputs = inputs_of("nested")
    found = run_onnx(tmp_path, payload, inputs)
    assert tuple(found) == NAMES == payload.outputs
    assert tuple(payload.renamed_outputs.values()) == NAMES
    assert np.allclose(found["hidden.1.1"], inputs["x"].numpy() * 4)


@pytest.mark.parametrize("part", ["dynamo", "torchscript"])
def test_the_fields_of_a_dataclass_are_outputs(tmp_path: Path, part: str) -> None:
    assert exported(tmp_path, "returns_registered", part).outputs == ("first", "second")


@pytest.mark.parametrize("part", ["dynamo", "torchscript"])
def test_the_outputs_of_a_transformers_model_keep_their_names(tmp_path: Path, part: str) -> None:
    payload = exported(tmp_path, "tiny_bert", part)
    assert payload.outputs == BERT_OUTPUTS
    assert [(a.exporter, a.verdict, a.node_count) for a in payload.attempts] == [(part, "passed", payload.node_count)]
    found = run_onnx(tmp_path, payload, inputs_of("tiny_bert"))
    assert np.array_equal(found["last_hidden_state"], found["hidden_states.1"])


def test_so_they_do_with_the_exporter_of_transformers(tmp_path: Path) -> None:
    """In a process of its own: it changes how others export."""
    child = os.fork()
    if child == 0:
        try:
            payload = exported(tmp_path, "tiny_bert", "transformers")
            (tmp_path / "payload.json").write_text(payload.to_json())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    payload = ExportPayload.model_validate_json((tmp_path / "payload.json").read_bytes())
    assert payload.outputs == BERT_OUTPUTS
    assert payload.exporter == "transformers"
    assert tuple(run_onnx(tmp_path, payload, inputs_of("tiny_bert"))) == BERT_OUTPUTS


def test_a_traced_model_with_dynamic_axes_runs_at_another_size(tmp_path: Path) -> None:
    payload = exported(tmp_path, "nested", "torchscript", variant="dynamic")
    assert payload.dynamic_axes == {"x": ("batch", "4")}
    assert run_onnx(tmp_path, payload, {"x": torch.ones(7, 4)})["top"].shape == (7, 4)


def test_a_branch_that_tracing_froze_is_told(tmp_path: Path) -> None:
    payload = exported(tmp_path, "branch", "torchscript")
    (warning,) = payload.warnings
    assert "export_models.py:" in warning
    assert "might cause the trace to be incorrect" in warning


def test_idle_inputs_constant_outputs_and_what_is_no_tensor_are_told(tmp_path: Path) -> None:
    payload = exported(tmp_path, "ignores", "torchscript")
    assert payload.unused_inputs == ("y",)
    assert payload.constant_outputs == ("always",)
    assert payload.dropped_outputs == ("word: str",)


def test_an_input_under_another_name_is_told(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "returns_twice")
    desk.give(inputs_of("nested"))
    payload = desk.run(export, part="dynamo").payload
    assert isinstance(payload, ExportPayload)
    assert payload.renamed_inputs == {"x_orig": "x"}
    assert (payload.renamed_outputs["mul"], payload.renamed_outputs["x"]) == ("left", "given")


@pytest.mark.parametrize("variant", [None, "dynamic"])
def test_the_exported_program_is_kept_on_request_and_loads_again(tmp_path: Path, variant: str | None) -> None:
    payload = exported(tmp_path, "nested", "dynamo", variant=variant, settings=PT2)
    assert payload.pt2 == f"model{'@dynamic' if variant else ''}.pt2"
    program = torch.export.load(tmp_path / "models/model" / payload.pt2).module()
    x = inputs_of("nested")["x"]
    assert torch.equal(program(x=x)["hidden"][0], x * 2)


def test_without_a_request_no_exported_program_is_kept(tmp_path: Path) -> None:
    assert exported(tmp_path, "nested", "dynamo").pt2 is None
    assert not list((tmp_path / "models/model").glob("*.pt2"))


def test_an_exporter_that_has_no_exported_program_says_so(tmp_path: Path) -> None:
    payload = exported(tmp_path, "nested", "torchscript", settings=PT2)
    assert payload.pt2 is None
    assert payload.pt2_problem == "the torchscript exporter hands over no exported program"
