"""The inputs of a timm model: one picture for each sample, prepared as its `pretrained_cfg` says.

No model of timm has a configuration or a processor; size, channels, mean and deviation of what it was made for stand there, and the
picture is the first thing that its forward takes, under whatever name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from driftgate.core.errors import StageFailure
from driftgate.core.verdicts import FailureKind
from driftgate.stages.inputs import samples
from driftgate.stages.inputs.ordered import Order, Orders
from driftgate.stages.inputs.request import Request, parameters

COLOURS = 3


@dataclass(frozen=True, slots=True)
class Picture(Order):
    """A drawn picture for each sample, normalised channel by channel."""

    mean: Sequence[float] = ()
    std: Sequence[float] = ()

    def make(self, name: str, request: Request) -> Tensor:
        """(batch, 3, height, width) in the sizes of a request."""
        del name
        height, width = (int(side) for side in self.shape[-2:])
        drawn = [samples.picture(i, request.seed).resize((width, height)) for i in range(request.batch)]
        pixels = torch.from_numpy(np.stack([np.asarray(picture, dtype=np.float32) for picture in drawn]) / 255)
        return ((pixels - torch.tensor(self.mean)) / torch.tensor(self.std)).permute(0, 3, 1, 2).contiguous()


def orders_of_timm(module: nn.Module) -> Orders:
    """A picture for colours, normal numbers for other channels. Raises StageFailure(`inputs`) for a module that says no size."""
    said: dict[str, Any] = getattr(module, "pretrained_cfg", None) or {}
    if not said.get("input_size"):
        raise StageFailure(
            FailureKind.INPUTS,
            f"{type(module).__name__} has no input_size in its pretrained_cfg",
            hint="provide inputs/SLUG.yaml or inputs/SLUG.safetensors",
        )
    shape: tuple[str | int, ...] = ("batch", *map(int, said["input_size"]))
    name = next(iter(parameters(module)))
    if shape[1] == COLOURS and said.get("mean") and said.get("std"):
        picture = Picture(shape, mean=tuple(said["mean"]), std=tuple(said["std"]))
        return Orders({name: picture}, how="a drawn picture by pretrained_cfg.input_size, mean, std")
    return Orders({name: Order(shape)}, how="pretrained_cfg.input_size")
