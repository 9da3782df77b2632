"""Small models whose truth is known: how often they break, what they return, what is wrong with them."""

import logging
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

X = torch.linspace(-1, 1, 12).reshape(3, 4) + 0.1


class ThreeBreaksOneGraph(nn.Module):
    """Breaks with empty graphs between them, which explain does not count."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        print("hello")
        self.scale.item()
        if x.sum() > 0:
            return x
        return x


class ItemInALoop(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = x * x.mean().item()
        return x


class Prints(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        print("inner")
        return x * 2


class TwoThatPrint(nn.Module):
    """Three events at one place: the caller is cut twice, the first inner frame once; the second is known by then."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Prints(), Prints()

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x) * 3) + 1


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        hidden = self.layer(x)
        return {"logits": hidden.softmax(-1), "hidden": hidden.tanh()}


class Unseen(nn.Module):
    """Its forward is kept from dynamo, so that no frame of it is traced at all."""

    def __init__(self) -> None:
        super().__init__()
        self.forward = torch.compiler.disable(lambda x: x + 1)


@torch.compiler.disable
def silence() -> None:
    logging.getLogger("torch.__trace").handlers.clear()


class SilencesTheTrace(nn.Module):
    """Takes everybody's handlers off torch's trace, and then breaks unheard."""

    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        silence()
        print("unheard")
        return x * 2


class PassesFullgraphAlone(nn.Module):
    """Breaks at a scalar, which fullgraph captures."""

    def forward(self, x: Tensor) -> Tensor:
        return x * x.sum().item()


class Raises(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise ZeroDivisionError("the model's own mistake")


class WritesIntoItsInput(nn.Module):
    """Breaks only as long as nobody has run it on the same tensor before."""

    def forward(self, x: Tensor) -> Tensor:
        if x[0, 0] < 0:
            x.abs_()
            print("negative")
        return x * 2


class ReturnsTwice(nn.Module):
    """The same tensor under two names, an input handed back, and nothing at all."""

    def forward(self, x: Tensor) -> dict[str, Tensor | None]:
        y = x * 2
        return {"left": y, "right": y, "given": x, "nothing": None}


class Tuple(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        return x + 1, (x + 2, x > 0)


class DataDependent(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 1 if x.sum() > 0 else x - 1


@torch.library.custom_op("driftgate_tests::twist", mutates_args=())
def twist(x: Tensor) -> Tensor:
    return x.flip(0)


@twist.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


class CustomOp(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.driftgate_tests.twist(x)


class Random(nn.Module):
    """Differs from itself in value."""

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.rand_like(x)


class RandomLength(nn.Module):
    """Differs from itself in shape."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x[: self.calls]


class Sleeps(nn.Module):
    """Takes a millisecond and does nothing."""

    def forward(self, x: Tensor) -> Tensor:
        time.sleep(0.001)
        return x + 1


class KillsItself(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        os.kill(os.getpid(), signal.SIGKILL)
        return x


def factory(module: type[nn.Module]) -> Callable[[], Any]:
    def make() -> Any:
        torch.manual_seed(0)
        return module(), {"x": X.clone()}

    return make


three_breaks = factory(ThreeBreaksOneGraph)
item_in_a_loop = factory(ItemInALoop)
two_that_print = factory(TwoThatPrint)
plain = factory(Plain)
unseen = factory(Unseen)
silences_the_trace = factory(SilencesTheTrace)
passes_fullgraph_alone = factory(PassesFullgraphAlone)
raises = factory(Raises)
writes_into_its_input = factory(WritesIntoItsInput)
returns_twice = factory(ReturnsTwice)
returns_tuple = factory(Tuple)
data_dependent = factory(DataDependent)
custom_op = factory(CustomOp)
random = factory(Random)
random_length = factory(RandomLength)
sleeps = factory(Sleeps)
kills_itself = factory(KillsItself)


def positional() -> Any:
    return Plain(), (X.clone(),)


def no_inputs() -> Any:
    return Plain()


def no_module() -> Any:
    return "a string"


def odd_inputs() -> Any:
    return Plain(), 7


def broken_factory() -> Any:
    raise LookupError("no such checkpoint")


not_a_function = 3
