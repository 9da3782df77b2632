"""What a 95 % interval is worth with the stopping rule at work, and how often a stream that does not stay the same is noticed.

Each stream is simulated: a clock that moves by the next random time whenever the timing loop calls `run`. The loop, its rule and the
statistics are those of every latency cell; the truth is known because the distribution is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Figure
from driftgate.core.records import Latency
from driftgate.core.statistics import fewest_samples, latency_of_samples
from driftgate.targets.timing import StoppingRule, collect

TITLE = "Intervals and flags"

STREAMS = 2_000
TYPICAL = 1e6  # nanoseconds
CHUNK = 512
BUDGET = 10.0  # seconds of simulated time: thousands of samples
SHORT = 2.0
LEAST_COVERAGE, LEAST_DETECTION = 93.0, 95.0

Random = np.random.Generator
Factors = Callable[[Random, int], NDArray[np.float64]]
"""So many factors on a typical time; successive calls go on with the stream."""


@dataclass(frozen=True)
class Kind:
    """A kind of stream. `make` starts one; `median` is the true one of its factors (None: counted out from four million)."""

    name: str
    make: Callable[[Random], Factors]
    median: float | None = 1.0


def each(draw: Factors) -> Callable[[Random], Factors]:
    """Streams of independent samples."""
    return lambda random: draw


def gaussian(spread: float) -> Callable[[Random], Factors]:
    return each(lambda random, n: 1 + spread * random.standard_normal(n))


def spikes(random: Random, n: int) -> NDArray[np.float64]:
    """Every fiftieth run is interrupted for as long as several runs."""
    return (1 + 0.02 * random.standard_normal(n)) * np.where(random.random(n) < 0.02, random.uniform(2, 10, n), 1)


def bimodal(share: float) -> Callable[[Random], Factors]:
    def draw(random: Random, n: int) -> NDArray[np.float64]:
        return np.where(random.random(n) < share, 1, 1.3) * (1 + 0.02 * random.standard_normal(n))

    return each(draw)


def autoregressive(stays: float, spread: float = 0.05) -> Callable[[Random], Factors]:
    """Gaussian, each sample resembling the last one."""

    def start(random: Random) -> Factors:
        level = random.standard_normal()
        rest = math.sqrt(1 - stays * stays)

        def draw(random: Random, n: int) -> NDArray[np.float64]:
            nonlocal level
            values = np.empty(n)
            for index, news in enumerate(random.standard_normal(n).tolist()):
                level = stays * level + rest * news
                values[index] = level
            return 1 + spread * values

        return draw

    return start


def moving(path: Callable[[Random], Callable[[NDArray[np.int64]], NDArray[np.float64]]]) -> Callable[[Random], Factors]:
    """Gaussian noise of 2 % around a level that moves along a path, a function of the number of the run."""

    def start(random: Random) -> Factors:
        level, done = path(random), 0

        def draw(random: Random, n: int) -> NDArray[np.float64]:
            nonlocal done
            runs = np.arange(done, done + n)
            done += n
            return level(runs) * (1 + 0.02 * random.standard_normal(n))

        return draw

    return start


def wandering(random: Random) -> Factors:
    """A random walk in steps of 0.5 %."""
    level = 0.0

    def draw(random: Random, n: int) -> NDArray[np.float64]:
        nonlocal level
        walk = level + np.cumsum(0.005 * random.standard_normal(n))
        level = float(walk[-1])
        return np.exp(walk) * (1 + 0.02 * random.standard_normal(n))

    return draw


def neighbour(stays: int) -> Callable[[Random], Factors]:
    """Somebody else computes for so many runs on average, then rests as long: 10 % slower meanwhile."""

    def start(random: Random) -> Factors:
        busy = bool(random.random() < 0.5)

        def draw(random: Random, n: int) -> NDArray[np.float64]:
            nonlocal busy
            states = (np.cumsum(random.random(n) < 1 / stays) + busy) % 2
            busy = bool(states[-1])
            return (1 + 0.1 * states) * (1 + 0.02 * random.standard_normal(n))

        return draw

    return start


def stepping(random: Random) -> Callable[[NDArray[np.int64]], NDArray[np.float64]]:
    """Faster until some run among the first samples."""
    at = random.integers(90, 130)
    return lambda runs: 1 + 0.05 * (runs >= at)


STEADY = (
    Kind("gaussian, 2 %", gaussian(0.02)),
    Kind("gaussian, 10 %", gaussian(0.10)),
    Kind("log-normal, σ = 0.5", each(lambda random, n: np.exp(0.5 * random.standard_normal(n)))),
    Kind(
        "Pareto, tail index 1.5",
        each(lambda random, n: 1 + 0.1 * random.pareto(1.5, n)),
        1 + 0.1 * (2 ** (1 / 1.5) - 1),
    ),
    Kind("spikes, 2 % of the runs", each(spikes), None),
    Kind("bimodal, 60 to 40", bimodal(0.6), None),
    Kind("bimodal, 52 to 48", bimodal(0.52), None),
    Kind("clock of 5 % steps", each(lambda random, n: np.round((1 + 0.05 * random.standard_normal(n)) * 20) / 20)),
    Kind(
        "clock of 0.1 % steps", each(lambda random, n: np.round((1 + 0.02 * random.standard_normal(n)) * 1000) / 1000)
    ),
    Kind("mild autocorrelation, φ = 0.2", autoregressive(0.2)),
)
MOVING = (
    Kind("drift of 5 % in 100 runs", moving(lambda random: lambda runs: 1 + 0.05 * np.maximum(runs - 50, 0) / 100)),
    Kind("step of 5 %", moving(stepping)),
    Kind("wave of ±4 %, period 60 runs", moving(lambda random: lambda runs: 1 + 0.04 * np.sin(runs * math.tau / 60))),
    Kind("neighbour, 10 % for ten runs at a time", neighbour(10)),
    Kind("random walk of 0.5 %", wandering),
    Kind("autocorrelation, φ = 0.5", autoregressive(0.5)),
    Kind("autocorrelation, φ = 0.8", autoregressive(0.8)),
)

RARE = Kind("neighbour, 10 % for twenty runs at a time", neighbour(20))
"""One stream in twenty has its precision before the neighbour has come or gone: there is nothing to be seen yet."""


class Simulated:
    """A clock and a run that moves it."""

    def __init__(self, kind: Kind, seed: int) -> None:
        self.now = 0
        self._times = self._stream(kind, np.random.default_rng(seed))

    def clock(self) -> int:
        return self.now

    def run(self) -> None:
        self.now += next(self._times)

    def _stream(self, kind: Kind, random: Random) -> Iterator[int]:
        factors = kind.make(random)
        while True:
            yield from np.maximum(1, factors(random, CHUNK) * TYPICAL).astype(np.int64).tolist()


def latencies(kind: Kind, budget: float) -> Iterator[Latency]:
    """What the loop makes of each stream of a kind."""
    for seed in range(STREAMS):
        stream = Simulated(kind, seed)
        yield latency_of_samples(collect(stream.run, StoppingRule(budget=budget), stream.clock))


def true_median(kind: Kind) -> float:
    """In seconds."""
    if kind.median is not None:
        return kind.median * TYPICAL * 1e-9
    random = np.random.default_rng(987_654_321)
    return float(np.median(kind.make(random)(random, 4_000_000))) * TYPICAL * 1e-9


def covered(latency: Latency, truth: float) -> bool:
    """Whether the interval of p50 holds the truth, which a clock of whole nanoseconds tells to a nanosecond."""
    interval = latency.ci95["p50"]
    return interval is not None and interval[0] - 1e-9 <= truth <= interval[1] + 1e-9


def steady_figures() -> Iterator[Figure]:
    """Coverage of each kind, and how many of all its streams were flagged though they are one and the same throughout."""
    flagged = {}
    for kind in STEADY:
        found, truth = list(latencies(kind, BUDGET)), true_median(kind)
        share = 100 * sum(covered(latency, truth) for latency in found) / len(found)
        samples = int(np.median([latency.samples for latency in found]))
        flagged[kind.name] = 100 * sum(latency.stationary is False for latency in found) / len(found)
        note = f"{samples:,} samples, {flagged[kind.name]:.1f} % flagged"
        yield Figure(f"interval of p50 holds the truth: {kind.name}", share, "%", LEAST_COVERAGE, most=False, note=note)
    independent = [share for name, share in flagged.items() if "autocorrelation" not in name]
    yield Figure("independent streams flagged as not stationary, the worst kind", max(independent), "%", 5.0)


def moving_figures() -> Iterator[Figure]:
    for kind in (*MOVING, RARE):
        found = list(latencies(kind, SHORT))
        share = 100 * sum(latency.stationary is False for latency in found) / len(found)
        samples = int(np.median([latency.samples for latency in found]))
        bound = None if kind is RARE else LEAST_DETECTION
        yield Figure(f"flagged: {kind.name}", share, "%", bound, most=False, note=f"{samples:,} samples")


def measure() -> list[Figure]:
    """2,000 streams of each kind."""
    return [
        *steady_figures(),
        Figure("fewest samples that give p99 an interval", fewest_samples(0.99), "samples", 368, most=False),
        *moving_figures(),
    ]
