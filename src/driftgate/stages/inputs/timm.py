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
AXES = ("batch", "channels", "height", "width")


@dataclass(frozen=True, slots=True)
class Picture(Order):
    """A drawn picture for each sample, normalised channel by channel; normal numbers where there is no mean to normalise by."""

    mean: Sequence[float] = ()
    std: Sequence[float] = ()

    def make(self, name: str, request: Request) -> Tensor:
        """(batch, channels, height, width); the sides are the model's own unless a person orders others."""
        channels, *sides = map(int, self.shape[1:])
        height, width = (request.sizes.get(axis, side) for axis, side in zip(AXES[2:], sides, strict=True))
        if not self.mean:
            return request.normal(name, (request.batch, channels, height, width))
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
        return Orders({name: picture}, how="a drawn picture by pretrained_cfg.input_size, mean, std", axes={name: AXES})
    return Orders({name: Picture(shape)}, how="pretrained_cfg.input_size", axes={name: AXES})
