"""Inputs that stand in a table because no rule can know them: `zoo_overrides.yaml` orders them for single model types.

pixel_values: {shape: [batch, 2, 3, 64, 64]}              normal numbers
audio_codes: {shape: [batch, sequence, 8], high: 32}      whole numbers from 0 (or `low`) up to but without `high`
image_sizes: {values: [[64, 64]]}                         these numbers, once for each sample of the batch
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from driftgate.stages.inputs.request import Request

HOW = "zoo_overrides.yaml"


@dataclass(frozen=True, slots=True)
class Order:
    """One tensor: `shape` holds lengths and names of axes (`4*batch`: four for each sample); whole numbers where `high` is given."""

    shape: tuple[str | int, ...] = ()
    low: int = 0
    high: int | None = None
    values: Any = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Order:
        """From the table's own words. Raises TypeError for a key that isn't one."""
        said: dict[str, Any] = {key: tuple(value) if key == "shape" else value for key, value in row.items()}
        return cls(**said)

    def make(self, name: str, request: Request) -> Tensor:
        """The tensor in the sizes of a request."""
        if self.values is not None:
            return torch.cat([torch.tensor(self.values)] * request.batch)
        shape = tuple(_length(axis, request) for axis in self.shape)
        if self.high is not None:
            return request.integers(name, shape, self.low, self.high)
        return request.normal(name, shape)


def _length(axis: str | int, request: Request) -> int:
    if isinstance(axis, int):
        return axis
    times, _, name = axis.rpartition("*")
    return int(times or 1) * request.sizes[name]


@dataclass(frozen=True, slots=True)
class Orders:
    """What a table says of one model's inputs: tensors in place of its processor's, whether that fits the model at all, and names that
    no rule may make. `axes` names the dimensions of a tensor whose name says nothing of them."""

    tensors: Mapping[str, Order] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    how: str = HOW
    processor: bool = True
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def uses_processor(self) -> bool:
        """Whether the model's own processor is to be asked: not where tensors stand here in its place."""
        return self.processor and not self.tensors

    def make(self, request: Request, how: dict[str, str]) -> None:
        """Put the tensors into `request.made`."""
        for name, order in self.tensors.items():
            request.made[name], how[name] = order.make(name, request), self.how


NO_ORDERS = Orders()
