"""Models whose exported file can be put at fault at a known place."""

from typing import Any

import torch
from torch import Tensor, nn

X = torch.linspace(-1, 1, 32).reshape(4, 8)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        hidden = nn.functional.gelu(self.up(self.norm(x)))  # the line that a test looks for
        return x + self.down(hidden)


class Perceptron(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList(Block() for _ in range(3))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        for block in self.blocks:
            x = block(x)
        return {"logits": x}


class OtherwiseWhenExported(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + 1 if torch.compiler.is_exporting() else self.layer(x)


def perceptron() -> Any:
    return Perceptron(), {"x": X.clone()}


def otherwise_when_exported() -> Any:
    torch.manual_seed(0)
    return OtherwiseWhenExported(), {"x": X.clone()}
