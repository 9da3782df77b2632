import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from driftgate.core.errors import StageFailure, UsageError
from driftgate.stages.inputs.contents import ModelInputs, equal_values, from_user, load_inputs, save_inputs
from driftgate.stages.inputs.override import load_override


class Adder(nn.Module):
    def forward(self, left, right, scale=1.0):
        return (left + right) * scale


def sample() -> ModelInputs:
    first = {"mask": torch.tensor([True, False]), "ids": torch.arange(3), "x": torch.rand(2, 2, dtype=torch.float16)}
    second = {"mask": torch.tensor([True]), "ids": torch.arange(5), "x": torch.rand(4, 2, dtype=torch.float16)}
    axes = {"mask": ("batch",), "ids": ("sequence",), "x": ("batch", "width")}
    return ModelInputs(first, second, axes, {"use_cache": False}, {"ids": "made"}, {"batch": (2, 4)}, {}, ("n",), 7)


def test_saved_inputs_come_back_as_they_were(tmp_path):
    save_inputs(tmp_path, sample())
    back = load_inputs(tmp_path)
    assert equal_values(back, load_inputs(tmp_path))
    assert list(back.first) == ["mask", "ids", "x"]
    assert [tensor.dtype for tensor in back.first.values()] == [torch.bool, torch.int64, torch.float16]
    assert (back.axes, back.arguments, back.seed, back.notes) == (sample().axes, {"use_cache": False}, 7, ("n",))
    assert load_inputs(tmp_path, "second").first["ids"].shape == (5,)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "inputs.meta.json",
        "inputs.safetensors",
        "inputs@dynamic.safetensors",
    ]


def test_the_dimensions_that_vary_are_named():
    assert sample().varying() == {"mask": {0: "batch"}, "ids": {0: "sequence"}, "x": {0: "batch"}}


@pytest.mark.parametrize("damage", ["{", "[]", '{"format": 99}', '{"format": 1, "order": 3}'])
def test_a_damaged_description_is_a_failure_with_a_mend(tmp_path, damage):
    save_inputs(tmp_path, sample())
    (tmp_path / "inputs.meta.json").write_text(damage)
    with pytest.raises(StageFailure, match=r"inputs\.meta\.json"):
        load_inputs(tmp_path)


def test_tensors_that_do_not_fit_their_description_are_refused(tmp_path):
    save_inputs(tmp_path, sample())
    save_file({"other": torch.zeros(1)}, tmp_path / "inputs.safetensors")
    with pytest.raises(StageFailure, match="other"):
        load_inputs(tmp_path)
    (tmp_path / "inputs.safetensors").write_bytes(b"\xff" * 40)
    with pytest.raises(StageFailure, match=r"inputs\.safetensors"):
        load_inputs(tmp_path)


def test_a_factorys_tuple_keeps_its_order_and_its_dict_its_names(tmp_path):
    pair = from_user((torch.ones(2), torch.full((2,), 2.0)), Adder())
    assert list(pair.first) == ["left", "right"]
    assert pair.call(Adder()).tolist() == [3, 3]
    save_inputs(tmp_path, pair)
    assert load_inputs(tmp_path).call(Adder()).tolist() == [3, 3]
    named = from_user({"right": torch.ones(1), "left": torch.ones(1), "scale": 4.0}, Adder())
    assert named.call(Adder()).tolist() == [8]


@pytest.mark.parametrize("bad", [(), {"scale": 2}, {"left": torch.ones(1), "scale": object()}, (torch.ones(1), 3)])
def test_a_factorys_bad_inputs_are_a_usage_error(bad):
    with pytest.raises(UsageError):
        from_user(bad, Adder(), where="python:m:f")


GOOD = """\
tensors:
  left: {dtype: int64, shape: [batch, 3], low: 5, high: 9}
  right: {dtype: float32, shape: [batch, 3], low: -1, high: 1}
sizes: {batch: [1, 2]}
arguments: {scale: 2.0}
"""


