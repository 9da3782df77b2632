"""M/M/c: Poisson arrivals, exponential service, c servers; everything in closed form (Kleinrock, Queueing Systems I, 3.5)."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class MarkovQueue:
    """`rate` requests per second arrive, each of `servers` completes `service_rate` per second when busy."""

    rate: float
    service_rate: float
    servers: int = 1

    @property
    def utilisation(self) -> float:
        """The part of the time that a server is busy; from 1 on the queue grows for ever."""
        return self.rate / (self.servers * self.service_rate)

    @property
    def wait_probability(self) -> float:
        """Erlang's C: the probability that all servers are busy. By the recursion of Erlang's B, which stays in 0…1."""
        offered = self.rate / self.service_rate
        blocked = 1.0
        for servers in range(1, self.servers + 1):
            blocked = offered * blocked / (servers + offered * blocked)
        return blocked / (1 - self.utilisation * (1 - blocked))

    @property
    def mean_wait(self) -> float:
        """Seconds before service, on average."""
        return self.wait_probability / self._surplus

    @property
    def mean_sojourn(self) -> float:
        """Seconds from arrival to answer, on average."""
        return self.mean_wait + 1 / self.service_rate

    @property
    def _surplus(self) -> float:
        """How much faster than the arrivals all servers are, per second."""
        surplus = self.servers * self.service_rate - self.rate
        if surplus <= 0:
            raise ValueError(f"{self.rate:g} requests per second are more than {self.servers} servers complete")
        return surplus

    def longer_than(self, seconds: float) -> float:
        """The probability that a sojourn takes longer than this."""
        mu, theta, waits = self.service_rate, self._surplus, self.wait_probability
        served = math.exp(-mu * seconds)
        if math.isclose(mu, theta, rel_tol=1e-9):
            return served * (1 + waits * mu * seconds)
        both = (theta * served - mu * math.exp(-theta * seconds)) / (theta - mu)
        return (1 - waits) * served + waits * both

    def sojourn_quantile(self, q: float) -> float:
        """Seconds that the share `q` of all sojourns stays within."""
        low, high = 0.0, self.mean_sojourn
        while self.longer_than(high) > 1 - q:
            high *= 2
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.longer_than(middle) > 1 - q else (low, middle)
        return (low + high) / 2
