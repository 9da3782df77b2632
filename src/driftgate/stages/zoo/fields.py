"""One configuration's own fields made small, each by its name and the kind of its value."""

from __future__ import annotations

import re
from typing import Any

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

Fields = dict[str, Any]
"""Name → value."""
_KEPT_WHOLE = re.compile(r".*token_id|.*token_index|.*_token_ids|bos_.*|eos_.*|pad_.*")


def shrink_fields(fields: Fields) -> Fields:
    """All of them; what follows from others stays consistent with them."""
    hierarchical = is_hierarchical(fields)
    small = {name: shrink_value(name, value, hierarchical) for name, value in fields.items()}
    return small | coupled(fields, small) | _last_ids(fields, small)


def _last_ids(fields: Fields, small: Fields) -> Fields:
    """An id at the end of the vocabulary stays there: classes check it before `keep_ids_in_range` could move it."""
    last = fields.get("vocab_size")
    if not isinstance(last, int):
        return {}
    names = (name for name, value in fields.items() if name.endswith("token_id") and value == last - 1)
    return dict.fromkeys(names, small["vocab_size"] - 1)


def shrink_value(name: str, value: Any, hierarchical: bool) -> Any:
    """One of them, in the type that it has; `hierarchical` as `is_hierarchical` tells it of all of them."""
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
        return shrink_rope(value)
    return value


def shrink_rope(rope: Fields) -> Fields:
    """Sections of a multimodal rotary embedding add up to half of the head's rotated part."""
    small: Fields = {key: shrink_rope(value) if isinstance(value, dict) else value for key, value in rope.items()}
    if small.get("mrope_section"):
        share = small.get("partial_rotary_factor")
        total = int(HEAD // 2 * (share if isinstance(share, float) else 1))
        side = 3 * total // 8
        small["mrope_section"] = [total - 2 * side, side, side]
    return small
