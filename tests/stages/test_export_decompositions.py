"""What TorchScript cannot translate is computed from functions that it can: the same numbers, and the record tells of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from stage_desk import Desk
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from driftgate.core.records import ExportPayload
from driftgate.stages.export import export
from driftgate.stages.exporting.decompositions import decomposed

torch.manual_seed(0)
MATRIX, RIGHT = torch.randn(2, 5, 5) + 3 * torch.eye(5), torch.randn(2, 5, 3)
QUERY, KEY = torch.randn(1, 4, 6, 8), torch.randn(1, 2, 6, 8)
ROWS, EXPERTS, ENDS = torch.randn(6, 8), torch.randn(3, 8, 16), torch.tensor([2, 2, 6], dtype=torch.int32)
FLAGS = torch.tensor([True, False, False])
CASES: dict[str, Callable[[], Tensor]] = {
    "shared heads": lambda: functional.scaled_dot_product_attention(QUERY, KEY, KEY, is_causal=True, enable_gqa=True),
    "second differences": lambda: torch.diff(MATRIX, n=2, dim=1),
    "differences with a beginning": lambda: RIGHT.diff(prepend=RIGHT[..., :1]),
    "counts of whole numbers": lambda: torch.histc(torch.tensor([0.0, 1, 1, 3, 5, 7, 9]), bins=8, min=0, max=7),
    "counts of fractions": lambda: RIGHT.histc(bins=6, min=-1, max=1),
    "padding behind": lambda: pad_sequence([MATRIX[0], MATRIX[0, :2]], batch_first=True, padding_value=2.0),
    "padding in front": lambda: pad_sequence([MATRIX[0], MATRIX[0, :2]], padding_side="left"),
    "an upper triangle": lambda: torch.linalg.solve_triangular(MATRIX, RIGHT, upper=True),
    "a lower triangle with ones": lambda: torch.linalg.solve_triangular(
        MATRIX / 4, RIGHT, upper=False, unitriangular=True
    ),
    "a triangle on the right": lambda: torch.linalg.solve_triangular(MATRIX, RIGHT.mT, upper=False, left=False),
    "groups, one of them empty": lambda: functional.grouped_mm(ROWS, EXPERTS, offs=ENDS),
    "each three times, counted from the end": lambda: RIGHT.repeat_interleave(3, dim=-2),
    "windows over a transposed tensor": lambda: RIGHT.transpose(0, 1).as_strided((3, 2, 3), (6, 3, 1)),
    "a range written": lambda: written((slice(1, 3), slice(None, -1)), 7),
    "one row's range written": lambda: written((-1, slice(0, 4, 2)), torch.tensor([1.0, 2.0])),
    "behind an ellipsis": lambda: written((Ellipsis, 0), RIGHT[0, :, 0]),
    "a sum of flags": lambda: torch.cumsum(FLAGS, 0),
    "a flag scattered": lambda: torch.zeros(2, 5, dtype=torch.bool).scatter(1, torch.tensor([[1], [2]]), True),
    "flags filled in": lambda: FLAGS.masked_fill(FLAGS.flip(0), True),
    "flags emptied by a tensor": lambda: FLAGS.masked_fill(FLAGS, torch.tensor(False)),
    "a picture without a batch, pooled": lambda: functional.max_pool2d(MATRIX, kernel_size=3, stride=1, padding=1),
    "dimensions counted from the end": lambda: MATRIX.permute(0, -1, -2),
    "dimensions in a list": lambda: MATRIX.permute([-1, 0, 1]),
    "nothing, in another shape": lambda: MATRIX[:0].view(2, 1, 0, 5),
    "or, seen by who holds the same tensor": lambda: in_place(lambda mask: mask.__ior__(FLAGS.flip(0))),
    "and, seen by who holds the same tensor": lambda: in_place(lambda mask: mask.__iand__(FLAGS.flip(0))),
}


def in_place(change: Callable[[Tensor], Tensor]) -> Tensor:
    mask = FLAGS.clone()
    change(mask)
    return mask


def written(place: Any, value: Any) -> Tensor:
    values = MATRIX[0].clone()
    values[place] = value
    return values


@pytest.mark.parametrize("name", CASES)
def test_a_decomposition_gives_what_the_function_gives(name: str) -> None:
    expected = CASES[name]()
    with decomposed() as used:
        found = CASES[name]()
    assert len(used) == 1
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected)


def test_what_torchscript_translates_itself_is_left_alone() -> None:
    with decomposed() as used:
        functional.scaled_dot_product_attention(QUERY, QUERY, QUERY)
        torch.histc(RIGHT)
        RIGHT.scatter(1, torch.zeros(2, 1, 1, dtype=torch.int64), 2.0)
    assert not used


def test_a_call_that_nothing_stands_for_is_torchs_own() -> None:
    batches, square, ends = torch.randn(3, 2, 8), torch.eye(8), torch.tensor([4, 8], dtype=torch.int32)
    calls = (
        lambda: torch.cumsum(input=FLAGS, dim=0),
        lambda: MATRIX.permute(dims=(0, 2, 1)),
        lambda: MATRIX.reshape(shape=(2, 25)),
        lambda: RIGHT.view(torch.int32),
        lambda: functional.grouped_mm(batches, EXPERTS),
        lambda: functional.grouped_mm(square, square, offs=ends),
    )
    for call in calls:
        expected = call()
        with decomposed() as used:
            torch.testing.assert_close(call(), expected)
        assert not used


def test_torch_is_afterwards_as_it_was() -> None:
    before = (functional.scaled_dot_product_attention, torch.histc, Tensor.scatter, Tensor.__ior__)
    with decomposed():
        assert functional.scaled_dot_product_attention is not before[0]
    assert (functional.scaled_dot_product_attention, torch.histc, Tensor.scatter, Tensor.__ior__) == before
    assert "scatter" not in vars(Tensor)


class Experts(nn.Module):
    """Rows sorted by their expert, as a mixture of experts computes them."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(EXPERTS)

    def forward(self, x: Tensor, expert: Tensor) -> Tensor:
        ends = torch.histc(expert.float(), bins=3, min=0, max=2).cumsum(0)
        return functional.grouped_mm(x, self.weights, offs=ends.to(torch.int32))


def experts() -> tuple[nn.Module, dict[str, Tensor]]:
    return Experts(), {"x": ROWS.clone(), "expert": torch.tensor([0, 0, 1, 1, 2, 2])}


def test_a_traced_mixture_of_experts_follows_its_inputs_and_says_how_it_was_said(tmp_path: Path) -> None:
    desk = Desk(tmp_path, f"{__name__}:experts")
    module, inputs = experts()
    desk.give(inputs)
    payload = desk.run(export, part="torchscript").payload
    assert isinstance(payload, ExportPayload)
    assert any("torch.histc" in warning and "grouped_mm" in warning for warning in payload.warnings)
    session = onnxruntime.InferenceSession(desk.folder / str(payload.file), providers=["CPUExecutionProvider"])
    other = inputs | {"expert": torch.tensor([1, 1, 1, 1, 1, 2])}
    (found,) = session.run(None, {name: tensor.numpy() for name, tensor in other.items()})
    assert np.allclose(found, module(**other).detach().numpy(), atol=1e-5)
