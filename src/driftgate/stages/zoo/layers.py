"""Fewer layers, every kind of them kept: the per-layer lists of a configuration, what single layers have to themselves, tapped layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from transformers import PretrainedConfig

from driftgate.stages.zoo.fields import Fields, shrink_value
from driftgate.stages.zoo.sizes import coupled, is_hierarchical, small_integer, small_integers


def layer_kinds(whole: PretrainedConfig) -> Fields:
    """Per-layer lists (`layer_types`, …) cut to the layers that show every kind, at least two layers."""
    layers = getattr(whole, "num_hidden_layers", None)
    names = sorted(field.name for field in dataclasses.fields(whole))
    lists = {
        name: list(value)
        for name in names
        if isinstance(value := getattr(whole, name, None), list | tuple) and len(value) == layers and layers
    }
    # those that say all layers, by their number
    numbers = {name for name, value in lists.items() if value == list(range(layers or 0))}
    overrides = _layer_overrides(whole)
    if is_hierarchical(lists) or not (lists or overrides):  # one entry for each stage, and stages are all kept
        return {}
    said = [value for name, value in lists.items() if name not in numbers]
    kinds = [(str(overrides.get(i)), *(str(value[i]) for value in said)) for i in range(layers or 0)]
    if getattr(whole, "num_kv_shared_layers", 0):  # who lends keys and values and who takes them are both of every kind
        kinds = [(str(kind),) for kind in kinds]
    chosen = _fewest(kinds)
    kept = {new: overrides[old] for new, old in enumerate(chosen) if old in overrides}
    small: Fields = {"num_hidden_layers": len(chosen)}
    small |= {name: _cut(name, [value[i] for i in chosen]) for name, value in lists.items() if name not in numbers}
    small |= {name: list(range(len(chosen))) for name in numbers}
    return small | ({"per_layer_config": kept} if overrides else {})


def _cut(name: str, values: list[Any]) -> list[Any]:
    return small_integers(name, values) if all(type(value) is int for value in values) else values


def _fewest(kinds: list[tuple[str, ...]]) -> list[int]:
    """The layers that together show every kind of each list (of attention, of feed-forward part, …), the first layer among them."""
    chosen = [0]
    while True:
        shown = {(place, kind) for layer in chosen for place, kind in enumerate(kinds[layer])}
        new = [len(set(enumerate(kind)) - shown) for kind in kinds]
        if not any(new):
            return sorted(chosen) if len(chosen) > 1 else [0, 0]
        chosen.append(new.index(max(new)))


def _layer_overrides(whole: PretrainedConfig) -> dict[int, Fields]:
    """What single layers have to themselves, shrunk so that the ratio to the other layers stays."""
    spec = getattr(whole, "_heterogeneity_spec", None)
    if spec is None:
        return {}
    overrides = {
        layer: {name: _in_proportion(name, value, getattr(whole, name, None)) for name, value in fields.items()}
        for layer, fields in spec.per_layer_overrides.items()
    }
    return {layer: small | coupled(spec.per_layer_overrides[layer], small) for layer, small in overrides.items()}


def _in_proportion(name: str, value: Any, usual: Any) -> Any:
    if type(value) is not int or type(usual) is not int:
        return shrink_value(name, value, hierarchical=False)
    return max(1, small_integer(name, usual, hierarchical=False) * value // usual)


def tapped(whole: Fields, given: Mapping[str, Any]) -> Fields:
    """A backbone whose hidden states are tapped: one layer for each tap, at least two. (Stages are all kept.)"""
    taps = given.get("out_indices") or given.get("out_features") or ()
    if not taps or "num_hidden_layers" not in whole:
        return {}
    count = max(2, len(taps))
    chosen = list(range(count - len(taps) + 1, count + 1))
    names = {"out_indices": chosen, "out_features": [f"stage{index}" for index in chosen]}
    return {"num_hidden_layers": count} | {name: value for name, value in names.items() if name in given}
