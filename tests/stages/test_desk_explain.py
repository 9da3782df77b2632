"""`driftgate.explain(model, inputs)` and `driftgate explain python:…`, for one's own model at a desk."""

import subprocess
import sys

import pytest
import torch
from torch import nn

import driftgate
from driftgate.core.errors import StageFailure, UsageError
from driftgate.testing.workplace import workplace_in

X = torch.ones(2, 3)
MINE = """
import torch
from torch import nn

class Attention(nn.Module):
    def forward(self, x):
        return x * 2 if x.sum() > 0 else x

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = Attention()

    def forward(self, x):
        print("before")
        return self.attention(x) + 1

def factory():
    return Net(), {"x": torch.ones(2, 3)}
"""


class Net(nn.Module):
    """One break, and a look at what it was called with."""

    def forward(self, x, scale=1, *, flag=True):
        assert flag
        y = x.mul_(scale)
        print("shape")
        return y + 1


class Unseen(nn.Module):
    """Its forward is kept from dynamo."""

    def __init__(self):
        super().__init__()
        self.forward = torch.compiler.disable(lambda x: x + 1)


def clamps(x):
    return x * 2 if x.sum() > 0 else x - 1


def test_a_module_with_keyword_arguments_that_are_no_tensors():
    found = driftgate.explain(Net(), {"x": X, "scale": 3, "flag": True})
    assert found.break_count == 1
    assert [one.code for one in found.breaks] == ['print("shape")']
    assert 'print("shape")' in str(found)
    assert repr(found) == "<Explanation of Net: 1 break at 1 place>"


@pytest.mark.parametrize("inputs", [X, (X,), [X]])
def test_a_function_with_a_tensor_a_tuple_or_a_list(inputs):
    found = driftgate.explain(clamps, inputs)
    assert (found.break_count, found.title) == (1, "clamps")
    assert found.breaks[0].gb_id == "GB0170"
    assert found.breaks[0].file.endswith("test_desk_explain.py")


def test_what_one_holds_in_ones_hands_is_not_written_into():
    mine = torch.ones(2, 3)
    driftgate.explain(Net(), {"x": mine, "scale": 3})
    assert torch.equal(mine, torch.ones(2, 3))


def test_nor_is_what_lies_in_a_list_or_a_dict():
    def writes(parts, named):
        return parts[0].add_(1) + named["y"].mul_(2)

    mine, other = torch.ones(2), torch.ones(2)
    driftgate.explain(writes, ([mine], {"y": other}))
    assert torch.equal(mine, torch.ones(2))
    assert torch.equal(other, torch.ones(2))


def test_fullgraph_is_asked_on_request():
    assert driftgate.explain(clamps, X).payload.fullgraph is None
    verdict = driftgate.explain(clamps, X, fullgraph=True).payload.fullgraph
    assert verdict is not None
    assert not verdict.passed


def test_a_notebook_shows_the_tree_with_everything_escaped():
    shown = driftgate.explain(clamps, X)._repr_html_()
    assert shown.startswith("<pre>")
    assert "x.sum() &gt; 0" in shown


def test_a_model_that_fails_is_no_count():
    def raises(x):
        raise ZeroDivisionError("the model's own mistake")

    with pytest.raises(StageFailure, match="the model's own mistake"):
        driftgate.explain(raises, X)


def test_a_model_that_dynamo_never_sees_is_no_zero():
    with pytest.raises(StageFailure, match="traced no frame"):
        driftgate.explain(Unseen(), X)


def test_inputs_that_are_neither_are_refused_with_what_to_give():
    with pytest.raises(UsageError, match="give a dict for keyword arguments"):
        driftgate.explain(clamps, 3)


def test_the_package_imports_nothing_heavy_until_explain_is_asked_for():
    program = "import sys, driftgate; print('torch' in sys.modules, 'explain' in driftgate.__all__)"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "True"]


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    with pytest.raises(AttributeError, match="explian"):
        driftgate.explian  # noqa: B018


def test_the_command_line_prints_a_tree_for_a_factory_of_ones_own(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    with workplace_in(tmp_path) as place:
        ended = place.call("explain", "python:mine:factory")
    assert ended.code == 0, ended.err
    lines = [line.strip("│├└─ ") for line in ended.out.splitlines()]
    assert lines[0].startswith("passed: explain of python:mine:factory")
    assert "GB0059 Failed to trace builtin operator" in lines
    assert "return x * 2 if x.sum() > 0 else x" in lines
    assert any(line.endswith("mine.py:15") for line in lines)
    assert any(line.startswith("fullgraph=True: refused") for line in lines)
    assert max(map(len, ended.out.splitlines()[1:])) <= 80
