"""M/G/1: Poisson arrivals, service times as measured, one server.

The mean wait is Pollaczek and Khinchine's λE[S²] / 2(1 − ρ). The whole distribution of the wait is a sum of a geometric number of
residual service times; its transform (1 − ρ) / (1 − ρ·r) is inverted here on a grid by FFT, r being the transform of the residual
service time. The grid reaches to where the tail, which decays exponentially (Lundberg), is below 1e-10.

For several servers the mean wait is that of M/M/c times (1 + cv²)/2 (Allen and Cunneen): an approximation, and no quantiles.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from driftgate.core.queueing.markov import MarkovQueue

GRID = 1 << 16
TAIL = 1e-10

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GeneralQueue:
    """`rate` requests per second arrive; `service` are measured times in seconds, in any order."""

    rate: float
    service: Floats
    servers: int = 1

    @cached_property
    def mean_service(self) -> float:
        """E[S] in seconds."""
        return float(self.service.mean())

    @cached_property
    def variation(self) -> float:
        """The squared coefficient of variation of the service times: 0 for a constant, 1 for an exponential."""
        return float(self.service.var()) / self.mean_service**2

    @property
    def utilisation(self) -> float:
        """The part of the time that a server is busy."""
        return self.rate * self.mean_service / self.servers

    @property
    def mean_wait(self) -> float:
        """Seconds before service: exact for one server, Allen and Cunneen's approximation for several."""
        exponential = MarkovQueue(self.rate, 1 / self.mean_service, self.servers)
        return exponential.mean_wait * (1 + self.variation) / 2

    @property
    def mean_sojourn(self) -> float:
        """Seconds from arrival to answer, on average."""
        return self.mean_wait + self.mean_service

    def sojourn_quantile(self, q: float) -> float | None:
        """Seconds that the share `q` of all sojourns stays within; None for several servers, where no formula has it."""
        if self.servers > 1:
            return None
        below, step = self._distribution
        place = int(np.searchsorted(below, q))
        before = float(below[place - 1]) if place else 0.0
        return step * (place - 1 + (q - before) / (float(below[place]) - before)) if place else 0.0

    @cached_property
    def _distribution(self) -> tuple[Floats, float]:
        """P(sojourn ≤ k·step) for every k of the grid, and the step in seconds."""
        if self.utilisation >= 1:
            raise ValueError(f"{self.rate:g} requests per second are more than a server completes")
        step = (float(self.service.max()) - math.log(TAIL) / self._decay()) / GRID
        service = _on_grid(self.service, step)
        later = 1 - np.cumsum(service)  # P(S > k·step): what is left of a service that somebody walks in on
        residual = _halved(later * step / self.mean_service)
        transform = np.fft.rfft(residual)
        sojourn = np.fft.rfft(service) * (1 - self.utilisation) / (1 - self.utilisation * transform)
        return np.cumsum(np.fft.irfft(sojourn, GRID)), step

    def _decay(self) -> float:
        """The θ of P(wait > t) ~ exp(−θt): the positive root of λ(E[exp θS] − 1) = θ."""

        def excess(theta: float) -> float:
            return self.rate * (float(np.exp(theta * self.service).mean()) - 1) - theta

        low, high = 0.0, 700 / float(self.service.max())
        for _ in range(80):
            middle = (low + high) / 2
            low, high = (middle, high) if excess(middle) < 0 else (low, middle)
        return low


def _on_grid(times: Floats, step: float) -> Floats:
    """The probability of each grid point: each time's share is split between its neighbours, so that the mean stays."""
    position = times / step
    below = np.floor(position).astype(np.int64)
    above_share = position - below
    masses = np.bincount(below, 1 - above_share, GRID) + np.bincount(below + 1, above_share, GRID)
    return np.asarray(masses[:GRID] / len(times), dtype=np.float64)


def _halved(cells: Floats) -> Floats:
    """Mass that lies evenly in the cells between grid points, moved to the points at both their ends."""
    moved = cells / 2
    moved[1:] += cells[:-1] / 2
    return moved
