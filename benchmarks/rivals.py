"""The gate beside a fixed percentage, asv's rule and Apache Otava, on the same nights of 1,200 series, launches spreading by 2 %.

Two questions. How many nights of nothing alarm at a rule's own threshold? And, with every rival's threshold moved to where 1 % of such
nights alarm, how often is one slower series found? The gate is taken as it is: it has no such threshold, and alarms on fewer nights.
Otava may look on the night itself and one and two nights later (k = 1, 2, 3 nights with the slowdown), the others decide that night.

    OTAVA=build python -m benchmarks rivals         # without OTAVA the other rivals alone
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.calibration_nights import Draw, Floats, Night, Noise, gaussian, in_one_stretch, recorded
from benchmarks.harness import Figure
from benchmarks.rival_rules import (
    FACTOR,
    HOW,
    OTAVA_P,
    PERCENT,
    asv_inside,
    asv_launches,
    otava,
    otava_python,
    otava_series,
    percent,
)
from driftgate.core.statistics.night import judge_night

TITLE = "The gate and its rivals"
NULL_NIGHTS, POWER_NIGHTS, OTAVA_NIGHTS = 400, 300, 100
SLOWER = (1.05, 1.10)
GATE = "Driftgate"
OTAVA_NAMES = ("otava k = 1", "otava k = 2", "otava k = 3")

REPLAYS = (
    Noise("independent nights, gaussian", gaussian, 0.02),
    Noise("recorded launches", recorded, 0.02),
    Noise("recorded launches in one stretch", in_one_stretch, 0.02),
    Noise("nights with AR(1) = 0.5 of 2 %", gaussian, 0.02, own=0.02, autocorrelation=0.5),
    Noise("offset between nights of 3 %", gaussian, 0.02, offset=0.03),
)
MEMORY = 0.9
"""How much of a sample inside a night is that of the one before, for the second asv: the others see no samples."""

Scores = dict[str, list[float]]


@dataclass(frozen=True)
class Replay:
    """Nights of one kind of noise. `python` has Otava, if there is one."""

    noise: Noise
    python: Path | None

    def null(self, seed: int) -> tuple[Scores, float]:
        """Rule → the most suspicious series of each night without a change; and the share of nights on which the gate alarms."""
        draw, scores, alarmed = np.random.default_rng(seed), Scores(), 0
        for number in range(NULL_NIGHTS):
            night = Night(draw, self.noise)
            for name, of_series in _rules(night, draw).items():
                scores.setdefault(name, []).append(float(of_series.max()))
            if self.python and number < OTAVA_NIGHTS:
                said = otava(self.python, otava_series(night, np.arange(night.tonight.size), 0))
                for name, p in zip(OTAVA_NAMES, said.min(axis=0), strict=True):
                    scores.setdefault(name, []).append(-float(p))
            alarmed += bool(_found(night))
        return scores, alarmed / NULL_NIGHTS

    def changed(self, slower: float, seed: int) -> tuple[Scores, float]:
        """Rule → how suspicious the slower series is, on each night; and the share of nights in which the gate finds it."""
        draw, scores, found = np.random.default_rng(seed), Scores(), 0
        series: list[list[Floats]] = [[] for _ in OTAVA_NAMES]
        for _ in range(POWER_NIGHTS):
            night = Night(draw, self.noise, slower)
            for name, of_series in _rules(night, draw).items():
                scores.setdefault(name, []).append(float(of_series[0]))
            found += 0 in _found(night)
            for since, rows in enumerate(series):
                rows.append(otava_series(night, np.array([0]), since)[0])
        if self.python:
            for since, name in enumerate(OTAVA_NAMES):
                scores[name] = (-otava(self.python, np.array(series[since]))[:, since]).tolist()
        return scores, found / POWER_NIGHTS


def _rules(night: Night, draw: Draw) -> dict[str, Floats]:
    return {
        "7 % rule": percent(night),
        "asv": asv_inside(night, draw, 0.0),
        "asv, autocorrelated samples": asv_inside(night, draw, MEMORY),
        "asv over launches": asv_launches(night),
    }


def _found(night: Night) -> set[int]:
    _, judged = judge_night(night.window, night.tonight, night)
    return {one.series for one in judged if one.slower}


DEFAULTS = {
    "7 % rule": PERCENT,
    "asv": FACTOR,
    "asv, autocorrelated samples": FACTOR,
    "asv over launches": FACTOR,
} | dict.fromkeys(OTAVA_NAMES, -OTAVA_P)


def measure() -> list[Figure]:
    """Three rows a replay: alarms as everybody comes, then each slowdown."""
    python = otava_python()
    if python is None:
        print(f"Otava is left out: {HOW}", file=sys.stderr)
    return [figure for noise in REPLAYS for figure in _figures(Replay(noise, python))]


def _figures(replay: Replay) -> Iterator[Figure]:
    nulls, alarmed = replay.null(3)
    said = _listed({name: _share(scores, DEFAULTS[name]) for name, scores in nulls.items()})
    what = replay.noise.name
    yield Figure(f"{what}: alarmed nights, {GATE}", 100 * alarmed, "%", 1, note=f"at their defaults {said}")
    thresholds = {name: float(np.quantile(scores, 0.99, method="higher")) for name, scores in nulls.items()}
    for slower in SLOWER:
        scores, found = replay.changed(slower, 4)
        tuned = {name: _share(scores[name], thresholds[name], strictly=True) for name in nulls}
        default = {name: _share(scores[name], DEFAULTS[name]) for name in nulls}
        note = f"at 1 % alarmed nights {_listed(tuned)}; at their defaults {_listed(default)}"
        best = 100 * max(tuned.values())
        yield Figure(f"{what}: found, {slower - 1:.0%} slower, {GATE}", 100 * found, "%", best, False, note)


def _share(scores: list[float], threshold: float, *, strictly: bool = False) -> float:
    return float(np.mean([score > threshold if strictly else score >= threshold for score in scores]))


def _listed(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
