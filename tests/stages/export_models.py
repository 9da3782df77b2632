"""Models whose export is known beforehand: what they return, what they ignore, where in them it fails."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from sample_models import X
from torch import Tensor, nn


@dataclass
class Pair:
    left: Tensor
    right: Tensor


@dataclass
class Registered:
    first: Tensor
    second: Tensor


torch.export.register_dataclass(Registered, serialized_type_name="export_models.Registered")


class Nested(nn.Module):
    """A dict that holds a list, a tuple and a dict."""

    def forward(self, x: Tensor) -> dict[str, Any]:
        return {"top": x + 1, "hidden": [x * 2, (x * 3, x * 4)], "more": {"deep": x.sum()}}


class ReturnsDataclass(nn.Module):
    def forward(self, x: Tensor) -> Pair:
        return Pair(x + 1, x * 2)


class ReturnsRegistered(nn.Module):
    def forward(self, x: Tensor) -> Registered:
        return Registered(x + 1, x * 2)


class Ignores(nn.Module):
    """Reads one of its two inputs; one of its outputs is the same whatever it is given, and one is no tensor."""

    def forward(self, x: Tensor, y: Tensor) -> dict[str, Any]:
        return {"out": x * 2, "always": torch.ones(3) + 1, "word": "text"}


class HandsBack(nn.Module):
    """Outputs that are called what an input or a weight is called: one handed back, one computed, one a weight itself."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 5)
        self.scale = nn.Parameter(torch.ones(2) * 3)

    def forward(self, x: Tensor, height: Tensor) -> dict[str, Tensor]:
        return {"out": self.layer(x), "height": height, "x": x + 1, "scale": self.scale}


class InverseErf(nn.Module):
    """An operator that no ONNX function is known for."""

    def forward(self, x: Tensor) -> Tensor:
        return (x / 2).erfinv()


class Branch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:
            return x
        return x - 1


class OtherBranch(nn.Module):
    """The same line of code in another class, and other lines above it."""

    def forward(self, x: Tensor) -> Tensor:
        x = x * 3

        if x.sum() > 0:
            return x + 1
        return x


class OtherQuestion(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.max() > 3:
            return x
        return x - 1


class Tower(nn.Module):
    """`layers.1.inner` is where it happens."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4), Block(inner)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class Block(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) + 1


def tower(inner: type[nn.Module]) -> Callable[[], Any]:
    return lambda: (Tower(inner()), {"x": X.clone()})


inverse_erf = tower(InverseErf)
branch = tower(Branch)
other_branch = tower(OtherBranch)
other_question = tower(OtherQuestion)


def inverse_erf_alone() -> Any:
    return InverseErf(), {"x": X.clone()}


def nested() -> Any:
    return Nested(), {"x": X.clone()}


def returns_dataclass() -> Any:
    return ReturnsDataclass(), {"x": X.clone()}


def returns_registered() -> Any:
    return ReturnsRegistered(), {"x": X.clone()}


def ignores() -> Any:
    return Ignores(), {"x": X.clone(), "y": X.clone()}


def hands_back() -> Any:
    torch.manual_seed(0)
    return HandsBack(), {"x": X.clone(), "height": torch.tensor([[4], [8], [6]])}


def tiny_bert() -> Any:
    """A ModelOutput with a tuple in it."""
    from transformers import BertConfig, BertModel

    sizes = {
        "vocab_size": 20,
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 8,
    }
    config = BertConfig(**sizes, max_position_embeddings=8, output_hidden_states=True)
    torch.manual_seed(0)
    return BertModel(config, add_pooling_layer=False), {"input_ids": torch.arange(6)[None]}
