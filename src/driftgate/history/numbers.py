"""The numbers of a window of nights: one of them as a table, or the worst of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isnan

import numpy as np
from numpy.typing import NDArray

from driftgate.core.records import Cell
from driftgate.history.packing import NUMBERS, Packed

WORST = ("compile_s", "peak_rss_bytes", "max_abs")
"""Those of `NUMBERS` of which the largest value over a window counts."""


@dataclass(frozen=True)
class Window:
    """A number of many series over many nights: a row for each series, a column for each run, NaN where there is none."""

    series: tuple[Cell, ...]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Numbers:
    """The numbers of some nights, each sorted by series; `named` tells the cell of a series."""

    nights: Sequence[Packed]
    named: Mapping[int, Cell]

    def window(self, number: str) -> Window:
        """A number of all series that have it. Raises ValueError for one that isn't kept in one piece."""
        if number not in NUMBERS:
            raise ValueError(f"{number!r} is none of {', '.join(NUMBERS)}")
        values = self._table(number)
        known = ~np.isnan(values).all(axis=1)
        return Window(self._cells(self._series[known]), values[known])

    def worst(self) -> dict[Cell, dict[str, float]]:
        """The largest value of each number of `WORST` that each series had, where its cell passed."""
        largest = {name: np.fmax.reduce(self._table(name, passed=True), axis=1, initial=np.nan) for name in WORST}
        rows = np.column_stack(list(largest.values())).tolist()
        return {
            cell: {name: value for name, value in zip(WORST, row, strict=True) if not isnan(value)}
            for cell, row in zip(self._cells(self._series), rows, strict=True)
        }

    @cached_property
    def _series(self) -> NDArray[np.uint32]:
        """Every series of these nights, sorted."""
        return np.unique(np.concatenate([np.empty(0, np.uint32), *(night["series"] for night in self.nights)]))

    def _table(self, number: str, *, passed: bool = False) -> NDArray[np.float64]:
        """A row for each series, a column for each night."""
        values = np.full((len(self._series), len(self.nights)), np.nan)
        for column, night in enumerate(self.nights):
            told = night[night["passed"]] if passed else night
            values[np.searchsorted(self._series, told["series"]), column] = told[number]
        return values

    def _cells(self, series: NDArray[np.uint32]) -> tuple[Cell, ...]:
        return tuple(self.named[number] for number in series.tolist())
