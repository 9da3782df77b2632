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

from driftgate.stages.zoo.fields import Fields, shrink_fields, shrink_rope, shrink_value
from driftgate.stages.zoo.layers import layer_kinds, tapped
from driftgate.stages.zoo.table import row_of

SMALL_GRIDS = [[32, 64], [64, 32]]  # crops of one tiny image, in its pixels


def shrink(model_type: str) -> PretrainedConfig:
    """The tiny configuration of a model type. Raises what the configuration class raises (ValueError, TypeError)."""
    return _shrink(CONFIG_MAPPING[model_type], {}, {})


def _shrink(
    config_class: type[PretrainedConfig], given: Mapping[str, Any], ordered: Mapping[str, Any]
) -> PretrainedConfig:
    """`given` is what a parent's class says of its part before the shrinking, `ordered` what the table says of it after."""
    whole = _defaults(config_class) | dict(given)
    table = row_of(config_class.model_type).fields | dict(ordered)
    children = {
        key: _shrink(_class_of(spec, said), said, table.pop(key, {}))
        for key, spec in config_class.sub_configs_defaults.items()
        if _is_built(key, spec)
        and isinstance(said := getattr(spec, "init_kwargs", {}) if (own := whole.get(key)) is None else own, dict)
    }
    own = {name: value for name, value in whole.items() if name not in children}
    small = shrink_fields(own) | _computed(config_class, given, own) | tapped(whole, given)
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
    rotary = {"rope_parameters": shrink_rope(rope)} if isinstance(rope, dict) and "mrope_section" in str(rope) else {}
    filled = {name: getattr(whole, name, None) for name, value in declared.items() if value is None}
    stages = {name: shrink_value(name, value, hierarchical=True) for name, value in filled.items() if _is_stages(value)}
    has_grids = bool(getattr(whole, "image_grid_pinpoints", None))
    return stages | layer_kinds(whole) | rotary | ({"image_grid_pinpoints": SMALL_GRIDS} if has_grids else {})


def _is_stages(value: Any) -> bool:
    return (
        isinstance(value, list | tuple) and len(value) > 1 and {type(item) for item in value} <= {int, str, list, tuple}
    )


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
