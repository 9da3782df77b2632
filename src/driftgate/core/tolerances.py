"""How far a candidate may be from the reference: rows per dtype, task and target, each with its reason.

|candidate − reference| ≤ atol + rtol · |reference|, element by element. Of the rows that hold for an output the most specific one
wins: task and target, then target, then task, then the dtype alone. No two rows may name the same, so order never matters.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from driftgate.core.errors import did_you_mean
from driftgate.core.records import Record, Tolerance
from driftgate.core.tasks import MODALITY_OF

DTYPES = (
    "float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "complex64", "complex128",
)  # fmt: skip
"""The dtypes that are compared within a tolerance; all others are compared exactly."""
EXACT = Tolerance(atol=0.0, rtol=0.0, reason="integers and booleans are either equal or not", row="exact")

Key = tuple[str, str | None, str | None]
"""A dtype, a task and a target; None stands for any."""


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _some(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("must name at least one")
    return names


def _known_dtypes(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in DTYPES:
            exact = name == "bool" or name.startswith(("int", "uint"))
            told = "integers and booleans are compared exactly; take it out" if exact else did_you_mean(name, DTYPES)
            raise ValueError(f"no tolerance is kept for dtype {name[:80]!r}; {told}")
    return names


def _known_tasks(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in MODALITY_OF:
            raise ValueError(f"there is no task {name[:80]!r}; {did_you_mean(name, MODALITY_OF)}")
    return names


# not min_length: pydantic would tell of a list that is too short where an item of it is wrong
Names = Annotated[tuple[Annotated[str, Field(max_length=100)], ...], BeforeValidator(_listed), AfterValidator(_some)]


class ToleranceRow(Record):
    """One row, for every combination of what it names; without `task` for any task, without `target` for any target.

    `rtol` stays below 1: from there on, an output of zeros would do.
    """

    dtype: Annotated[Names, AfterValidator(_known_dtypes)]
    task: Annotated[Names, AfterValidator(_known_tasks)] | None = None
    target: Names | None = None
    atol: float = Field(ge=0)
    rtol: float = Field(ge=0, lt=1)
    reason: str = Field(min_length=1, max_length=500)

    def holds_for(self) -> Iterator[Key]:
        """What the row holds for."""
        return product(self.dtype, self.task or (None,), self.target or (None,))


class ToleranceTable(Record):
    """All rows of a file. A table may leave out dtypes; `over` fills them in from another one."""

    tolerances: tuple[ToleranceRow, ...]

    def dtypes(self) -> frozenset[str]:
        """The dtypes that the table has rows for."""
        return frozenset(name for row in self.tolerances for name in row.dtype)

    def problems(self) -> Iterator[tuple[int, str]]:
        """What keeps the rows from being unambiguous and whole: the number of a row, and what is wrong with it."""
        first: dict[Key, int] = {}
        for number, row in enumerate(self.tolerances):
            for key in row.holds_for():
                if key in first:
                    yield number, f"row {first[key] + 1} is for {described(key)} too; keep one of them"
                first.setdefault(key, number)
        for (dtype, _, _), number in first.items():
            if (dtype, None, None) not in first:
                yield number, f"{dtype} has no row without task and target, for all others; add one"

    def over(self, base: ToleranceTable) -> ToleranceTable:
        """This table, with the rows of `base` for the dtypes that it has none for."""
        mine = self.dtypes()
        kept = []
        for row in base.tolerances:
            others = tuple(name for name in row.dtype if name not in mine)
            if others:
                kept.append(row.model_copy(update={"dtype": others}))
        return ToleranceTable(tolerances=(*self.tolerances, *kept))

    def tolerance(self, dtype: str, task: str | None = None, target: str | None = None) -> Tolerance | None:
        """The most specific row's tolerance; None for a floating dtype without any row."""
        rows = {key: row for row in self.tolerances for key in row.holds_for()}
        for key in ((dtype, task, target), (dtype, None, target), (dtype, task, None), (dtype, None, None)):
            if key in rows:
                row = rows[key]
                return Tolerance(atol=row.atol, rtol=row.rtol, reason=row.reason, row=described(key))
        return None


def described(key: Key) -> str:
    """`float32, task fill-mask, target ort-cuda`."""
    dtype, task, target = key
    named = MappingProxyType({"task": task, "target": target})
    return ", ".join([dtype, *(f"{what} {name}" for what, name in named.items() if name)])
