"""Requests in front of a model: measured service times through three queueing models, load by load."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from driftgate.core.errors import UsageError
from driftgate.core.queueing import (
    Draws,
    Estimate,
    GeneralQueue,
    MarkovQueue,
    estimates,
    is_long_enough,
    largest_load,
    simulated_largest_load,
    sojourns,
)
from driftgate.core.queueing.loads import CLOSEST
from driftgate.core.queueing.simulation import REQUESTS, REQUESTS_FOR_MANY
from driftgate.core.records import Latency, LimitLoad, QueueLoad, QueueView, Sojourns, Spread
from driftgate.core.statistics import latency_of
from driftgate.core.text import human_seconds
from driftgate.machine.samples import load_samples

FEWEST = 30
MOST_BYTES = 1 << 26
MOST_SECONDS = 1e6
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
USUAL_LOADS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
"""Utilisations to look at when no loads are named."""
_QUANTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True)
class Question:
    """What is asked: loads in requests per second (none: the usual utilisations), a limit for p99 in seconds, how many servers."""

    loads: tuple[float, ...] = ()
    limit: float | None = None
    servers: int = 1


def view(nanoseconds: Sequence[int], source: str, question: Question, *, target: str | None = None) -> QueueView:
    """The answer for service times in nanoseconds, in the order taken. Raises UsageError for fewer than 30."""
    if len(nanoseconds) < FEWEST:
        raise UsageError(f"{len(nanoseconds)} service times are too few to draw from", mend=f"give at least {FEWEST}")
    return _Bench(tuple(nanoseconds), question).view(source, target)


@dataclass(frozen=True)
class _Bench:
    """Service times, and everything that is worked out from them once."""

    nanoseconds: tuple[int, ...]
    question: Question

    @cached_property
    def seconds(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.asarray(self.nanoseconds, dtype=np.float64) * 1e-9

    @cached_property
    def capacity(self) -> float:
        """Requests per second that all servers complete when always busy."""
        return float(self.question.servers / self.seconds.mean())

    @cached_property
    def draws(self) -> Draws:
        return Draws.of(self.seconds, requests=REQUESTS if self.question.servers == 1 else REQUESTS_FOR_MANY)

    def view(self, source: str, target: str | None) -> QueueView:
        service = latency_of(self.nanoseconds, warmup=0, stopped_by="given")
        loads = self.question.loads or tuple(float(f"{share * self.capacity:.4g}") for share in USUAL_LOADS)
        told = tuple(self.load(rate) for rate in loads)
        return QueueView(
            source=source,
            target=target,
            samples=len(self.nanoseconds),
            servers=self.question.servers,
            service=service,
            variation=self.general(1.0).variation,
            capacity=self.capacity,
            loads=told,
            limit=self.limit(self.question.limit, service) if self.question.limit is not None else None,
            notes=(*self.notes(service), *self.short(told)),
        )

    def exponential(self, rate: float) -> MarkovQueue:
        return MarkovQueue(rate, self.capacity / self.question.servers, self.question.servers)

    def general(self, rate: float) -> GeneralQueue:
        return GeneralQueue(rate, self.seconds, self.question.servers)

    def load(self, rate: float) -> QueueLoad:
        """One load; beyond capacity there is nothing to say but that."""
        busy = rate / self.capacity
        if busy >= 1:
            return QueueLoad(rps=rate, utilisation=busy, stable=False)
        found = estimates(sojourns(self.draws, rate, self.question.servers), _QUANTILES)
        simulated = [self.spread(one, busy) for one in found]
        return QueueLoad(
            rps=rate,
            utilisation=busy,
            stable=True,
            simulated=Sojourns(**dict(zip(("mean", "p50", "p95", "p99"), simulated, strict=True))),
            general=_by_formula(self.general(rate)),
            exponential=_by_formula(self.exponential(rate)),
        )

    def limit(self, limit: float, service: Latency) -> LimitLoad:
        """The largest load at which p99 stays within the limit, by each method."""
        if service.p99 > limit:
            told = f"p99 of the bare service is {human_seconds(service.p99)}: no load keeps it within {human_seconds(limit)}"
            return LimitLoad(limit=limit, reason=told)
        found = simulated_largest_load(self.draws, 0.99, limit, self.capacity, self.question.servers)
        if found is not None and found.value >= CLOSEST * CLOSEST * self.capacity:
            return LimitLoad(
                limit=limit, simulated=Spread(value=found.value), reason="no load below capacity breaks it"
            )
        return LimitLoad(
            limit=limit,
            simulated=self.spread(found, found.value / self.capacity) if found is not None else None,
            general=self._largest(lambda rate: self.general(rate).sojourn_quantile(0.99), limit),
            exponential=self._largest(lambda rate: self.exponential(rate).sojourn_quantile(0.99), limit),
        )

    def _largest(self, p99: Callable[[float], float | None], limit: float) -> Spread | None:
        if p99(self.capacity / 2) is None:
            return None
        found = largest_load(lambda rate: p99(rate) or math.inf, limit, self.capacity)
        return Spread(value=found) if found is not None else None

    def spread(self, estimate: Estimate, busy: float) -> Spread:
        """A simulated figure; its interval only where the simulation is long enough for one."""
        return Spread(value=estimate.value, interval=(estimate.low, estimate.high) if self.enough(busy) else None)

    def enough(self, busy: float) -> bool:
        """Whether the simulation is long enough at this utilisation."""
        return is_long_enough(busy, self.general(1.0).variation, self.draws.gaps.shape[1])

    def short(self, loads: Sequence[QueueLoad]) -> tuple[str, ...]:
        """Which loads the simulation is too short for."""
        rates = [load.rps for load in loads if load.stable and not self.enough(load.utilisation)]
        exact = "; M/G/1 is exact" if self.question.servers == 1 else ""
        told = "the simulation is too short for intervals, and tells too little of long waits"
        return (f"from {min(rates):.4g}/s on {told}{exact}",) if rates else ()

    def notes(self, service: Latency) -> tuple[str, ...]:
        """What a reader should hold against the figures."""
        said = []
        if service.ci95.get("p99") is None:
            said.append(f"p99 of the service rests on {len(self.nanoseconds)} samples: too few for an interval")
        if service.stationary is False:
            said.append("service times were not steady while they were taken; they are drawn as if they were")
        if self.question.servers > 1:
            said.append("each server is taken to be as fast as the one measured, however many are busy")
        return tuple(said)


def _by_formula(queue: GeneralQueue | MarkovQueue) -> Sojourns:
    p50, p95, p99 = (queue.sojourn_quantile(q) for q in _QUANTILES)
    found = {"mean": queue.mean_sojourn, "p50": p50, "p95": p95, "p99": p99}
    return Sojourns(**{name: Spread(value=value) for name, value in found.items() if value is not None})


def read_samples(path: Path, unit: str) -> tuple[int, ...]:
    """Service times of a file in nanoseconds: `samples.TARGET.npz` of a run, a JSON list, or one number per line.

    `unit` (s, ms, us, ns) is that of JSON and text. Raises UsageError for what cannot be read.
    """
    if not path.is_file():
        raise UsageError(f"there is no file {path}", where="--samples")
    if path.suffix == ".npz":
        return _of_a_run(path)
    if path.stat().st_size > MOST_BYTES:
        raise UsageError(f"{path} is larger than {MOST_BYTES >> 20} MB", where="--samples")
    numbers = _json_numbers(path) if path.suffix == ".json" else _lines(path)
    times = tuple(number * SECONDS[unit] * 1e9 for number in numbers)
    for number, time in zip(numbers, times, strict=True):
        if not 1 <= time <= MOST_SECONDS * 1e9:
            mend = f"a time is from 1 ns to {MOST_SECONDS:,.0f} s; is --unit right?"
            raise UsageError(f"{number:g} {unit} is not the time of a request", where=str(path), mend=mend)
    return tuple(map(round, times))


def _of_a_run(path: Path) -> tuple[int, ...]:
    streams = load_samples(path)
    if "infer" not in streams:
        raise UsageError(f"{path} has no stream `infer`", where="--samples")
    return streams["infer"].nanoseconds


def _json_numbers(path: Path) -> list[float]:
    try:
        read = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UsageError(f"not JSON: {error}", where=str(path)) from error
    if not isinstance(read, list):
        raise UsageError("must be a list of numbers", where=str(path))
    return [_number(value, f"{path}: item {place}") for place, value in enumerate(read, 1)]


def _lines(path: Path) -> list[float]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            "is not text", where=str(path), mend="give one number per line, a JSON list or an .npz"
        ) from error
    lines = [(place, line.strip()) for place, line in enumerate(text.splitlines(), 1)]
    return [_number(line, f"{path}:{place}") for place, line in lines if line and not line.startswith("#")]


def _number(value: object, where: str) -> float:
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not (0 < number < math.inf):
        raise UsageError(f"{str(value)[:40]!r} is not a time: a number above 0", where=where)
    return number
