"""Small models that break on purpose, each at one place of the pipeline; none of them knows Driftgate."""

import ctypes
import os
import time

import torch
from torch import Tensor, nn

X = torch.linspace(-1, 1, 8).reshape(2, 4) + 0.1


class Breaks(nn.Module):
    """Four events at three places: a print (it cuts two frames), a number taken from a tensor, a branch on data (no id in the trace)."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Prints()

    def forward(self, x: Tensor) -> Tensor:
        x = self.inner(x) * x.mean().item()
        if x.sum() > 0:
            return x + 1
        return x - 1


class Prints(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        print("inner")
        return x * 2


class Wider(nn.Module):
    """Breaks at a batch of more than two alone."""

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] > 2:
            print("wide")
        return x * 2


class Branches(nn.Module):
    """Cannot be exported: which way it goes depends on its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 1 if x.sum() > 0 else x - 1


@torch.library.custom_op("broken_models::twist", mutates_args=())
def twist(x: Tensor) -> Tensor:
    return x.flip(0)


@twist.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


class Twists(nn.Module):
    """Cannot be exported: nobody has said what its operator is in ONNX."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.broken_models.twist(x)


@torch.library.custom_op("broken_models::liar", mutates_args=())
def liar(x: Tensor) -> Tensor:
    return x[:1].clone()


@liar.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


class Lies(nn.Module):
    """Fails under Inductor, which believes what the operator says of its result."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.broken_models.liar(x + 1) * 2


class Half(nn.Module):
    """Exports, and ONNX Runtime has no kernel for it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4, dtype=torch.bfloat16)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.to(torch.bfloat16)).float()


class AtWork(nn.Module):
    """Does something when it really works, not when it is traced."""

    def __init__(self, act) -> None:
        super().__init__()
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        if not torch.compiler.is_compiling():
            self.act()
        return x + 1


def fail() -> None:
    raise ArithmeticError("the forward pass has had enough")


def breaks():
    return Breaks(), {"x": X.clone()}


def branches():
    return Branches(), {"x": X.clone()}


def twists():
    return Twists(), (X.clone(),)


def lies():
    return Lies(), {"x": X.clone()}


def half():
    torch.manual_seed(0)
    return Half(), {"x": X.clone()}


def raises():
    return AtWork(fail), {"x": X.clone()}


def exits():
    return AtWork(lambda: os._exit(0)), {"x": X.clone()}


def dies():
    return AtWork(lambda: ctypes.string_at(0)), {"x": X.clone()}


def hangs():
    return AtWork(lambda: time.sleep(1000)), {"x": X.clone()}


class Fixed(nn.Module):
    """Fixes an axis that was to be dynamic: the dynamo exporter refuses it, and what TorchScript made of it fails at another size."""

    def forward(self, x: Tensor, mask: Tensor, scale: float) -> Tensor:
        if x.shape[0] == 2:
            return x * mask * scale
        return x * 2


def fixed():
    return Fixed(), {"x": X.clone(), "mask": torch.ones(2, 4), "scale": 3.0}


def wider() -> nn.Module:
    return Wider()
