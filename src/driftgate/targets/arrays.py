"""Between torch tensors and numpy arrays, for every dtype: those that numpy lacks come from ml_dtypes, bit for bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

_BORROWED = {"bfloat16": "int16", "float8_e4m3fn": "uint8", "float8_e5m2": "uint8"}
"""dtype that numpy lacks → the integer of its width."""


def to_numpy(tensor: Tensor) -> NDArray[Any]:
    """A copy on the host: it stays as it is when the runtime reuses its buffers. Raises TypeError for a dtype that neither
    numpy nor ml_dtypes has (quantised tensors)."""
    import torch

    plain = (
        tensor.detach().resolve_conj().resolve_neg().to_dense() if tensor.is_sparse else tensor.detach().resolve_conj()
    )
    host = plain.to("cpu", copy=True).contiguous()
    name = str(host.dtype).removeprefix("torch.")
    if name in _BORROWED:
        borrowed = host.view(getattr(torch, _BORROWED[name]))
        return np.asarray(borrowed.numpy()).view(getattr(ml_dtypes, name))
    return np.asarray(host.numpy())


def to_tensor(array: NDArray[Any]) -> Tensor:
    """A tensor of its own memory with the array's values."""
    import torch

    name = str(array.dtype)
    own = np.array(array, copy=True, order="C")
    if name in _BORROWED:
        return torch.from_numpy(own.view(_BORROWED[name])).view(getattr(torch, name))
    return torch.from_numpy(own)
