"""Random weights from a seed: equal bytes in every process, spread so that scores don't tie.

Each tensor gets a generator of its own, seeded with the seed and the tensor's name: neither the order of modules nor
anybody else's use of the global random state can change it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn

BuiltT = TypeVar("BuiltT", bound=nn.Module)

EMBEDDING_SPREAD = 0.5
OFFSET_SPREAD = 0.1  # biases, norms, lone parameters: around the value that the model's own constructor gave

# Where unit gain makes a model so loud that rounding alone moves its outputs. What weights of matrices are multiplied by:
BEFORE_A_SNAKE = 0.5  # x + sin²x adds to whatever comes in, block after block, and is up to twice as steep as x
OF_A_BRANCH = 0.4  # several convolutions and their input are added up, and nothing normalises the sum in inference
OF_KERNELS = 0.05  # what comes out is the kernel of another convolution, with tens of inputs


def construct(build: Callable[[], BuiltT], seed: int) -> BuiltT:
    """Call a constructor with the random state fixed, and what `torch.empty` returns filled with NaN.

    A parameter that nobody initialises is then recognised, instead of holding whatever was in memory.
    """
    with torch.random.fork_rng(devices=[]), _filled_memory():
        torch.manual_seed(seed)
        return build()


@contextmanager
def _filled_memory() -> Iterator[None]:
    enabled = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)


def initialise(model: nn.Module, seed: int) -> None:
    """Set every floating parameter and the running statistics of every BatchNorm, in place."""
    owners = {id(p): module for module in model.modules() for p in module.parameters(recurse=False)}
    gains = _gains(model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.is_floating_point():
                noise = _noise(parameter, seed, name)
                owner = owners[id(parameter)]
                gain = gains.get(id(owner), 1.0) if parameter.dim() >= 2 else 1.0
                parameter.copy_(gain * _value(owner, name, parameter, noise))
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(0.1 * _noise(buffer, seed, name))
            elif name.endswith("running_var"):
                buffer.copy_(0.5 + _noise(buffer, seed, name).abs())


def _gains(model: nn.Module) -> dict[int, float]:
    """The id of a convolution → its gain, where that isn't 1."""
    gains: dict[int, float] = {}
    for module in model.modules():
        children = dict(module.named_children())
        if any(type(child).__name__.startswith("Snake") for child in children.values()):
            gains |= {id(child): BEFORE_A_SNAKE for child in children.values() if _convolves(child)}
        if type(module).__name__.endswith("LearnableRepLayer"):
            gains |= {id(part): OF_A_BRANCH for part in module.modules() if _convolves(part)}
        if "kernel_conv" in children:
            gains[id(children["kernel_conv"])] = OF_KERNELS
    return gains


def _convolves(module: nn.Module) -> bool:
    return type(module).__name__.startswith("Conv")


def _value(owner: nn.Module, name: str, parameter: Tensor, noise: Tensor) -> Tensor:
    if isinstance(owner, nn.Embedding):
        return EMBEDDING_SPREAD * noise
    if name.endswith("weight") and parameter.dim() >= 2:
        return noise / math.sqrt(_fan_in(owner, parameter))
    start = torch.nan_to_num(parameter.detach(), nan=0.0, posinf=1.0, neginf=-1.0)
    return start + OFFSET_SPREAD * noise


def _fan_in(owner: nn.Module, parameter: Tensor) -> int:
    """Inputs that add up to one output: all but the first axis of a convolution, the last axis otherwise."""
    if type(owner).__name__.startswith(("Conv", "Causal")):
        return parameter[0].numel() if parameter.dim() > 2 else parameter.shape[0]
    return parameter.shape[-1]


def _noise(tensor: Tensor, seed: int, name: str) -> Tensor:
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
    return torch.randn(tensor.shape, generator=generator, dtype=torch.float32).to(tensor.dtype)
