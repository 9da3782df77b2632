"""Breaks in called code: submodules, functions, methods, hooks; each frame on the way is cut by itself."""

from torch import Tensor, nn

from breaks.corpus import Model, case


@case(events=2, places=1)
class BreakInASubmodule(Model):
    """The caller is cut at the call, the submodule by itself."""

    class Inner(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            x = x + 1
            print("inner")  # GB0059 x2 in inner
            return x * 2

    def __init__(self) -> None:
        super().__init__()
        self.inner = self.Inner()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x * 3) + 1


@case(events=3, places=1)
class BreakInTwoSubmodulesOfOneClass(Model):
    """The caller is cut twice, the first submodule once; the second one's code is compiled by then."""

    class Inner(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            x = x + 1
            print("inner")  # GB0059 x3 in parts.*
            return x * 2

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([self.Inner(), self.Inner()])

    def forward(self, x: Tensor) -> Tensor:
        return self.parts[1](self.parts[0](x) * 3) + 1


@case(events=2, places=1, skipped=1)
class BreakInALoopOverSubmodules(Model):
    """A loop cannot be resumed: the caller is given up, and each submodule compiled by itself; the second one's code is known."""

    class Inner(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            x = x + 1
            print("inner")  # GB0059 x2 in parts.0
            return x * 2

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([self.Inner(), self.Inner()])

    def forward(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x) * 3
        return x


@case(events=3, places=1)
class BreakTwoCallsDeep(Model):
    """Three frames on the way down, each cut once."""

    class Middle(nn.Module):
        class Inner(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                x = x + 1
                print("inner")  # GB0059 x3 in middle.inner
                return x * 2

        def __init__(self) -> None:
            super().__init__()
            self.inner = self.Inner()

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x * 5) - 1

    def __init__(self) -> None:
        super().__init__()
        self.middle = self.Middle()

    def forward(self, x: Tensor) -> Tensor:
        return self.middle(x * 3) + 1


def helper(x: Tensor) -> Tensor:
    x = x + 1
    print("helper")  # GB0059 x2
    return x * 2


@case(events=2, places=1, also=(helper,))
class BreakInAFunction(Model):
    def forward(self, x: Tensor) -> Tensor:
        return helper(x * 3) + 1


def helper_of_part(x: Tensor) -> Tensor:
    x = x + 1
    print("helper")  # GB0059 x3 in part
    return x * 2


@case(events=3, places=1, also=(helper_of_part,))
class BreakInAFunctionOfASubmodule(Model):
    """A function has no self: it belongs to the submodule that calls it."""

    class Part(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return helper_of_part(x * 3) + 1

    def __init__(self) -> None:
        super().__init__()
        self.part = self.Part()

    def forward(self, x: Tensor) -> Tensor:
        return self.part(x) * 2


@case(events=2, places=1)
class BreakInAMethod(Model):
    def say(self, x: Tensor) -> Tensor:
        print("method")  # GB0059 x2
        return x * 2

    def forward(self, x: Tensor) -> Tensor:
        return self.say(x + 1) - 1


@case(events=2, places=1)
class BreakInALambda(Model):
    def forward(self, x: Tensor) -> Tensor:
        say = lambda y: (print("lambda"), y * 2)[1]  # noqa: E731  # GB0059 x2
        return say(x + 1) - 1


@case(events=2, places=1, skipped=1, said=-1)
class BreakInAProperty(Model):
    """Reading an attribute cannot be resumed, and there is no line before it to end a graph at: the caller is given up, and the
    property compiled by itself."""

    @property
    def factor(self) -> int:
        print("property")  # GB0059 x2
        return 2

    def forward(self, x: Tensor) -> Tensor:
        return (x + 1) * self.factor


@case(events=2, places=1)
class BreakInANestedFunction(Model):
    def forward(self, x: Tensor) -> Tensor:
        def inner(y: Tensor) -> Tensor:
            print("nested")  # GB0059 x2
            return y * 2

        return inner(x + 1) - 1


@case(events=3, places=1)
class BreakInASharedSubmodule(Model):
    """One module under two names: the first of them is told. Its own code is compiled once, its caller cut twice."""

    class Inner(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            x = x + 1
            print("inner")  # GB0059 x3 in left
            return x * 2

    def __init__(self) -> None:
        super().__init__()
        self.left = self.Inner()
        self.right = self.left

    def forward(self, x: Tensor) -> Tensor:
        return self.right(self.left(x) * 3) + 1


@case(events=2, places=1, said=1)
class BreakInSequential(Model):
    """nn.Sequential is torch's own code and never compiled by itself: its parts are."""

    class Inner(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            x = x + 1
            print("inner")  # GB0059 x2 in parts.1
            return x * 2

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.Sequential(nn.Linear(4, 4), self.Inner(), nn.Linear(4, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.parts(x)


@case(events=2, places=1)
class BreakInAHook(Model):
    """The hook is a function of the model, called for its submodule."""

    @staticmethod
    def hook(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        print("hook")  # GB0059 x2 in part
        return output + 1

    def __init__(self) -> None:
        super().__init__()
        self.part = nn.Linear(4, 4)
        self.part.register_forward_hook(self.hook)

    def forward(self, x: Tensor) -> Tensor:
        return self.part(x) * 2


@case(events=4, places=1, said=3)
class BreakInRecursion(Model):
    """forward, down(2), down(1) and down(0) are cut once each; the last two are compilations of one function for another depth."""

    def down(self, x: Tensor, depth: int) -> Tensor:
        if depth == 0:
            print("bottom")  # GB0059 x4
            return x
        return self.down(x + 1, depth - 1) * 2

    def forward(self, x: Tensor) -> Tensor:
        return self.down(x, 2)


@case(events=3, places=1)
class BreakInAClosureOverSelf(Model):
    """`self` in a cell is still the submodule's."""

    class Part(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = 2

        def forward(self, x: Tensor) -> Tensor:
            def inner(y: Tensor) -> Tensor:
                print("closure")  # GB0059 x3 in part
                return y * self.factor

            return inner(x + 1) - 1

    def __init__(self) -> None:
        super().__init__()
        self.part = self.Part()

    def forward(self, x: Tensor) -> Tensor:
        return self.part(x) * 2


@case(events=2, places=1)
class BreakInAMethodOfAnObject(Model):
    """The object is no module: the break belongs to the module that uses it."""

    class Cache:
        def update(self, x: Tensor) -> Tensor:
            print("cache")  # GB0059 x2
            return x * 2

    def __init__(self) -> None:
        super().__init__()
        self.cache = self.Cache()

    def forward(self, x: Tensor) -> Tensor:
        return self.cache.update(x + 1) - 1
