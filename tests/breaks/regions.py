"""Regions with rules of their own: library code, code that is switched off or compiled already, recurrent layers."""

import torch
from torch import Tensor, nn
from transformers.utils.import_utils import torch_compilable_check

from breaks.corpus import Model, case

CHECK = ("transformers/utils/import_utils.py", "torch_compilable_check", "GB0124", 2)


@case(events=2, places=1, elsewhere=(CHECK,))
class BreakInALibraryFunction(Model):
    """The caller is cut at the call, the function of transformers by itself: both at the function's own line."""

    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        torch_compilable_check(x.sum() > -100, "too small")
        return x * 2


@case(events=1, places=1, skipped=1, said=-1)
class RecurrentLayer(Model):
    """Dynamo does not take an LSTM as an attribute; reading an attribute cannot be resumed."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.rnn(x * 2)[0] + 1  # GB0014


@case(events=1, places=1, skipped=1, said=-1)
class ScriptedSubmodule(Model):
    def __init__(self) -> None:
        super().__init__()
        self.part = torch.jit.script(nn.Linear(4, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.part(x * 2) + 1  # GB4695


@case(events=0, places=0)
class CompiledSubmodule(Model):
    """No break: a compiled region called from a compiled one is inlined."""

    def __init__(self) -> None:
        super().__init__()
        self.part = torch.compile(nn.Linear(4, 4), backend="eager")

    def forward(self, x: Tensor) -> Tensor:
        return self.part(x * 2) + 1


@case(events=2, places=1)
class BreakInACompiledSubmodule(Model):
    """The caller is cut at the call, the compiled region by itself."""

    class Inner(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            x = x + 1
            print("inner")  # GB0059 x2 in part
            return x * 2

    def __init__(self) -> None:
        super().__init__()
        self.part = torch.compile(self.Inner(), backend="eager")

    def forward(self, x: Tensor) -> Tensor:
        return self.part(x * 3) + 1


@torch.compile(backend="eager")
def compiled_function(x: Tensor) -> Tensor:
    x = x + 1
    print("compiled")  # GB0059 x2
    return x * 2


@case(events=2, places=1, also=(compiled_function.__wrapped__,))
class BreakInACompiledFunction(Model):
    def forward(self, x: Tensor) -> Tensor:
        return compiled_function(x * 3) + 1


@case(events=1, places=1)
class DisabledSubmodule(Model):
    """Nothing inside it is looked at."""

    class Inner(nn.Module):
        @torch.compiler.disable
        def forward(self, x: Tensor) -> Tensor:
            print("not looked at")
            return x * 2

    def __init__(self) -> None:
        super().__init__()
        self.part = self.Inner()

    def forward(self, x: Tensor) -> Tensor:
        return self.part(x + 1) * 3  # GB0099


@case(events=2, places=2)
class DisabledFunctionThatCallsBack(Model):
    """Disabled without its callees: what it calls is compiled by itself, and breaks by itself."""

    def inner(self, x: Tensor) -> Tensor:
        x = x + 1
        print("inner")  # GB0059
        return x * 2

    @torch._dynamo.disable(recursive=False)
    def outer(self, x: Tensor) -> Tensor:
        return self.inner(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(x + 1) * 3  # GB0099


@case(events=0, places=0)
class AvoidedWhenCompiling(Model):
    """No break: the branch is decided while tracing."""

    def forward(self, x: Tensor) -> Tensor:
        if not torch.compiler.is_compiling():
            print("eager")
        return x * 2


@torch.library.custom_op("driftgate_corpus::twice", mutates_args=())
def twice(x: Tensor) -> Tensor:
    return x * 2


@twice.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


@case(events=0, places=0)
class CustomOperator(Model):
    """No break: an operator with a fake implementation is a node of the graph."""

    def forward(self, x: Tensor) -> Tensor:
        return twice(x + 1) - 1


class Halves(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return x / 2

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return gradient / 2


@case(events=0, places=0)
class CustomAutograd(Model):
    def forward(self, x: Tensor) -> Tensor:
        return Halves.apply(x + 1) - 1
