"""`driftgate diff A.onnx B.onnx` as a user calls it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from safetensors.numpy import save_file

from driftgate.core.records import DriftPayload
from driftgate.testing.onnx_graphs import attention, made, node
from driftgate.testing.workplace import Workplace, workplace_in


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """`a.onnx`, `b.onnx` with one bias off, inputs that fit and inputs that don't."""
    with workplace_in(tmp_path_factory.mktemp("diff")) as place:
        model, feed = attention()
        onnx.save(model, place.folder / "a.onnx")
        bias = next(tensor for tensor in model.graph.initializer if tensor.name == "up.bias")
        bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(0.25), "up.bias"))
        onnx.save(model, place.folder / "b.onnx")
        save_file(feed, place.folder / "inputs.safetensors")
        save_file({"token": feed["tokens"]}, place.folder / "misnamed.safetensors")
        save_file({"tokens": feed["tokens"].astype(np.int32)}, place.folder / "int32.safetensors")
        save_file({"tokens": feed["tokens"][:, :2].copy()}, place.folder / "short.safetensors")
        (place.folder / "text.onnx").write_text("not a model\n" * 20)
        yield place


def test_two_files_that_differ_are_told_with_the_node_and_its_reproduction(place: Workplace) -> None:
    ended = place.call("diff", "a.onnx", "b.onnx", "--inputs", "inputs.safetensors", "--repro", "repro")
    assert ended.code == 1
    assert "OUT hidden" in ended.out
    assert "begins at Add node_up" in ended.out
    assert "its own error 0.25" in ended.out
    assert "inherited 0" in ended.out
    assert "b.onnx is beyond tolerance of a.onnx" in ended.err
    script = place.folder / "repro" / "repro.py"
    again = subprocess.run([sys.executable, "-I", script], capture_output=True, text=True, check=False)
    assert (again.returncode, again.stdout.splitlines()[-1]) == (1, "still differs")


def test_json_is_a_drift_payload_alone_on_stdout(place: Workplace) -> None:
    ended = place.call("diff", "a.onnx", "b.onnx", "--inputs", "inputs.safetensors", "--format", "json")
    payload = DriftPayload.model_validate(json.loads(ended.out))
    assert payload.culprit is not None
    assert (payload.culprit.node, payload.culprit.repro) == ("node_up", None)
    assert payload.notes == ()


def test_equal_files_end_0_and_drawn_inputs_are_said_to_be_drawn(place: Workplace) -> None:
    ended = place.call("diff", "a.onnx", "a.onnx", "--format", "json")
    assert ended.code == 0
    payload = DriftPayload.model_validate(json.loads(ended.out))
    assert payload.culprit is None
    assert "drawn from seed 0" in payload.notes[0]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["a.onnx", "missing.onnx"], "there is no file missing.onnx"),
        (["a.onnx", "text.onnx"], "text.onnx is no ONNX file"),
        (["a.onnx", "b.onnx", "--inputs", "text.onnx"], "text.onnx is no safetensors file"),
        (["a.onnx", "b.onnx", "--inputs", "misnamed.safetensors"], "the inputs lack 'tokens'; did you mean 'token'?"),
        (["a.onnx", "b.onnx", "--inputs", "int32.safetensors"], "'tokens' is int32, and the file takes int64"),
        (["a.onnx", "b.onnx", "--inputs", "short.safetensors"], "'tokens' has shape [1, 2], and the file takes [1, 6]"),
        (["a.onnx", "b.onnx", "--repro", "a.onnx"], "a.onnx exists"),
    ],
)
def test_a_wrong_call_ends_2_with_one_line(place: Workplace, arguments: list[str], told: str) -> None:
    ended = place.call("diff", *arguments)
    assert ended.code == 2
    assert told in ended.err
    assert len(ended.err.splitlines()) == 1


def test_outputs_of_nothing_but_nan_are_told_to_have_nothing_to_compare(place: Workplace, tmp_path: Path) -> None:
    feed = {"x": np.full((2, 2), np.nan, np.float32)}
    onnx.save(made([node("Identity", ["x"], "result")], {}, feed, ["result"]), tmp_path / "same.onnx")
    save_file(feed, tmp_path / "nan.safetensors")
    call = ("diff", tmp_path / "same.onnx", tmp_path / "same.onnx", "--inputs", tmp_path / "nan.safetensors")
    assert "no element is finite: nothing was compared" in place.call(*call).out
    assert "| nothing compared |" in place.call(*call, "--format", "markdown").out


def test_other_outputs_are_a_typed_failure_and_no_culprit(place: Workplace, tmp_path: Path) -> None:
    feed = {"tokens": np.zeros((1, 6), np.int64)}
    onnx.save(made([node("Identity", ["tokens"], "hidden")], {}, feed, ["hidden"]), tmp_path / "other.onnx")
    ended = place.call("diff", "a.onnx", tmp_path / "other.onnx", "--inputs", "inputs.safetensors")
    assert ended.code == 1
    assert "shape_mismatch: other.onnx returns other outputs than a.onnx" in ended.err
    assert ended.out == ""


def test_a_file_that_draws_random_numbers_is_marked_not_blamed(place: Workplace, tmp_path: Path) -> None:
    feed = {"x": np.zeros((2, 2), np.float32)}
    noise = node("RandomNormalLike", ["x"], "noise")
    for name, end in (
        ("random", node("Add", ["x", "noise"], "result")),
        ("doubled", node("Add", ["noise", "noise"], "result")),
    ):
        onnx.save(made([noise, end], {}, feed, ["result"]), tmp_path / f"{name}.onnx")
    ended = place.call("diff", tmp_path / "random.onnx", tmp_path / "doubled.onnx")
    assert ended.code == 1
    assert "nondeterministic: random.onnx differs from itself" in ended.err
    assert "begins at" not in ended.out
