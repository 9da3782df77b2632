"""Shrink a configuration by rule: small widths, few layers, every kind of layer kept, ids in range.

    shrink(BertConfig) → a BertConfig of two layers, 64 wide, with 512 words

Names are the signal: `hidden_size` means the same thing in 488 configurations. Sizes that are coupled across a model
(a projector's output and the text model's width) keep agreeing because one name always gets one value; the widths of
hierarchical models (those with a list of depths) are divided instead, so that their ratios stay.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import PretrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from driftgate.stages.zoo.sizes import (
    HEAD,
    UNSAID,
    coupled,
    fewest_names,
    is_blocks,
    is_hierarchical,
    small_blocks,
    small_float,
    small_integer,
    small_integers,
)
from driftgate.stages.zoo.table import row_of

Fields = dict[str, Any]
SMALL_GRIDS = [[32, 64], [64, 32]]  # crops of one tiny image, in its pixels
_KEPT_WHOLE = re.compile(r".*token_id|.*token_index|.*_token_ids|bos_.*|eos_.*|pad_.*")


def shrink(model_type: str) -> PretrainedConfig:
    """The tiny configuration of a model type. Raises what the configuration class raises (ValueError, TypeError)."""
    return _shrink(CONFIG_MAPPING[model_type], {}, {})


def _shrink(
    config_class: type[PretrainedConfig], given: Mapping[str, Any], ordered: Mapping[str, Any]
) -> PretrainedConfig:
    """`given` is what a parent's class says of its part before the shrinking, `ordered` what the table says of it after."""
    whole = _defaults(config_class) | dict(given)
    row = row_of(config_class.model_type)
    table = row.fields | dict(ordered)
    children = {
        key: _shrink(_class_of(spec, said), said, table.pop(key, {}))
        for key, spec in config_class.sub_configs_defaults.items()
        if _is_built(key, spec)
        and isinstance(said := getattr(spec, "init_kwargs", {}) if (own := whole.get(key)) is None else own, dict)
    }
    own = {name: value for name, value in whole.items() if name not in children}
    kept = {name: value for name, value in own.items() if row.keeps(name)}
    small = _shrink_fields(own) | _computed(config_class, given, own) | _taps(whole, given) | kept
    changed = {name: value for name, value in small.items() if value != own.get(name) or name in given}
    config = config_class(**{**children, **changed, **table})
    keep_ids_in_range(config)
    return config


def _is_built(key: str, spec: Any) -> bool:
    """Parts that may be left out are built too (a tower for pictures, for sounds), but for a backbone in the place of what a model
    has by itself."""
    return not getattr(spec, "optional", False) or key != "backbone_config"


def _class_of(spec: Any, said: Mapping[str, Any]) -> type[PretrainedConfig]:
    """A sub-configuration is declared by its class, or by a model type behind AutoConfig; what its parent says of it may name another."""
    if isinstance(spec, type):
        return spec
    declared = spec.config_class
    return (
        declared if issubclass(declared, PretrainedConfig) else CONFIG_MAPPING[said.get("model_type", spec.model_type)]
    )


