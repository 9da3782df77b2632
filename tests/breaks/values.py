"""What depends on the values of a tensor: scalars, branches, shapes."""

import torch
from torch import Tensor

from breaks.corpus import Model, case


@case(events=1, places=1)
class Item(Model):
    def forward(self, x: Tensor) -> Tensor:
        scale = x.sum().item()  # GB0124
        return x * scale


@case(events=1, places=1)
class IntOfATensor(Model):
    def forward(self, x: Tensor) -> Tensor:
        count = int(x.sum())  # GB0124
        return x * count


@case(events=1, places=1)
class FloatOfATensor(Model):
    def forward(self, x: Tensor) -> Tensor:
        scale = float(x.sum())  # GB0124
        return x * scale


@case(events=1, places=1)
class BoolOfATensor(Model):
    def forward(self, x: Tensor) -> Tensor:
        positive = bool(x.sum() > 0)  # GB0124
        return x + 1 if positive else x - 1


@case(events=1, places=1)
class TensorToList(Model):
    def forward(self, x: Tensor) -> Tensor:
        values = x[0].tolist()  # GB0109
        return x * values[0]


@case(events=1, places=1)
class BranchOnAValue(Model):
    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        if y.sum() > 0:  # GB0170
            return y + 1
        return y - 1


@case(events=2, places=2)
class TwoBranchesOnValues(Model):
    """Each cuts; dynamo's counter of graph breaks shows neither."""

    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:  # GB0170
            x = x + 1
        if x.mean() > 0:  # GB0170
            x = x * 2
        return x - 1


@case(events=1, places=1)
class BranchInAnExpression(Model):
    def forward(self, x: Tensor) -> Tensor:
        return x + 1 if x.sum() > 0 else x - 1  # GB0170


@case(events=1, places=1)
class AndOfTwoTensors(Model):
    """`and` asks the first for its truth; the second is handed on."""

    def forward(self, x: Tensor) -> Tensor:
        both = x.sum() > 0 and x.mean()  # GB0170
        return x * both


@case(events=1, places=1, skipped=1, said=-1)
class NotOfATensor(Model):
    """`not` cannot be resumed, and there is no line before it to end a graph at: the function is given up."""

    def forward(self, x: Tensor) -> Tensor:
        empty = not (x.sum() > 0)  # GB0033
        return x + empty


@case(events=2, places=1, said=1)
class WhileOnAValue(Model):
    """Python tests at the top once and at the bottom of each round: two cuts; from the second round on all is known."""

    def forward(self, x: Tensor) -> Tensor:
        while x.sum() < 100:  # GB0170 x2
            x = x * 2 + 1
        return x


@case(events=0, places=0)
class AssertOnAValue(Model):
    """No break: an assert becomes an operation of the graph."""

    def forward(self, x: Tensor) -> Tensor:
        assert x.sum() > -100, "too small"
        return x * 2


@case(events=1, places=1)
class ShapeThatDependsOnValues(Model):
    def forward(self, x: Tensor) -> Tensor:
        rows = x.nonzero()  # GB0036
        return rows + 1


@case(events=1, places=1)
class MaskedSelection(Model):
    def forward(self, x: Tensor) -> Tensor:
        chosen = x[x > 0]  # GB0036
        return chosen * 2


@case(events=1, places=1)
class Unique(Model):
    def forward(self, x: Tensor) -> Tensor:
        values = torch.unique(x)  # GB0036
        return values + 1


@case(events=1, places=1)
class WhereWithOneArgument(Model):
    def forward(self, x: Tensor) -> Tensor:
        (rows, columns) = torch.where(x > 0)  # GB0036
        return rows + columns


@case(events=1, places=1)
class RangeOverAValue(Model):
    def forward(self, x: Tensor) -> Tensor:
        for _ in range(int((x > 0).sum() * 0 + 2)):  # GB0124
            x = x * 2
        return x


@case(events=1, places=1)
class ListIndexedByATensor(Model):
    def forward(self, x: Tensor) -> Tensor:
        factors = [1, 2, 3]
        factor = factors[(x > 0).sum() * 0]  # GB0124
        return x * factor


@case(events=1, places=1, said=0)
class SliceByATensor(Model):
    """Making a slice cannot be resumed: the graph ends at the line before, and this line runs in eager."""

    def forward(self, x: Tensor) -> Tensor:
        end = (x > 100).sum() + 2
        return x[:end] + 1  # GB0124


@case(events=1, places=1)
class RepeatByATensor(Model):
    def forward(self, x: Tensor) -> Tensor:
        times = (x[0] > -100).sum(-1, keepdim=True).expand(3)
        return x.repeat_interleave(times, 0) + 1  # GB0036


@case(events=3, places=3, said=0)
class ThreeKindsAndOneGraph(Model):
    """explain reads 0 here: none of the graphs between the breaks has an operation."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        print("hello")  # GB0059
        self.scale.item()  # GB0124
        if x.sum() > 0:  # GB0170
            return x
        return x


@case(events=1, places=1, said=0)
class TailWithoutAnOperation(Model):
    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        print("done")  # GB0059
        return y


@case(events=1, places=1, said=0)
class HeadWithoutAnOperation(Model):
    def forward(self, x: Tensor) -> Tensor:
        print("hello")  # GB0059
        return x * 2


@case(events=1, places=1)
class SortTensors(Model):
    def forward(self, x: Tensor) -> Tensor:
        return sorted([x[0, 0], x[0, 1]])[0] * x  # GB0207


@case(events=1, places=1, said=0)
class CompareDataPointers(Model):
    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        return x if y.data_ptr() == x.data_ptr() else y  # GB5976


@case(events=1, places=1, skipped=1, said=-1)
class ArithmeticOnADataPointer(Model):
    """Dynamo raises where Python would not; an exception cannot be resumed."""

    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        return y + (y.data_ptr() % 2) * 0  # GB0088


@case(events=1, places=1)
class ResizeInPlace(Model):
    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        y.resize_(2, 6)  # GB0126
        return y + 1


@case(events=1, places=1)
class GradientThatLeaksOut(Model):
    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        with torch.enable_grad():
            y.requires_grad_()  # GB8985
        return y


@case(events=1, places=1)
class Backward(Model):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            loss = self.linear(x).sum()
            loss.backward()  # GB0123
        return x + 1


@case(events=1, places=1, said=0)
class RandomInPlace(Model):
    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        y.random_()  # GB0107
        return y


@case(events=1, places=1)
class ShareMemory(Model):
    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        y.share_memory_()  # GB0117
        return y + 1


@case(events=2, places=2, skipped=1, said=-1)
class SparseTensor(Model):
    """Made it can be, kept it cannot: the part behind takes a sparse tensor, and is given up."""

    def forward(self, x: Tensor) -> Tensor:
        return x.to_sparse().to_dense() + 1  # GB0277, GB0015


@case(events=0, places=0)
class LargerOfTwoTensors(Model):
    """No break: max() of tensors is an operation of the graph."""

    def forward(self, x: Tensor) -> Tensor:
        return max(x[0, 0], x[0, 1]) * x
