"""Names of nested outputs."""

from collections import namedtuple
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from driftgate.core.nesting import flatten


def is_number(value: Any) -> bool:
    return isinstance(value, int)


def names(value: Any) -> list[str]:
    return list(flatten(value, is_number).leaves)


@dataclass
class Output:
    logits: int
    loss: int | None = None
    hidden_states: tuple[int, ...] = ()


def test_a_lone_tensor_and_the_items_of_a_bare_tuple_get_a_name() -> None:
    assert names(1) == ["output"]
    assert names((1, [2, 3])) == ["output_0", "output_1.0", "output_1.1"]


def test_fields_keep_their_names_and_order_and_none_is_left_out() -> None:
    assert names(Output(1, None, (2, 3))) == ["logits", "hidden_states.0", "hidden_states.1"]
    assert names({"b": 1, "a": 2}) == ["b", "a"]
    assert names(namedtuple("Pair", "left right")(1, 2)) == ["left", "right"]


def test_the_layers_of_a_cache_are_named_key_and_value() -> None:
    layer = SimpleNamespace(keys=1, values=2)
    cache = SimpleNamespace(layers=[layer, layer])
    assert names({"past_key_values": cache})[:2] == ["past_key_values.0.key", "past_key_values.0.value"]
    both = SimpleNamespace(self_attention_cache=cache, cross_attention_cache=cache)
    assert "past.cross_attention.1.value" in names({"past": both})


def test_what_is_no_tensor_is_noted() -> None:
    flat = flatten({"logits": 1, "kind": "x"}, is_number)
    assert list(flat.leaves) == ["logits"]
    assert flat.notes == ("kind: str",)


def test_two_parts_of_one_name_and_endless_nesting_are_refused() -> None:
    with pytest.raises(ValueError, match="two parts called a.0"):
        flatten({"a.0": 1, "a": [2]}, is_number)
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="deep"):
        flatten(endless, is_number)
