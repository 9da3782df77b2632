"""What a model is fed: tensors in two sizes, their axes, arguments that are no tensors, and how each was made.

On disk: `inputs.safetensors` (first size), `inputs@dynamic.safetensors` (second size), `inputs.meta.json` (the rest).
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from driftgate.core.errors import StageFailure, UsageError
from driftgate.core.verdicts import FailureKind
from driftgate.machine.files import write_atomic

Which = Literal["first", "second"]
FILES: dict[Which, str] = {"first": "inputs.safetensors", "second": "inputs@dynamic.safetensors"}
META = "inputs.meta.json"
FORMAT = 1
MOST_META_BYTES = 1 << 20
_META_KEYS: dict[str, type] = {
    "order": list,
    "axes": dict,
    "arguments": dict,
    "how": dict,
    "sizes": dict,
    "left_out": dict,
    "notes": list,
    "seed": int,
    "positional": bool,
}

Labels = NDArray[np.int64]
Tensors = dict[str, Tensor]
Axes = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """Inputs of one model.

    `first` is what every stage runs; `second` is the same in other sizes (empty where nobody could make one). `axes`
    names each dimension (`batch`, `sequence`, …); `positional` says that the order of `first` is the order of the
    arguments. `left_out` lists what a processor made and the model's forward does not take. `labels` are the right classes for the
    first size as nested lists of whole numbers, one for each row of scores (negative: none), where a person gave them.
    """

    first: Tensors
    second: Tensors = field(default_factory=dict)
    axes: Axes = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    how: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seed: int = 0
    positional: bool = False
    labels: list[Any] | None = None

    def tensors(self, which: Which = "first") -> Tensors:
        return self.first if which == "first" else self.second

    def call(self, module: Callable[..., Any], which: Which = "first") -> Any:
        """Call a module, or what was compiled or exported from it, on these inputs."""
        tensors = self.tensors(which)
        if self.positional:
            return module(*tensors.values(), **self.arguments)
        return module(**tensors, **self.arguments)

    def varying(self) -> dict[str, dict[int, str]]:
        """Tensor → dimension → axis, for the dimensions that differ between the two sizes."""
        return {
            name: {i: self.axes[name][i] for i, n in enumerate(tensor.shape) if self.second[name].shape[i] != n}
            for name, tensor in self.first.items()
            if name in self.second
        }


def save_inputs(folder: Path, inputs: ModelInputs) -> None:
    """Write the three files; the second size's file is removed where there is no second size."""
    for which, name in FILES.items():
        tensors = {key: tensor.contiguous() for key, tensor in inputs.tensors(which).items()}
        if tensors:
            write_atomic(folder / name, save(tensors))
        else:
            (folder / name).unlink(missing_ok=True)
    meta = {k: v for k, v in _fields(inputs).items() if k not in FILES}
    order = list(inputs.first)
    write_atomic(folder / META, json.dumps({"format": FORMAT, "order": order, **meta}, indent=1, sort_keys=True))


def _fields(inputs: ModelInputs) -> dict[str, Any]:
    """The fields by name; `dataclasses.asdict` would copy every tensor."""
    return {field.name: getattr(inputs, field.name) for field in fields(inputs)}


def load_inputs(folder: Path, which: Which | None = None) -> ModelInputs:
    """Read what `save_inputs` wrote. With `which`, that size alone, as `first`.

    Raises StageFailure(`inputs`) for files that are missing, damaged, or don't fit each other.
    """
    meta = _read_meta(folder / META)
    wanted: tuple[Which, ...] = (which,) if which else ("first", "second")
    read = {size: _read_tensors(folder / FILES[size], meta["order"]) for size in wanted}
    first = read.get("first", {}) if which != "second" else read["second"]
    if not first:
        raise _damaged(folder / FILES[which or "first"], "there are no inputs of this size")
    return ModelInputs(
        first=first,
        second=read.get("second", {}) if which is None else {},
        axes={name: tuple(axes) for name, axes in meta["axes"].items()},
        sizes={axis: (int(a), int(b)) for axis, (a, b) in meta["sizes"].items()},
        notes=tuple(meta["notes"]),
        **{key: meta[key] for key in ("arguments", "how", "left_out", "seed", "positional")},
        labels=meta.get("labels"),
    )


