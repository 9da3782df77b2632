"""Functions of torch that the TorchScript exporter has no translation for, said in others that it has.

While a model is traced, `decomposed` puts others in their place, that compute the same from elementary functions. A loop over a size
is unrolled into the graph, in which that size is fixed then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from inspect import signature
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional


@contextmanager
def decomposed(*, fixed: bool = True) -> Iterator[Collection[str]]:
    """Meanwhile the functions in `DECOMPOSITIONS` are computed by what stands for them; if all sizes are `fixed`, also those in
    `OF_FIXED_SIZES`. Gives the names of those that were called."""
    used: dict[str, None] = {}
    with ExitStack() as stack:
        for owner, name, instead in (*DECOMPOSITIONS, *(OF_FIXED_SIZES if fixed else ())):
            stack.enter_context(_replaced(owner, name, instead, used))
        yield used.keys()


@contextmanager
def _replaced(owner: Any, name: str, instead: Callable[..., Any], used: dict[str, None]) -> Iterator[None]:
    """An attribute of torch: a mode that sees every function would put a line of this file into all that torch tells of places."""
    original, inherited = getattr(owner, name), name not in vars(owner)
    takes = signature(instead)

    @wraps(original)
    def call(*args: Any, **named: Any) -> Any:
        try:
            takes.bind(*args, **named)
        except TypeError:  # an argument by another of torch's names, or one that nothing stands for
            return original(*args, **named)
        result = instead(*args, **named)
        if result is NotImplemented:
            return original(*args, **named)
        used[f"{owner.__name__}.{name}"] = None
        return result

    setattr(owner, name, call)
    try:
        yield
    finally:
        if inherited:
            delattr(owner, name)
        else:
            setattr(owner, name, original)


def _attention(query: Tensor, key: Tensor, value: Tensor, *args: Any, enable_gqa: bool = False, **more: Any) -> Any:
    """Heads that share keys and values get copies of them."""
    if not enable_gqa:
        return NotImplemented
    heads = query.dim() - 3
    key = _repeat_each(key, query.shape[heads] // key.shape[heads], heads)
    value = _repeat_each(value, query.shape[heads] // value.shape[heads], heads)
    return functional.scaled_dot_product_attention(query, key, value, *args, **more)


def _repeat_each(values: Tensor, times: int, dim: int) -> Tensor:
    """Each element of a dimension so many times, one beside the other."""
    shape = [*values.shape[: dim + 1], times, *values.shape[dim + 1 :]]
    return values.unsqueeze(dim + 1).expand(shape).flatten(dim, dim + 1)


def _diff(
    values: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    values = torch.cat([part for part in (prepend, values, append) if part is not None], dim)
    for _ in range(n):
        length = values.shape[dim]
        values = values.narrow(dim, 1, length - 1) - values.narrow(dim, 0, length - 1)
    return values


def _histc(values: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Any:  # noqa: A002 (torch's names)
    """Counts by comparison; the last bin is closed. Equal bounds, which ask for those of the data, are left to torch."""
    if min == max:
        return NotImplemented
    flat = values.reshape(-1, 1)
    edges = [min + (max - min) * i / bins for i in range(bins + 1)]
    inside = [(flat >= low) & ((flat <= high) if high == max else (flat < high)) for low, high in pairwise(edges)]
    return torch.cat(inside, 1).to(values.dtype).sum(0)


def _pad_sequence(
    sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    longest = max(sequence.shape[0] for sequence in sequences)
    padded = []
    for sequence in sequences:
        gap = longest - sequence.shape[0]
        ends = (gap, 0) if padding_side == "left" else (0, gap)
        padded.append(functional.pad(sequence, (0, 0) * (sequence.dim() - 1) + ends, value=padding_value))
    return torch.stack(padded, 0 if batch_first else 1)


def _solve_triangular(
    matrix: Tensor, right: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """By substitution, row after row."""
    if not left:
        return _solve_triangular(matrix.mT, right.mT, upper=not upper, unitriangular=unitriangular).mT
    size = matrix.shape[-1]
    rows: dict[int, Tensor] = {}
    for i in reversed(range(size)) if upper else range(size):
        row = right[..., i : i + 1, :]
        if rows:
            known = sorted(rows)
            solved = torch.cat([rows[j] for j in known], -2)
            row = row - matrix[..., i : i + 1, known[0] : known[-1] + 1] @ solved
        rows[i] = row if unitriangular else row / matrix[..., i : i + 1, i : i + 1]
    return torch.cat([rows[i] for i in range(size)], -2)


def _grouped_mm(rows: Tensor, weights: Tensor, offs: Tensor | None = None, *rest: Any, **more: Any) -> Any:
    """Row r by the weight of the group that ends behind it: each group's product over all rows, the rows of others zero."""
    has_more = rest or any(value is not None for value in more.values())  # a bias, another dtype
    if has_more or offs is None or (rows.dim(), weights.dim()) != (2, 3):  # other groups than of rows
        return NotImplemented
    place = torch.arange(rows.shape[0], device=rows.device).unsqueeze(1)
    total = torch.zeros(rows.shape[0], weights.shape[-1], dtype=rows.dtype, device=rows.device)
    for group in range(weights.shape[0]):
        mine = place < offs[group]
        if group:
            mine = mine & (place >= offs[group - 1])
        total = total + (rows * mine.to(rows.dtype)) @ weights[group]
    return total


