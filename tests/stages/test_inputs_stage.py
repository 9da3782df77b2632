"""The stage itself, on factories that return a module and nothing to feed it with."""

import pytest
from stage_desk import Desk

from driftgate.core.records import LockEntry
from driftgate.stages.inputs.stage import inputs

NAME = "torch.nn:Identity"


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path, "unused")
    desk.entry = LockEntry(ref=f"python:{NAME}", slug="model", scheme="python", name=NAME)
    (tmp_path / "inputs").mkdir()
    return desk


@pytest.mark.parametrize("text", [None, "tensors: {}", "tensors:", "sizes: {batch: [1, 2]}"])
def test_a_module_without_inputs_and_without_tensors_in_the_file_is_the_users_to_mend(desk, text):
    if text is not None:
        (desk.root / "inputs" / "model.yaml").write_text(text)
    record = desk.run(inputs)
    assert record.failure.kind == "config"
    assert record.failure.message == (
        f"python:{NAME} returned a module without inputs; return (module, inputs), or write tensors into inputs/model.yaml"
    )
    assert not list(desk.folder.glob("*.safetensors"))


def test_the_tensors_of_the_file_feed_such_a_module(desk):
    (desk.root / "inputs" / "model.yaml").write_text("tensors: {input: {shape: [batch, 3]}}\nsizes: {batch: [1, 2]}")
    record = desk.run(inputs)
    assert record.passed, record.failure
    assert [(tensor.name, tensor.shape) for tensor in record.payload.tensors] == [("input", (1, 3))]
    assert record.payload.second_shapes == {"input": (2, 3)}