def load_labels(folder: Path) -> Labels | None:
    """The labels that came with the inputs; None where there are none. Raises StageFailure(`inputs`) for damaged files."""
    labels = _read_meta(folder / META).get("labels") if (folder / META).is_file() else None
    if labels is None:
        return None
    try:
        return np.asarray(labels, dtype=np.int64)
    except (ValueError, TypeError, OverflowError) as error:
        raise _damaged(folder / META, f"labels cannot be read: {error}") from error


def _read_meta(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_META_BYTES:
            raise _damaged(path, "it is larger than a description of inputs can be")
        meta: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise _damaged(path, f"its format is not {FORMAT}")
    lacking = [key for key, kind in _META_KEYS.items() if not isinstance(meta.get(key), kind)]
    if lacking:
        raise _damaged(path, f"{', '.join(lacking)} cannot be read")
    return meta


def _read_tensors(path: Path, order: Sequence[str]) -> Tensors:
    if not path.is_file():
        return {}
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise _damaged(path, str(error)) from error
    if set(tensors) != set(order):
        raise _damaged(path, f"it holds {sorted(tensors)}, {META} says {sorted(order)}")
    return {name: tensors[name] for name in order}


def _damaged(path: Path, why: str) -> StageFailure:
    return StageFailure(FailureKind.INPUTS, f"{path.name}: {why}", hint="make the inputs of this model again")


def from_user(given: Mapping[str, Any] | Sequence[Any], module: nn.Module, *, where: str | None = None) -> ModelInputs:
    """Inputs that a `python:` factory returned: a mapping for keywords, a tuple or list for positions.

    Positional ones get the names of the forward's parameters, in order. What is no tensor becomes an argument.
    """
    names = list(given) if isinstance(given, Mapping) else _parameter_names(module, len(given))
    named = dict(zip(names, given.values() if isinstance(given, Mapping) else given, strict=True))
    tensors = {name: value.detach() for name, value in named.items() if isinstance(value, Tensor)}
    arguments = {name: value for name, value in named.items() if name not in tensors}
    if not tensors:
        raise UsageError("the factory's inputs hold no tensor", where=where, mend="return (module, {name: tensor})")
    positional = not isinstance(given, Mapping)
    if positional and arguments:
        raise UsageError(
            f"positional inputs must be tensors, not {', '.join(arguments)}", where=where, mend="return a dict instead"
        )
    _check_json(arguments, where)
    axes = {name: tuple(f"{name}_{i}" for i in range(tensor.dim())) for name, tensor in tensors.items()}
    how = dict.fromkeys(tensors, "the factory")
    return ModelInputs(first=tensors, axes=axes, arguments=arguments, how=how, positional=positional)


def _parameter_names(module: nn.Module, count: int) -> list[str]:
    names = [
        p.name
        for p in inspect.signature(module.forward).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    return (names + [f"input_{i}" for i in range(len(names), count)])[:count]


def _check_json(arguments: dict[str, Any], where: str | None) -> None:
    for name, value in arguments.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"input {name!r} is a {type(value).__name__}", where=where, mend="give tensors, numbers, strings"
            ) from error


def equal_values(left: ModelInputs, right: ModelInputs) -> bool:
    """Whether two sets of inputs hold the same bytes (used to show that a seed decides everything)."""
    same = [
        a.keys() == b.keys() and all(a[n].dtype == b[n].dtype and torch.equal(a[n], b[n]) for n in a)
        for a, b in ((left.first, right.first), (left.second, right.second))
    ]
    return all(same) and left.arguments == right.arguments
