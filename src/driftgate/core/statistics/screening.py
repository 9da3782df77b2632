"""Screening: which of a night's many series are worth launching again.

Each series is judged by its own window of nights: what moved all series of a target alike (the night's own offset) is taken away first.
How far out a launch is, its score, is the mean of two opinions, both in standard deviations of a bell curve: its rank among the window's
nights (a series that has such nights anyway does not stand out, however heavy its tail), and its distance in robust spreads, cut off at
three (one wild launch is not worth ten). A suspect is nothing but a candidate: only launches made anew decide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_NIGHTS = 8
"""Nights that a series needs before its spread says anything."""
LEAST_SPREAD = 0.002
"""No series is believed to repeat itself better than this: a window may be quiet by luck, a clock coarse."""
MOST_SPREADS = 3.0
"""A launch farther out than this says no more than that it is far out."""
MAD_TO_SIGMA = 1.4826

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Screening:
    """How many spreads each series is above its window tonight (`z`: slower is positive), its `score`, its `level` in the window
    (seconds) and `spread` (a share of its time), and the night's `offset` (a factor) that all series have in common. `nights` are the
    window's launches, sorted, as logarithms around that level. NaN where a window is too short or has a gap."""

    z: Floats
    score: Floats
    level: Floats
    spread: Floats
    offset: float
    nights: Floats

    def score_of(self, series: int, time: float) -> float:
        """The score of another launch of the same night."""
        moved = math.log(time / self.offset / float(self.level[series]))
        row = slice(series, series + 1)
        return float(_scores(np.array([moved]), self.spread[row], self.nights[row])[0])


def screen(window: Floats, tonight: Floats) -> Screening:
    """Judge tonight's launches against their windows.

    `window` has a row for each series and a column for each earlier night, `tonight` one time for each series; seconds, NaN where
    there was no launch. Raises ValueError for other shapes.
    """
    if window.ndim != 2 or tonight.shape != window.shape[:1]:
        raise ValueError(f"a window of {window.shape} does not fit {tonight.shape} series")
    nights, level = _centred(np.log(window)), _median(np.log(window))
    moved = np.log(tonight) - level
    offset = float(np.nanmedian(moved)) if np.isfinite(moved).any() else 0.0
    known = np.isfinite(window).sum(axis=1) >= LEAST_NIGHTS
    spread = np.where(known, np.maximum(MAD_TO_SIGMA * _median(np.abs(nights)), LEAST_SPREAD), np.nan)
    nights, moved = np.sort(nights, axis=1), moved - offset
    scores = _scores(moved, spread, nights)
    return Screening(moved / spread, scores, np.exp(level), spread, float(np.exp(offset)), nights)


def _scores(moved: Floats, spread: Floats, nights: Floats) -> Floats:
    """Of launches that are `moved` (logarithms) from their levels."""
    below = ((nights < moved[:, None]).sum(axis=1) + (nights <= moved[:, None]).sum(axis=1)) / 2
    among = np.isfinite(nights).sum(axis=1)
    ranked = np.array([_bell(float(rank), int(of)) for rank, of in zip(below, among, strict=True)])
    return np.asarray((ranked + np.clip(moved / spread, -MOST_SPREADS, MOST_SPREADS)) / 2)


@lru_cache(maxsize=4096)
def _bell(below: float, of: int) -> float:
    """Where a launch with that many of the window's below it would stand on a bell curve."""
    return _NORMAL.inv_cdf((below + 0.5) / (of + 1))


def _centred(logs: Floats) -> Floats:
    """Without each series' level, and without what a night did to all of them."""
    around = logs - _median(logs)[:, None]
    around = around - np.nan_to_num(_median(around.T))
    return np.asarray(around - _median(around)[:, None])


def _median(rows: Floats) -> Floats:
    """The median of each row; NaN for a row without a number."""
    if not rows.shape[1]:
        return np.full(len(rows), np.nan)
    ordered, known, each = np.sort(rows, axis=1), (~np.isnan(rows)).sum(axis=1), np.arange(len(rows))
    return np.asarray((ordered[each, (known - 1) // 2] + ordered[each, known // 2]) / 2)  # NaN is sorted to the end


def suspects(scores: Floats, least: float, most: int) -> tuple[int, ...]:
    """The rows whose score (or z) is at least `least`, the most suspicious first, at most `most` of them."""
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
    return tuple(int(row) for row in order[:most] if scores[row] >= least)


def pooled(scores: Sequence[float]) -> float:
    """One score of several launches of the same night: their sum, over what independent launches would spread."""
    return float(sum(scores) / np.sqrt(len(scores)))