def _repeat_interleave(values: Tensor, repeats: Any, dim: int | None = None, **more: Any) -> Any:
    """A number of times along one dimension; torch's translation adds dimensions where it counts from the end."""
    if not isinstance(repeats, int) or dim is None or more:
        return NotImplemented
    return _repeat_each(values, repeats, dim % values.dim())


def _as_strided(values: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
    """Rows of the storage by their places. torch's translation takes a tensor's own order for that of its storage."""
    order = sorted(range(values.dim()), key=values.stride, reverse=True)
    stored = values.permute(order)
    if storage_offset is not None or values.storage_offset() or values.is_contiguous() or not stored.is_contiguous():
        return NotImplemented
    places = torch.zeros((), dtype=torch.int64)
    for length, step in zip(size, stride, strict=True):
        places = places.unsqueeze(-1) + torch.arange(int(length)) * int(step)
    return stored.reshape(-1)[places]


def _set_item(values: Tensor, index: Any, value: Any) -> Any:
    """Ranges written into a tensor of fixed size: each element from where it is afterwards. torch's translation of several ranges at
    once, written one after the other, writes to wrong places."""
    parts = index if isinstance(index, tuple) else (index,)
    known = isinstance(value, Tensor | bool | int | float) and all(_is_range(part) for part in parts)
    if not known or values._base is not None or not values.dim():
        return NotImplemented
    numbers = tuple(_numbers(part) for part in parts)
    places = np.full([int(size) for size in values.shape], -1)
    region = places[numbers]
    places[numbers] = np.arange(region.size).reshape(region.shape)
    given = value.to(values.dtype) if isinstance(value, Tensor) else torch.full((), value, dtype=values.dtype)
    if given.dim() > region.ndim or not region.size:
        return NotImplemented
    written = given.expand(region.shape).reshape(-1)[_constant(places.clip(0))]
    return values.copy_(torch.where(_constant(places >= 0), written, values))


def _constant(array: NDArray[Any]) -> Tensor:
    """A tensor that the tracer does not see being made: a constant of the graph."""
    tracing = torch._C._get_tracing_state()
    torch._C._set_tracing_state(None)  # type: ignore[attr-defined]
    try:
        return torch.from_numpy(array)
    finally:
        torch._C._set_tracing_state(tracing)  # type: ignore[attr-defined]


def _is_range(part: Any) -> bool:
    """A number or a slice; a tensor among the indices chooses elements, and torch's translation knows how."""
    return isinstance(part, slice) or part is Ellipsis or type(part) is int


def _numbers(part: Any) -> Any:
    """A slice whose bounds are numbers: under tracing a size is a tensor."""
    if not isinstance(part, slice):
        return part
    return slice(*(None if bound is None else int(bound) for bound in (part.start, part.stop, part.step)))


def _cumsum(values: Tensor, dim: int, **more: Any) -> Any:
    """ONNX sums numbers alone; torch sums booleans as whole numbers."""
    return values.to(torch.int64).cumsum(dim, **more) if values.dtype == torch.bool else NotImplemented


def _or_in_place(left: Tensor, right: Any) -> Tensor:
    return left.copy_(left | right)


def _and_in_place(left: Tensor, right: Any) -> Tensor:
    return left.copy_(left & right)


def _scatter(values: Tensor, dim: int, index: Tensor, src: Any = None, **more: Any) -> Any:
    """TorchScript knows no boolean among the numbers to scatter."""
    value = more.get("value", src)
    return values.scatter(dim, index, int(value)) if isinstance(value, bool) else NotImplemented


def _masked_fill(values: Tensor, mask: Tensor, value: Any) -> Any:
    """Flags by logic: ONNX Runtime chooses among numbers alone."""
    if values.dtype != torch.bool:
        return NotImplemented
    return (values & ~mask) | (mask & torch.as_tensor(value, dtype=torch.bool, device=values.device))


def _max_pool2d(values: Tensor, *args: Any, **more: Any) -> Any:
    """As a batch of one: torch's translation counts the channels of an unbatched picture among what it pools."""
    return functional.max_pool2d(values.unsqueeze(0), *args, **more).squeeze(0) if values.dim() == 3 else NotImplemented


def _permute(values: Tensor, *dims: Any, **named: Any) -> Any:
    """Dimensions counted from the start: torch's translation writes down what it is given."""
    dims = named.get("dims", dims)
    given = dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims
    return values.permute([dim % values.dim() for dim in given]) if min(given, default=0) < 0 else NotImplemented


def _reshape(values: Tensor, *shape: Any, **named: Any) -> Any:
    """Nothing at all, made anew: ONNX takes a size of 0 for that of the input."""
    shape = named.get("shape", shape)
    sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
    return values.new_zeros(sizes) if any(type(size) is int and size == 0 for size in sizes) else NotImplemented


DECOMPOSITIONS: tuple[tuple[Any, str, Callable[..., Any]], ...] = (
    (functional, "scaled_dot_product_attention", _attention),
    (torch, "diff", _diff),
    (Tensor, "diff", _diff),
    (torch, "histc", _histc),
    (Tensor, "histc", _histc),
    (torch._C._nn, "pad_sequence", _pad_sequence),
    (torch.linalg, "solve_triangular", _solve_triangular),
    (torch, "_grouped_mm", _grouped_mm),
    (Tensor, "as_strided", _as_strided),
    (torch, "repeat_interleave", _repeat_interleave),
    (Tensor, "repeat_interleave", _repeat_interleave),
    (torch, "cumsum", _cumsum),
    (Tensor, "cumsum", _cumsum),
    (Tensor, "__ior__", _or_in_place),
    (Tensor, "__iand__", _and_in_place),
    (torch, "scatter", _scatter),
    (Tensor, "scatter", _scatter),
    (Tensor, "masked_fill", _masked_fill),
    (functional, "max_pool2d", _max_pool2d),
    (Tensor, "permute", _permute),
    (Tensor, "view", _reshape),
    (Tensor, "reshape", _reshape),
)
"""Where a function stands, its name, and what stands for it; NotImplemented means that torch's own will do."""
OF_FIXED_SIZES = ((Tensor, "__setitem__", _set_item),)
"""The same, where no size is dynamic."""