def test_an_override_draws_what_it_says(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text(GOOD)
    made = load_override(path).apply(Adder(), None, 0)
    assert made.first["left"].shape == (1, 3)
    assert made.second["left"].shape == (2, 3)
    assert made.first["left"].dtype is torch.int64
    assert 5 <= made.second["left"].min() <= made.second["left"].max() < 9
    assert made.arguments == {"scale": 2.0}
    assert made.axes["left"] == ("batch", "left_1")
    assert made.call(Adder()).shape == (1, 3)


def test_given_tensors_are_used_as_they_are(tmp_path):
    path = tmp_path / "m.safetensors"
    save_file({"left": torch.ones(2), "right": torch.ones(2)}, path)
    made = load_override(path).apply(Adder(), None, 0)
    assert made.call(Adder()).tolist() == [2, 2]
    assert made.second == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("dtype: int64", "dtype: int46"), r"m\.yaml:2: tensors\.left\.dtype: .*did you mean 'int64'"),
        (GOOD.replace("tensors:", "tensor:"), r"m\.yaml:1: tensor: .*did you mean 'tensors'"),
        (GOOD.replace("shape: [batch, 3], low: -1", "shape: [bach, 3], low: -1"), r":3: .*did you mean 'batch'"),
        (GOOD.replace("high: 9", "high: 5"), r":2: tensors\.left\.high: low \(5\) must be below"),
        (GOOD.replace("[1, 2]", "[1, 0]"), r":4: sizes\.batch: must be two lengths"),
        (GOOD.replace("low: 5", "lo: 5"), r":2: tensors\.left\.lo: .*did you mean 'low'"),
        (GOOD.replace("scale: 2.0", "scale: 2026-01-01"), r":5: arguments\.scale: .*cannot be an argument"),
        ("a: &x [1]\narguments: {a: *x}", "aliases"),
        ("tensors: [", r"m\.yaml:\d+: not YAML"),
        ("- a", r"m\.yaml:1: must be a mapping"),
        ("# nothing\n\n- a", r"m\.yaml:3: must be a mapping"),
        ("", r"m\.yaml:1: must be a mapping"),
        (
            GOOD.replace("sizes: {batch: [1, 2]}\n", ""),
            r"m\.yaml:2: tensors\.left\.shape: .*add sizes: \{batch: \[1, 2\]\}",
        ),
        (GOOD.replace("[batch, 3], low: 5", "[99999999999], low: 5"), r"m\.yaml:2: tensors\.left\.shape: .*too large"),
        (GOOD.replace("[1, 2]", "[1, 99999999999]"), r"m\.yaml:4: sizes\.batch: too large"),
        (GOOD.replace("low: 5", f"low: {10**400}"), r"m\.yaml:2: tensors\.left\.low: must be a number between"),
        ("tensors: []", r"m\.yaml:1: tensors: must be a mapping"),
        ("arguments: {a: 2026-13-45}", r"m\.yaml: cannot be read: month must be in 1\.\.12"),
    ],
)
def test_a_bad_override_names_file_line_key_and_nearest_name(tmp_path, text, message):
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_override(path)


def test_a_tensor_that_the_forward_does_not_take_is_refused(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text(GOOD.replace("right:", "rigth:"))
    with pytest.raises(UsageError, match="did you mean 'right'"):
        load_override(path).apply(Adder(), None, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("right:", "rigth:"), r"m\.yaml:3: tensors\.rigth: Adder\.forward takes no 'rigth'"),
        (GOOD.replace("scale:", "scales:"), r"m\.yaml:5: arguments\.scales: .*did you mean 'scale'"),
        (
            GOOD.replace("[batch, 3], low: 5", "[50000, 50000], low: 5"),
            r"m\.yaml:2: tensors\.left\.shape: too large: left",
        ),
    ],
)
def test_what_only_the_model_shows_to_be_wrong_names_line_and_key_too(tmp_path, text, message):
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_override(path).apply(Adder(), None, 0)


def test_a_given_tensor_that_the_forward_does_not_take_is_named(tmp_path):
    path = tmp_path / "m.safetensors"
    save_file({"z": torch.ones(2)}, path)
    with pytest.raises(UsageError, match=r"m\.safetensors: z: .*valid: left, right, scale"):
        load_override(path).apply(Adder(), None, 0)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None, max_examples=150)
@given(st.dictionaries(st.sampled_from(["tensors", "sizes", "arguments", "x"]), _VALUES, max_size=3))
def test_any_document_is_read_or_refused_in_one_line(tmp_path_factory, document):
    path = tmp_path_factory.mktemp("fuzz") / "m.yaml"
    path.write_text(json.dumps(document))
    refusal = None
    try:
        load_override(path)
    except UsageError as error:
        refusal = str(error)
    assert refusal is None or "\n" not in refusal
