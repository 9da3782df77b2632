"""Inputs that a person provides: `inputs/SLUG.yaml` (shapes and ranges) or `inputs/SLUG.safetensors` (the tensors).

The first kind looks like this:

    tensors: {input_ids: {dtype: int64, shape: [batch, sequence], low: 0, high: 100}}
    sizes: {batch: [1, 2], sequence: [8, 13]}
    arguments: {use_cache: false}
    labels: [3]                      # the right class of each row of scores (a negative number: none), where they are known

The second holds its labels in its metadata, as JSON under the key `labels`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from driftgate.core.errors import UsageError, did_you_mean, nearest
from driftgate.stages.inputs.contents import ModelInputs, Tensors
from driftgate.stages.inputs.request import Request, parameters

DTYPES = {
    name: getattr(torch, name)
    for name in ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
}
MOST_BYTES = 1 << 20
MOST_ELEMENTS = 1 << 28
MOST_LENGTH = 1 << 20
MOST_VALUE = 2.0**63
MOST_LABELS = 1 << 20
LABELS = f"must be a list of whole numbers, or equally long lists of them, at most {MOST_LABELS:,} in all"
_KEYS = ("tensors", "sizes", "arguments", "labels")
_TENSOR_KEYS = ("dtype", "shape", "low", "high")

Lines = dict[tuple[str, ...], int]
"""The line of every key of a file, by its path: ("tensors", "x", "shape") → 3."""


@dataclass(frozen=True, slots=True)
class TensorOrder:
    """One tensor as a person ordered it: `shape` holds axis names and lengths; `low` … `high` is half open."""

    dtype: torch.dtype
    shape: tuple[str | int, ...]
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Override:
    """What an override file asks for; `given` holds the tensors of a `.safetensors` file, which has no `lines`."""

    path: Path
    tensors: dict[str, TensorOrder] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    given: Tensors = field(default_factory=dict)
    labels: list[Any] | None = None
    lines: Lines = field(default_factory=dict)

    def apply(self, module: nn.Module, base: ModelInputs | None, seed: int) -> ModelInputs:
        """These tensors in place of `base`'s; `base` (made by rule, in these sizes) keeps what the file leaves open."""
        self._check_names(module)
        first, second = self._draw(module, 0, seed), self._draw(module, 1, seed)
        axes = {name: _axis_names(name, order.shape) for name, order in self.tensors.items()}
        axes |= {name: tuple(f"{name}_{i}" for i in range(t.dim())) for name, t in self.given.items()}
        how = dict.fromkeys([*self.tensors, *self.given], self.path.name)
        kept = base or ModelInputs(first={})
        return ModelInputs(
            first=kept.first | first | self.given,
            second={} if self.given else kept.second | second,
            axes=kept.axes | axes,
            arguments=kept.arguments | self.arguments,
            how=kept.how | how,
            sizes=kept.sizes | self.sizes,
            left_out=kept.left_out,
            notes=kept.notes,
            seed=seed,
            labels=self.labels if self.labels is not None else kept.labels,
        )

    def _check_names(self, module: nn.Module) -> None:
        takes = parameters(module)
        keys = [*(("tensors", n) for n in self.tensors), *((n,) for n in self.given)]
        for *section, name in (*keys, *(("arguments", n) for n in self.arguments)):
            if takes and name not in takes:
                message = f"{type(module).__name__}.forward takes no {name!r}"
                where = _place(self.path, self.lines, (*section, name))
                raise UsageError(message, where=where, mend=did_you_mean(name, takes))

    def _draw(self, module: nn.Module, index: int, seed: int) -> Tensors:
        request = Request(module, {axis: pair[index] for axis, pair in self.sizes.items()}, seed)
        return {name: self._tensor(name, order, request) for name, order in self.tensors.items()}

    def _tensor(self, name: str, order: TensorOrder, request: Request) -> Tensor:
        shape = tuple(size if isinstance(size, int) else request.sizes[size] for size in order.shape)
        if math.prod(shape) > MOST_ELEMENTS:
            raise UsageError(
                f"too large: {name} would have {math.prod(shape):,} elements",
                where=_place(self.path, self.lines, ("tensors", name, "shape")),
                mend=f"at most {MOST_ELEMENTS:,}",
            )
        if order.dtype is torch.bool:
            return request.integers(name, shape, 0, 2).bool()
        if order.dtype.is_floating_point:
            span = request.uniform(name, shape)
            return (order.low + span * (order.high - order.low)).to(order.dtype)
        return request.integers(name, shape, int(order.low), int(order.high)).to(order.dtype)


