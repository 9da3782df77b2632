"""What rules cannot reach: `sources/zoo_overrides.yaml`, read once.

- model_types: [informer]              every type that the row is about
  fields: {prediction_length: 8}       of the configuration, after the shrinking; nested ones under their parent's key
  inputs: {…}                          tensors, as `stages/inputs/ordered.py` reads them
  without: [pixel_mask]                inputs that no rule may make
  processor: false                     the type's own processor can't be made to fit the tiny model: rules make the inputs
  reason: …
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import yaml

from driftgate.stages.inputs.ordered import NO_ORDERS, Order, Orders


@dataclass(frozen=True, slots=True)
class Row:
    """All that the table says of one model type."""

    fields: dict[str, Any] = field(default_factory=dict)
    orders: Orders = NO_ORDERS


NOTHING = Row()


def row_of(model_type: str) -> Row:
    """The row of a model type; an empty one for the most part."""
    return _table().get(model_type, NOTHING)


@functools.cache
def _table() -> dict[str, Row]:
    text = (resources.files("driftgate.sources") / "zoo_overrides.yaml").read_text(encoding="utf-8")
    merged: dict[str, dict[str, Any]] = {}
    for row in yaml.safe_load(text):
        for model_type in row["model_types"]:
            known = merged.setdefault(model_type, {"fields": {}, "inputs": {}, "without": [], "processor": True})
            known["fields"] |= row.get("fields", {})
            known["inputs"] |= row.get("inputs", {})
            known["without"] += row.get("without", [])
            known["processor"] &= row.get("processor", True)
    return {model_type: _row(known) for model_type, known in merged.items()}


def _row(known: dict[str, Any]) -> Row:
    tensors = {name: Order.of(order) for name, order in known["inputs"].items()}
    return Row(known["fields"], Orders(tensors, frozenset(known["without"]), processor=known["processor"]))
