"""The gate's rivals as rules over a night: each says how suspicious every series is; what is above its threshold is an alarm.

percent        tonight's launch against the median of the window; at its default 7 %
asv            Mann and Whitney's p < 0.002 and a factor of 1.1 between medians, over 100 samples inside last night and tonight
asv, launches  the same over 7 launches of last night and 7 of tonight, which takes seven times the launches
otava 0.8      a change point at p ≤ 0.001 whose place is among the nights since, looked for 1, 2 and 3 nights after
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.calibration_nights import NIGHTS_AFTER, SERIES, Draw, Floats, Night
from driftgate.core.statistics.ranks import compare_ranks
from driftgate.machine.files import cache_root

PERCENT, FACTOR, ASV_P = 1.07, 1.10, 0.002
SAMPLES, INSIDE = 100, 0.02
LAUNCHES = 7
OTAVA = "apache-otava==0.8.0"
OTAVA_P = 0.001
VARIABLE = "OTAVA"
HOW = f"set {VARIABLE}=build to install {OTAVA} into an environment of its own, or {VARIABLE}=PYTHON to name one that has it"


def percent(night: Night) -> Floats:
    """Tonight ÷ window."""
    return np.asarray(night.tonight / np.median(night.window, axis=1))


def asv_inside(night: Night, draw: Draw, memory: float) -> Floats:
    """The factor between last night's and tonight's samples, 1 where they do not differ. Samples move by 2 % around their launch, each
    remembering a share of the one before."""
    before, now = (_samples(draw, times, memory) for times in (night.window[:, -1], night.tonight))
    return _factors(before, now, _least_wins(SAMPLES))


def asv_launches(night: Night) -> Floats:
    """The factor between last night's and tonight's launches, 1 where they do not differ."""
    rows = np.arange(SERIES)
    return _factors(night.launches(rows, -1, LAUNCHES), night.launches(rows, 0, LAUNCHES), _least_wins(LAUNCHES))


def _samples(draw: Draw, times: Floats, memory: float) -> Floats:
    steps = draw.normal(size=(times.size, SAMPLES))
    steps[:, 1:] *= math.sqrt(1 - memory**2)
    for number in range(1, SAMPLES if memory else 0):
        steps[:, number] += memory * steps[:, number - 1]
    return times[:, None] * np.exp(INSIDE * steps)


def _factors(before: Floats, now: Floats, least_wins: float) -> Floats:
    """Medians' ratios of rows where at least so many pairs are won."""
    count = now.shape[1]
    ranks = np.concatenate([before, now], axis=1).argsort(axis=1).argsort(axis=1) + 1
    wins = ranks[:, count:].sum(axis=1) - count * (count + 1) / 2
    return np.where(wins >= least_wins, np.median(now, axis=1) / np.median(before, axis=1), 1.0)


def _least_wins(count: int) -> float:
    """The pairs won from which on a two-sided p of two sets of `count` is below asv's."""
    if count > 50:
        return count**2 / 2 + 3.0902 * math.sqrt(count**2 * (2 * count + 1) / 12)
    before = [float(time) for time in range(count)]
    lost = 0  # pairs, by the one launch of tonight that is not slower than all
    while 2 * compare_ranks(before, [count - lost - 0.5, *range(count, 2 * count - 1)]).p_slower < ASV_P:
        lost += 1
    return count**2 - lost + 1


def otava_python() -> Path | None:
    """An interpreter that has Otava, built if that is asked for; None if none is named."""
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    if named != "build":
        return Path(named)
    folder = cache_root() / "rivals" / OTAVA
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", OTAVA], check=True)
    return python


def otava(python: Path, series: Floats) -> Floats:
    """What Otava says of each row of times: see `benchmarks.rivals_otava`."""
    with tempfile.TemporaryDirectory() as place:
        given, said = Path(place, "in.npy"), Path(place, "out.npy")
        np.save(given, series)
        script = Path(__file__).with_name("rivals_otava.py")
        subprocess.run([str(python), str(script), str(given), str(said)], check=True)
        return np.asarray(np.load(said, allow_pickle=False))


def otava_series(night: Night, rows: np.ndarray, since: int) -> Floats:
    """What Otava is given, `since` nights after tonight: the launches of each night up to then."""
    assert since <= NIGHTS_AFTER
    later = [night.launches(rows, number, 1) for number in range(1, since + 1)]
    return np.concatenate([night.window[rows], night.tonight[rows, None], *later], axis=1)
