"""What is asked of the maker: a module, what it accepts, how large, and where random numbers come from."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

DEFAULT_SIZES: Mapping[str, tuple[int, int]] = {
    "batch": (1, 2),
    "sequence": (8, 13),
    "decoder_sequence": (5, 7),
    "samples": (4000, 5600),
}


class Identity(Protocol):
    """What is known of a model before it is loaded (`driftgate.core.records` has the full one)."""

    @property
    def task(self) -> str | None: ...
    @property
    def modality(self) -> str | None: ...
    @property
    def family(self) -> str | None: ...
    @property
    def architecture(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Made:
    """A tensor and a word on where its shape and range came from."""

    tensor: Tensor
    how: str


@dataclass(frozen=True)
class Request:
    """One size of one model's inputs: what rules and processors work from. `made` grows as tensors are made; `without` names what
    is not to be made though the forward takes it."""

    module: nn.Module
    sizes: Mapping[str, int]
    seed: int
    made: dict[str, Tensor] = field(default_factory=dict)
    without: frozenset[str] = frozenset()

    @property
    def config(self) -> Any:
        """The module's configuration, or None for a module that has none (timm, one's own)."""
        return getattr(self.module, "config", None)

    @property
    def batch(self) -> int:
        return self.sizes["batch"]

    def accepts(self, name: str) -> bool:
        """Whether the module's forward takes an argument of this name, and is to be given it."""
        return name in parameters(self.module) and name not in self.without

    def setting(self, *names: str, default: Any = None) -> Any:
        """The first of these fields that the configuration, or one nested in it, has a value for."""
        for config in configs(self.config):
            for name in names:
                value = getattr(config, name, None)
                if value is not None:
                    return value
        return default

    def integers(self, name: str, shape: tuple[int, ...], low: int, high: int) -> Tensor:
        """Whole numbers in [low, high), not all equal where the range allows it."""
        drawn = torch.randint(low, max(high, low + 1), shape, generator=self._generator(name))
        if drawn.numel() > 1 and high - low > 1 and bool((drawn == drawn.flatten()[0]).all()):
            drawn.view(-1)[-1] = low if int(drawn.flatten()[0]) != low else low + 1
        return drawn

    def normal(self, name: str, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=self._generator(name))

    def uniform(self, name: str, shape: tuple[int, ...]) -> Tensor:
        return torch.rand(shape, generator=self._generator(name))

    def _generator(self, name: str) -> torch.Generator:
        digest = hashlib.sha256(f"{self.seed}/{name}".encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))


def parameters(module: nn.Module) -> dict[str, inspect.Parameter]:
    """The named parameters of the module's forward; `*args` and `**kwargs` accept nothing by name."""
    found = inspect.signature(module.forward).parameters
    return {n: p for n, p in found.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}


def required(module: nn.Module) -> list[str]:
    """The parameters of the module's forward that have no default."""
    return [name for name, p in parameters(module).items() if p.default is p.empty]


def configs(config: Any) -> list[Any]:
    """A configuration and all those nested in it, outermost first."""
    if config is None:
        return []
    nested = [value for value in vars(config).values() if hasattr(value, "to_dict") and hasattr(value, "model_type")]
    return [config, *(node for child in nested for node in configs(child))]


def input_modalities(module: nn.Module) -> tuple[str, ...]:
    """`text`, `image`, `video`, `audio`, `time`: what transformers says the class takes."""
    declared = getattr(module, "input_modalities", ())
    return (declared,) if isinstance(declared, str) else tuple(declared)


def main_names(module: nn.Module) -> tuple[str, ...]:
    """The name or names of the principal input that transformers declares for the class."""
    declared = getattr(module, "main_input_name", ())
    return (declared,) if isinstance(declared, str) else tuple(declared)
