"""Nested outputs as a flat list of named leaves: one naming for every runtime, so that tensors meet their likes.

logits                      a field of a ModelOutput, a dataclass, a dict
hidden_states.0             an item of a tuple or list
past_key_values.0.key       a layer of a cache
output, output_0            a lone tensor, items of a bare tuple
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

LeafT = TypeVar("LeafT")
MOST_LEAVES = 10_000
MOST_DEPTH = 20


@dataclasses.dataclass(frozen=True)
class Flat:
    """Leaves by name, in the order of the output; `notes` says what else was there (`loss_type: str`)."""

    leaves: dict[str, Any]
    notes: tuple[str, ...] = ()


def flatten(value: Any, is_leaf: Callable[[Any], bool]) -> Flat:
    """Name every leaf of a nested output. None is left out; what is neither leaf nor container is noted.

    Raises ValueError for two leaves of one name, more than 10,000 leaves, or more than 20 levels.
    """
    leaves: dict[str, Any] = {}
    notes: list[str] = []
    for path, item in _walk(value, ()):
        name = _name(path)
        if name in leaves:
            raise ValueError(f"the output has two parts called {name}")
        if is_leaf(item):
            leaves[name] = item
        else:
            notes.append(f"{name}: {type(item).__name__}")
        if len(leaves) + len(notes) > MOST_LEAVES:
            raise ValueError(f"the output has more than {MOST_LEAVES:,} parts")
    return Flat(leaves, tuple(notes))


def _name(path: tuple[str, ...]) -> str:
    """A bare tuple has no names: its items get one, so that no tensor is called `0`."""
    if not path:
        return "output"
    first = f"output_{path[0]}" if path[0].isdigit() else path[0]
    return ".".join((first, *path[1:]))


def _walk(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if value is None:
        return
    children = _children(value)
    if children is None:
        yield path, value
        return
    if len(path) >= MOST_DEPTH:
        raise ValueError(f"the output is nested more than {MOST_DEPTH} deep at {'.'.join(path)[:80]}")
    for name, child in children:
        yield from _walk(child, (*path, name))


def _children(value: Any) -> list[tuple[str, Any]] | None:
    """Name → part for a container, None for anything else."""
    if isinstance(value, Mapping):
        return [(str(name), child) for name, child in value.items()]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return [(name, child) for name, child in zip(value._fields, value, strict=True)]
    if isinstance(value, list | tuple):
        return [(str(index), child) for index, child in enumerate(value)]
    return _cache(value)


def _cache(value: Any) -> list[tuple[str, Any]] | None:
    """Key-value caches of transformers are plain objects: one of layers, or one of two caches."""
    parts = [(name, getattr(value, f"{name}_cache", None)) for name in ("self_attention", "cross_attention")]
    if all(part is not None for _, part in parts):
        return parts
    layers = getattr(value, "layers", None)
    if isinstance(layers, list) and all(hasattr(layer, "keys") and hasattr(layer, "values") for layer in layers):
        return [(str(i), {"key": layer.keys, "value": layer.values}) for i, layer in enumerate(layers)]
    return None
