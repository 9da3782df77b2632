"""Breaks in blocks: loops, try, with, generators; where dynamo can go on behind them, and where it gives the function up."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from breaks.corpus import Model, case


@case(events=1, places=1, skipped=1)
class BreakInALoop(Model):
    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = x * x.mean().item()  # GB0124
        return x


@case(events=2, places=2)
class BreakBeforeAndAfterALoop(Model):
    def forward(self, x: Tensor) -> Tensor:
        print("before")  # GB0059
        for _ in range(3):
            x = x * 2
        print("after")  # GB0059
        return x + 1


@case(events=1, places=1)
class BreakInAComprehension(Model):
    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        values = [row.sum().item() for row in x]  # GB0124
        return x * values[0]


@case(events=1, places=1, said=0)
class BreakInATryBlock(Model):
    """What is inside `try` cannot be resumed: the graph ends before the block, and the rest runs in eager."""

    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        x = x * 3
        try:
            print("try")  # GB0059
            x = x * 2
        except ValueError:
            x = x - 1
        return x + 3


@case(events=1, places=1, skipped=1, said=-1)
class BreakInATryBlockBehindOneOperation(Model):
    """A graph of a single operation is not worth ending before the block: the frame is given up."""

    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        try:
            print("try")  # GB0059
            x = x * 2
        except ValueError:
            x = x - 1
        return x + 3


@case(events=1, places=1)
class BreakInFinally(Model):
    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        try:
            x = x * 2
        finally:
            print("finally")  # GB0059
        return x + 3


@case(events=1, places=1)
class BreakUnderNoGrad(Model):
    """A context manager of torch is left and entered again around the break."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = x + 1
            print("no_grad")  # GB0059
            x = x * 2
        return x + 3


@case(events=1, places=1)
class BreakUnderInferenceMode(Model):
    def forward(self, x: Tensor) -> Tensor:
        with torch.inference_mode():
            x = x + 1
            print("inference_mode")  # GB0059
            x = x * 2
        return x + 3


@case(events=1, places=1)
class BreakUnderAutocast(Model):
    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu"):
            x = x + 1
            print("autocast")  # GB0059
            x = x * 2
        return x + 3


class Block:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


@case(events=1, places=1, skipped=1, said=-1)
class BreakUnderAnOwnContextManager(Model):
    """A class with __enter__ and __exit__ is not left and entered again: the frame is given up."""

    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        with Block():
            x = x * 2
            print("block")  # GB0059
        return x + 3


@contextmanager
def block() -> Iterator[None]:
    yield


@case(events=1, places=1, skipped=1, said=-1)
class BreakUnderAGeneratedContextManager(Model):
    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        with block():
            x = x * 2
            print("block")  # GB0059
        return x + 3


@case(events=1, places=1)
class BreakBehindAReturn(Model):
    """The second print is never traced."""

    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        print("here")  # GB0059
        if x.shape[0] == 3:
            return x * 2
        print("never")
        return x


@case(events=1, places=1, skipped=1, said=-1)
class BreakInAGenerator(Model):
    """The loop over it is given up; a generator is never compiled by itself."""

    def rows(self, x: Tensor) -> Iterator[Tensor]:
        for row in x:
            print("row")  # GB0059
            yield row + 1

    def forward(self, x: Tensor) -> Tensor:
        total = x[0]
        for row in self.rows(x):
            total = total + row
        return total


@case(events=2, places=2, skipped=1, said=-1)
class BreakInAGeneratorExpression(Model):
    """Cut at `sum`; the part behind it is handed a generator that has begun, and is given up."""

    def forward(self, x: Tensor) -> Tensor:
        return sum(row for row in x if row.sum() > 0) + 1  # GB0170, GB8335
