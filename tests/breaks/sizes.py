"""What a second input size does: more compilations, and breaks that the first size does not show.

`recompiles` are the functions compiled again, `at_second` the break events while at it: a function that is compiled again breaks again.
"""

import torch
from torch import Tensor, nn

from breaks.corpus import Model, X, case

LARGER = torch.linspace(-1, 1, 20).reshape(5, 4) + 0.1


@case(events=0, places=0, second=LARGER, at_second=0, recompiles=1)
class AnotherSize(Model):
    """Compiled again with the size as a symbol; nothing breaks."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 2 + 1


@case(events=0, places=0, second=X.clone(), at_second=0, recompiles=0)
class TheSameSize(Model):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2 + 1


@case(events=0, places=0, second=LARGER, at_second=1, recompiles=1)
class BreakOnlyAtTheSecondSize(Model):
    """At the first size the print is never traced."""

    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        if x.shape[0] > 3:
            print("large")
        return x * 2


@case(events=1, places=1, second=LARGER, at_second=0, recompiles=1)
class BreakOnlyAtTheFirstSize(Model):
    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        if x.shape[0] == 3:
            print("small")  # GB0059
        return x * 2


@case(events=1, places=1, second=LARGER, at_second=1, recompiles=2)
class BreakAtBothSizes(Model):
    """Both halves are compiled again; the first breaks again."""

    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        print("any")  # GB0059
        return x * 2


@case(events=1, places=1, skipped=1, second=LARGER, at_second=0, recompiles=0)
class GivenUpAtTheFirstSize(Model):
    """What is given up is never looked at again."""

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(2):
            x = x * x.mean().item()  # GB0124
        return x


@case(events=0, places=0, second=LARGER, at_second=0, recompiles=1)
class SizeInAModuleOfItsOwn(Model):
    def __init__(self) -> None:
        super().__init__()
        self.part = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.part(x)