def _defaults(config_class: type[PretrainedConfig]) -> Fields:
    """The declared default of every field of the class's own."""
    base = {field.name for field in dataclasses.fields(PretrainedConfig)}
    values: Fields = {}
    for field in dataclasses.fields(config_class):
        if field.name in base:
            continue
        if field.default is not dataclasses.MISSING:
            values[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            values[field.name] = field.default_factory()
    return values


def _shrink_fields(fields: Fields) -> Fields:
    hierarchical = is_hierarchical(fields)
    small = {name: _shrink_value(name, value, hierarchical) for name, value in fields.items()}
    return small | coupled(fields, small) | _last_ids(fields, small)


def _last_ids(fields: Fields, small: Fields) -> Fields:
    """An id at the end of the vocabulary stays there: classes check it before `keep_ids_in_range` could move it."""
    last = fields.get("vocab_size")
    if not isinstance(last, int):
        return {}
    names = (name for name, value in fields.items() if name.endswith("token_id") and value == last - 1)
    return dict.fromkeys(names, small["vocab_size"] - 1)


def _shrink_value(name: str, value: Any, hierarchical: bool) -> Any:
    if value is None:
        return UNSAID.get(name)
    if isinstance(value, bool) or _KEPT_WHOLE.fullmatch(name):
        return value
    if isinstance(value, int):
        return small_integer(name, value, hierarchical)
    if isinstance(value, float):
        return small_float(name, value)
    if isinstance(value, list | tuple) and value and all(type(item) is int for item in value):
        return type(value)(small_integers(name, list(value)))
    if is_blocks(name, value):
        return small_blocks(value)
    if isinstance(value, list | tuple) and value and all(type(item) is str for item in value):
        return type(value)(fewest_names(name, list(value)))
    if isinstance(value, dict) and name.startswith("rope"):
        return _shrink_rope(value)
    return value


def _shrink_rope(rope: Fields) -> Fields:
    """Sections of a multimodal rotary embedding add up to half of the head's rotated part."""
    small: Fields = {key: _shrink_rope(value) if isinstance(value, dict) else value for key, value in rope.items()}
    if small.get("mrope_section"):
        share = small.get("partial_rotary_factor")
        total = int(HEAD // 2 * (share if isinstance(share, float) else 1))
        side = 3 * total // 8
        small["mrope_section"] = [total - 2 * side, side, side]
    return small


def _computed(config_class: type[PretrainedConfig], given: Mapping[str, Any], declared: Fields) -> Fields:
    """What the class computes from its fields: widths of stages, kinds of layers, rotary sections, grids of crops. Nothing where its
    defaults are no valid configuration."""
    try:
        whole = config_class(**given)
    except (ValueError, TypeError, StrictDataclassError):
        return {}
    # a width that some layers have to themselves has a value for the rest
    whole.allow_global_per_layer_attribute_access = True
    rope = getattr(whole, "rope_parameters", None)
    rotary = {"rope_parameters": _shrink_rope(rope)} if isinstance(rope, dict) and "mrope_section" in str(rope) else {}
    filled = {name: getattr(whole, name, None) for name, value in declared.items() if value is None}
    stages = {
        name: _shrink_value(name, value, hierarchical=True) for name, value in filled.items() if _is_stages(value)
    }
    has_grids = bool(getattr(whole, "image_grid_pinpoints", None))
    return stages | _layer_kinds(whole) | rotary | ({"image_grid_pinpoints": SMALL_GRIDS} if has_grids else {})


def _is_stages(value: Any) -> bool:
    return (
        isinstance(value, list | tuple) and len(value) > 1 and {type(item) for item in value} <= {int, str, list, tuple}
    )


def _layer_kinds(whole: PretrainedConfig) -> Fields:
    """Per-layer lists (`layer_types`, …) cut to the layers that show every kind, at least two layers."""
    layers = getattr(whole, "num_hidden_layers", None)
    names = sorted(field.name for field in dataclasses.fields(whole))
    lists = {
        name: list(value)
        for name in names
        if isinstance(value := getattr(whole, name, None), list | tuple) and len(value) == layers and layers
    }
    numbers = {
        name for name, value in lists.items() if value == list(range(layers or 0))
    }  # all layers, by their number
    overrides = _layer_overrides(whole)
    if is_hierarchical(lists) or not (lists or overrides):  # one entry for each stage, and stages are all kept
        return {}
    said = [value for name, value in lists.items() if name not in numbers]
    kinds = [(str(overrides.get(i)), *(str(value[i]) for value in said)) for i in range(layers or 0)]
    if getattr(
        whole, "num_kv_shared_layers", 0
    ):  # who lends keys and values, and who takes them, must both be of every kind
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
        return _shrink_value(name, value, hierarchical=False)
    return max(1, small_integer(name, usual, hierarchical=False) * value // usual)


def _taps(whole: Fields, given: Mapping[str, Any]) -> Fields:
    """A backbone whose hidden states are tapped: one layer for each tap, at least two. (Stages are all kept.)"""
    taps = given.get("out_indices") or given.get("out_features") or ()
    if not taps or "num_hidden_layers" not in whole:
        return {}
    count = max(2, len(taps))
    chosen = list(range(count - len(taps) + 1, count + 1))
    names = {"out_indices": chosen, "out_features": [f"stage{index}" for index in chosen]}
    return {"num_hidden_layers": count} | {name: value for name, value in names.items() if name in given}


def keep_ids_in_range(config: PretrainedConfig) -> None:
    """Move special token ids that the small vocabulary no longer holds to its end, each to a place of its own.

    One old id becomes one new id over the whole tree, so that an image token means the same to parent and child.
    """
    tree = [config, *_children(config)]
    vocabulary = min(
        (size for node in tree if isinstance(size := getattr(node, "vocab_size", None), int)), default=None
    )
    if vocabulary is None:
        return
    holders = [(node, name, value) for node in tree for name, value in _ids_of(node)]
    too_big = sorted({v for _, _, value in holders for v in _flat(value) if v >= vocabulary})
    taken = {v for _, _, value in holders for v in _flat(value) if v < vocabulary}
    free = [number for number in range(vocabulary - 1, -1, -1) if number not in taken]
    moved = dict(zip(reversed(too_big), free, strict=False))
    for node, name, value in holders:
        if any(v in moved for v in _flat(value)):
            new = [moved.get(v, v) for v in value] if isinstance(value, list) else moved.get(value, value)
            setattr(node, name, new)


def _ids_of(node: PretrainedConfig) -> list[tuple[str, Any]]:
    return [
        (name, value)
        for name, value in vars(node).items()
        if re.search(r"token_(id|index)(s?)$", name) and _flat(value)
    ]


def _flat(value: Any) -> list[int]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, int) and not isinstance(item, bool)]


def _children(config: PretrainedConfig) -> list[PretrainedConfig]:
    direct = [value for value in vars(config).values() if isinstance(value, PretrainedConfig)]
    return [node for child in direct for node in (child, *_children(child))]
