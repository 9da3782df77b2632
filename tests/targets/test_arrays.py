"""Between torch and numpy, bit for bit."""

import numpy as np
import pytest
import torch

from driftgate.targets.arrays import to_numpy, to_tensor

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool, torch.complex64,
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(2, 3), (), (0, 4)], ids=str)
def test_there_and_back_nothing_changes(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = (torch.randn(shape) * 3).to(dtype)
    array = to_numpy(tensor)
    assert array.shape == shape
    assert str(array.dtype) == str(dtype).removeprefix("torch.")
    back = to_tensor(array)
    assert back.dtype == dtype
    assert back.untyped_storage().tolist() == tensor.untyped_storage().tolist()


def test_a_copy_does_not_follow_its_source() -> None:
    tensor = torch.zeros(3)
    array = to_numpy(tensor)
    tensor += 1
    assert array.sum() == 0


def test_views_conjugates_and_sparse_tensors_arrive_as_plain_arrays() -> None:
    assert to_numpy(torch.arange(6).reshape(2, 3).T).flags["C_CONTIGUOUS"]
    assert to_numpy(torch.tensor([1 + 2j]).conj())[0] == 1 - 2j
    assert np.array_equal(to_numpy(torch.eye(2).to_sparse()), np.eye(2))
