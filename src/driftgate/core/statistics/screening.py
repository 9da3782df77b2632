"""Screening: which of a night's many series are worth launching again.

Each series is judged by its own spread from launch to launch, over the nights of a window; what moved all series of a target alike
(the night's own offset) is taken away first. A suspect is nothing but a candidate: only launches made anew decide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_NIGHTS = 8
"""Nights that a series needs before its spread says anything."""
LEAST_SPREAD = 0.002
"""No series is believed to repeat itself better than this: a window may be quiet by luck, a clock coarse."""
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class Screening:
    """How many spreads each series is above its window tonight (`z`: slower is positive), its `level` there (seconds) and `spread`
    (a share of its time), and the night's `offset` (a factor) that all series have in common. NaN where a window is too short."""

    z: Floats
    level: Floats
    spread: Floats
    offset: float

    def z_of(self, series: int, time: float) -> float:
        """The z of another launch of the same night."""
        return math.log(time / self.offset / float(self.level[series])) / float(self.spread[series])


def screen(window: Floats, tonight: Floats) -> Screening:
    """Judge tonight's launches against their windows.

    `window` has a row for each series and a column for each earlier night, `tonight` one time for each series; seconds, NaN where
    there was no launch. Raises ValueError for other shapes.
    """
    if window.ndim != 2 or tonight.shape != window.shape[:1]:
        raise ValueError(f"a window of {window.shape} does not fit {tonight.shape} series")
    logs, now = _centred(np.log(window)), np.log(tonight)
    level = _median(np.log(window))
    moved = now - level
    offset = float(np.nanmedian(moved)) if np.isfinite(moved).any() else 0.0
    spread = np.maximum(_MAD_TO_SIGMA * _median(np.abs(logs)), LEAST_SPREAD)
    known = np.isfinite(window).sum(axis=1) >= LEAST_NIGHTS
    z = np.where(known, (moved - offset) / spread, np.nan)
    return Screening(z, np.exp(level), np.where(known, spread, np.nan), float(np.exp(offset)))


def _centred(logs: Floats) -> Floats:
    """Without each series' level, and without what a night did to all of them."""
    around = logs - _median(logs)[:, None]
    by_night = np.array([np.nanmedian(night) if np.isfinite(night).any() else 0.0 for night in around.T])
    around = around - by_night
    return np.asarray(around - _median(around)[:, None])


def _median(rows: Floats) -> Floats:
    """The median of each row; NaN for a row without a number."""
    there = np.isfinite(rows).any(axis=1)
    medians = np.full(len(rows), np.nan)
    medians[there] = np.nanmedian(rows[there], axis=1)
    return medians


def suspects(z: Floats, least: float, most: int) -> tuple[int, ...]:
    """The rows whose z is at least `least`, the most suspicious first, at most `most` of them."""
    order = np.argsort(-np.nan_to_num(z, nan=-np.inf), kind="stable")
    return tuple(int(row) for row in order[:most] if z[row] >= least)


def pooled(z_values: Sequence[float]) -> float:
    """One z of several launches of the same night: their sum, over what independent launches would spread."""
    return float(sum(z_values) / np.sqrt(len(z_values)))