def _axis_names(name: str, shape: tuple[str | int, ...]) -> tuple[str, ...]:
    return tuple(size if isinstance(size, str) else f"{name}_{i}" for i, size in enumerate(shape))


def _place(path: Path, lines: Lines, keys: tuple[str, ...]) -> str:
    """FILE:LINE: KEY, with the line of the key or of what it stands in."""
    line = next((lines[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in lines), 1)
    return f"{path}:{line}: {'.'.join(keys)}" if lines else f"{path}: {'.'.join(keys)}"


def load_override(path: Path) -> Override:
    """Read and check an override. Raises UsageError with file, line, key and the nearest valid name."""
    if path.suffix == ".safetensors":
        return _given(path)
    if path.suffix not in {".yaml", ".yml"}:
        raise UsageError(
            f"{path.suffix or 'no suffix'} is not a kind of inputs", where=str(path), mend="use .yaml or .safetensors"
        )
    return _Reader(path).read()


def _given(path: Path) -> Override:
    try:
        with safe_open(path, framework="pt") as opened:
            labels = json.loads((opened.metadata() or {}).get("labels", "null"))
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise UsageError(f"not a readable safetensors file: {error}", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"not JSON: {error}", where=f"{path}: labels") from error
    if not tensors:
        raise UsageError("the file holds no tensor", where=str(path))
    if labels is not None and not _are_labels(labels):
        raise UsageError(LABELS, where=f"{path}: labels")
    return Override(path, given=tensors, labels=labels)


class _Reader:
    """Walks the parsed YAML, keeping the line of every key for messages."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: Lines = {}

    def read(self) -> Override:
        document = self._parse()
        self._only(document, _KEYS, ())
        sizes = {axis: self._pair(axis, pair) for axis, pair in self._mapping(document, "sizes").items()}
        tensors = {name: self._order(name, order, sizes) for name, order in self._mapping(document, "tensors").items()}
        labels = document.get("labels")
        if labels is not None and not _are_labels(labels):
            raise self._error(LABELS, "labels", mend="e.g. [3, 0]")
        return Override(self.path, tensors, sizes, self._arguments(document), labels=labels, lines=self.lines)

    def _arguments(self, document: Mapping[str, Any]) -> dict[str, Any]:
        arguments = self._mapping(document, "arguments")
        for name, value in arguments.items():
            try:
                json.dumps(value, allow_nan=False)
            except (TypeError, ValueError) as error:
                raise self._error(f"{value!r} cannot be an argument", "arguments", name) from error
        return arguments

    def _parse(self) -> dict[str, Any]:
        try:
            if self.path.stat().st_size > MOST_BYTES:
                raise UsageError("the file is larger than 1 MB", where=str(self.path))
            text = self.path.read_text(encoding="utf-8")
            for event in yaml.parse(text, Loader=yaml.SafeLoader):
                if isinstance(event, yaml.AliasEvent):
                    line = event.start_mark.line + 1 if event.start_mark else 1
                    where = f"{self.path}:{line}: *{event.anchor}"
                    raise UsageError("YAML aliases are not read here", where=where, mend="write the value out")
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            document = yaml.safe_load(text)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise UsageError(f"not YAML: {error.problem}", where=f"{self.path}:{line}") from error
        except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
            raise UsageError(f"cannot be read: {error}", where=str(self.path)) from error
        if not isinstance(document, dict):
            line = node.start_mark.line + 1 if node is not None else 1
            raise UsageError("must be a mapping", where=f"{self.path}:{line}", mend=f"keys: {', '.join(_KEYS)}")
        self._remember(node, ())
        return document

    def _remember(self, node: Any, path: tuple[str, ...]) -> None:
        if isinstance(node, yaml.MappingNode) and len(path) < 4:
            for key, value in node.value:
                here = (*path, str(key.value))
                self.lines[here] = key.start_mark.line + 1
                self._remember(value, here)

    def _error(self, message: str, *keys: str, mend: str | None = None) -> UsageError:
        return UsageError(message, where=_place(self.path, self.lines, keys), mend=mend)

    def _only(self, mapping: Mapping[Any, Any], valid: tuple[str, ...], path: tuple[str, ...]) -> None:
        for key in mapping:
            if key not in valid:
                raise self._error(f"unknown key {str(key)!r}", *path, str(key), mend=did_you_mean(str(key), valid))

    def _mapping(self, document: Mapping[str, Any], key: str) -> dict[str, Any]:
        value = document.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._error("must be a mapping", key)
        for name in value:
            if not isinstance(name, str):
                raise self._error(f"{name!r} is not a name", key, str(name))
        return value

    def _pair(self, axis: str, pair: Any) -> tuple[int, int]:
        if not isinstance(pair, list) or len(pair) != 2 or not all(_is_length(size) for size in pair):
            bounds = f"must be two lengths from 1 to {MOST_LENGTH:,}"
            too_large = isinstance(pair, list) and any(_is_too_large(size) for size in pair)
            raise self._error(f"too large: {bounds}" if too_large else bounds, "sizes", axis, mend="e.g. [8, 13]")
        return pair[0], pair[1]

    def _order(self, name: str, order: Any, sizes: Mapping[str, tuple[int, int]]) -> TensorOrder:
        at = ("tensors", name)
        if not isinstance(order, dict):
            raise self._error("must be a mapping", *at, mend=f"keys: {', '.join(_TENSOR_KEYS)}")
        self._only(order, _TENSOR_KEYS, at)
        dtype = str(order.get("dtype", "float32"))
        if dtype not in DTYPES:
            raise self._error(f"unknown dtype {dtype!r}", *at, "dtype", mend=did_you_mean(dtype, DTYPES))
        low, high = self._range(order, at)
        return TensorOrder(DTYPES[dtype], self._shape(order.get("shape"), sizes, at), low, high)

    def _shape(self, shape: Any, sizes: Mapping[str, tuple[int, int]], at: tuple[str, ...]) -> tuple[str | int, ...]:
        if not isinstance(shape, list):
            raise self._error("must be a list of axis names and lengths", *at, "shape", mend="e.g. [batch, 16]")
        for size in shape:
            if isinstance(size, str) and size not in sizes:
                mend = f"add sizes: {{{size}: [1, 2]}}"
                mend = f"did you mean {guess!r}? Else {mend}" if (guess := nearest(size, sizes)) else mend
                raise self._error(f"no size for axis {size!r}", *at, "shape", mend=mend)
            if _is_too_large(size):
                raise self._error("a length is too large", *at, "shape", mend=f"at most {MOST_LENGTH:,}")
            if not isinstance(size, str) and not _is_length(size):
                raise self._error(f"{size!r} is neither an axis nor a length", *at, "shape")
        return tuple(shape)

    def _range(self, order: Mapping[str, Any], at: tuple[str, ...]) -> tuple[float, float]:
        ends = []
        for key, default in (("low", 0), ("high", 1)):
            value = order.get(key, default)
            if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < MOST_VALUE:
                raise self._error(f"must be a number between ±{MOST_VALUE:g}", *at, key)
            ends.append(value)
        if ends[0] >= ends[1]:
            raise self._error(
                f"low ({ends[0]}) must be below high ({ends[1]})", *at, "high" if "high" in order else "low"
            )
        return ends[0], ends[1]


def _are_labels(value: Any) -> bool:
    try:
        array = np.array(value)
    except ValueError:  # rows of unequal length
        return False
    return isinstance(value, list) and array.dtype.kind == "i" and 0 < array.size <= MOST_LABELS


def _is_length(size: Any) -> bool:
    return isinstance(size, int) and not isinstance(size, bool) and 1 <= size <= MOST_LENGTH


def _is_too_large(size: Any) -> bool:
    return isinstance(size, int) and size > MOST_LENGTH
