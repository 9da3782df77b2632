"""How the corpus states what is true.

Each case is a small module named after its break. The numbers stand in its decorator; on each line that breaks, a comment says
which id it has, how many events, and in which submodule:

    @case(events=3, places=2, skipped=0)
    class Something(Model):
        def forward(self, x):
            print("a")              # GB0059
            with open(path) as f:   # GB0059, GB0142 x2 in inner

What breaks in code of others is given as `elsewhere`: the end of the file's name, the function, the id and the number of events.
All of it is written by hand, from reading the code; nothing here is generated.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

X = torch.linspace(-1, 1, 12).reshape(3, 4) + 0.1
MARKS = re.compile(r"# (?P<marks>GB\d{4}\b.*)$")
MARK = re.compile(r"(?P<id>GB\d{4})(?: x(?P<count>\d+))?(?: in (?P<module>[\w.*]+))?")

Place = tuple[int, str, int, str]
Elsewhere = tuple[str, str, str, int]


class Model(nn.Module):
    """Base of the cases: a name of its own, so that a case reads as what it is about."""


@dataclass(frozen=True)
class Case:
    """One module and what is true of it."""

    model: type[nn.Module]
    events: int
    places: int
    skipped: int
    said: int | None
    elsewhere: tuple[Elsewhere, ...]
    marked: tuple[Place, ...]
    file: str
    x: Tensor = field(repr=False)
    second: Tensor | None = field(repr=False)
    at_second: int
    recompiles: int

    @property
    def name(self) -> str:
        return self.model.__name__


CASES: list[Case] = []


def case(
    *,
    events: int,
    places: int,
    skipped: int = 0,
    said: int | None = None,
    elsewhere: tuple[Elsewhere, ...] = (),
    also: tuple[Callable[..., Any] | type, ...] = (),
    x: Tensor = X,
    second: Tensor | None = None,
    at_second: int = 0,
    recompiles: int = 0,
) -> Callable[[type[nn.Module]], type[nn.Module]]:
    """Put a module into the corpus.

    `said` is what explain says of it, where that is worth telling; `also` are functions and classes outside it that hold marks;
    `second` is an input of another size, at which there are `at_second` further events and `recompiles` recompilations.
    """

    def add(model: type[nn.Module]) -> type[nn.Module]:
        marked = tuple(place for code in (model, *also) for place in marks(code))
        file = inspect.getsourcefile(model) or ""
        CASES.append(
            Case(model, events, places, skipped, said, elsewhere, marked, file, x, second, at_second, recompiles)
        )
        return model

    return add


def marks(code: Callable[..., Any] | type) -> list[Place]:
    """The marks of a class or function: line, id, events, module path (`""` for the model itself)."""
    lines, first = inspect.getsourcelines(code)
    commented = [(first + offset, MARKS.search(line)) for offset, line in enumerate(lines)]
    return [
        (number, mark["id"], int(mark["count"] or 1), mark["module"] or "")
        for number, comment in commented
        if comment
        for mark in MARK.finditer(comment["marks"])
    ]
