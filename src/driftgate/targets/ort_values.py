"""ONNX Runtime's own values, for the dtypes that numpy lacks: `session.run` neither takes nor returns them."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable
from types import MappingProxyType
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

BORROWED = MappingProxyType(
    {
        "tensor(bfloat16)": (ml_dtypes.bfloat16, np.uint16, 16),
        "tensor(float8e4m3fn)": (ml_dtypes.float8_e4m3fn, np.uint8, 17),
        "tensor(float8e5m2)": (ml_dtypes.float8_e5m2, np.uint8, 19),
    }
)
"""Type → its dtype, the integer of its width, and its number in ONNX."""


def numpy_lacks(types: Iterable[str]) -> bool:
    """Whether one of these types (`tensor(bfloat16)`) is none of numpy's."""
    return not BORROWED.keys().isdisjoint(types)


def to_value(array: NDArray[Any]) -> Any:
    """A value on the host with the array's content."""
    from onnxruntime import OrtValue

    for dtype, integer, number in BORROWED.values():
        if array.dtype == dtype:
            plain = np.ascontiguousarray(array).view(integer).reshape(array.shape)
            return OrtValue.ortvalue_from_numpy_with_onnx_type(plain, number)
    return OrtValue.ortvalue_from_numpy(array)


def to_array(value: Any) -> NDArray[Any]:
    """A copy of a value that lies on the host."""
    if value.data_type() not in BORROWED:
        return np.asarray(value.numpy())
    dtype, integer, _ = BORROWED[value.data_type()]
    shape = tuple(value.shape())
    size = math.prod(shape) * np.dtype(integer).itemsize
    content = ctypes.string_at(value.data_ptr(), size) if size else b""
    array: NDArray[Any] = np.frombuffer(bytearray(content), integer).view(dtype).reshape(shape)
    return array
