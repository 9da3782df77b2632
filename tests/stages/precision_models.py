"""Models that name the precision in which they want to work."""

from typing import Any

import torch
from sample_models import X
from torch import Tensor, nn


class CastsToFloat32(nn.Module):
    """Works in float32 by every way there is to say so, as norms and rotary embeddings do."""

    def forward(self, x: Tensor) -> Tensor:
        third = x.to(torch.float32) / torch.full((1,), 3.0, dtype=torch.float32).float()
        return third.type(torch.float32) + torch.tensor(0.1)


class Float32Alone(nn.Module):
    """Refuses to work in anything else."""

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype is not torch.float32:
            raise TypeError("single precision or nothing")
        return x


def casts_to_float32() -> Any:
    return CastsToFloat32(), {"x": X.clone()}


def float32_alone() -> Any:
    return Float32Alone(), {"x": X.clone()}
