"""Energy over the steady part: RAPL's counters for a processor's packages, NVML's for a GPU.

A counter tells what a whole package or board used, idle power and everybody else's work included; on a machine that is quiet while
times are taken the difference between two models is theirs. Root alone may read RAPL by default (`chmod o+r …/energy_uj` mends it).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from driftgate.core.records import Energy
from driftgate.machine.state import ROOT, NotReadableError, read_number, read_text

LEAST_SECONDS = 0.1
"""RAPL's counters move once a millisecond, NVML's every 20 to 100 ms: less than this would be read too coarsely."""
POWERCAP = "sys/class/powercap"

Counters = Callable[[], dict[str, float]]
"""Name → joules since some moment."""


@dataclass
class EnergyMeter:
    """A context manager around what is measured. `counters` are read before and after; `wraps` says at how many joules each begins
    again from 0 (missing: never)."""

    counters: Counters
    wraps: Callable[[], dict[str, float]] = dict
    clock: Callable[[], float] = time.monotonic
    _before: dict[str, float] = field(default_factory=dict)
    _after: dict[str, float] = field(default_factory=dict)
    _seconds: float = 0.0
    _unknown: str | None = "nothing was measured"

    def __enter__(self) -> Self:
        self._before = self._read()
        self._seconds = -self.clock()
        return self

    def __exit__(self, *raised: object) -> None:
        self._seconds += self.clock()
        if self._unknown is None:
            self._after = self._read()

    def _read(self) -> dict[str, float]:
        self._unknown = None
        try:
            return self.counters()
        except NotReadableError as reason:
            self._unknown = str(reason)
            return {}

    def energy(self, runs: int, batch: int | None) -> Energy:
        """What `runs` inferences used."""
        if self._unknown is None and self._seconds < LEAST_SECONDS:
            self._unknown = (
                f"the steady part lasted {self._seconds * 1e3:.0f} ms; the counters need {LEAST_SECONDS * 1e3:.0f}"
            )
        if self._unknown is not None:
            return Energy(unknown=self._unknown)
        joules = sum(self._used(name) for name in self._before)
        per_run = joules / runs
        return Energy(
            joules=joules,
            per_run=per_run,
            per_sample=per_run / batch if batch else None,
            source=", ".join(self._before),
        )

    def _used(self, name: str) -> float:
        used = self._after[name] - self._before[name]
        return used if used >= 0 else used + self.wraps().get(name, 0.0)


def rapl(root: Path = ROOT) -> EnergyMeter:
    """A meter of all packages of the processor."""
    return EnergyMeter(lambda: rapl_joules(root), lambda: rapl_wraps(root))


def rapl_joules(root: Path = ROOT) -> dict[str, float]:
    """`rapl:package-0` → joules. Parts of a package (core, dram) are in its sum already, or on no counter of every machine."""
    return {f"rapl:{read_text(zone / 'name')}": read_number(zone / "energy_uj") * 1e-6 for zone in _packages(root)}


def rapl_wraps(root: Path = ROOT) -> dict[str, float]:
    """Where each counter begins again, in joules."""
    zones = _packages(root)
    return {f"rapl:{read_text(zone / 'name')}": read_number(zone / "max_energy_range_uj") * 1e-6 for zone in zones}


def _packages(root: Path) -> list[Path]:
    folder = root / POWERCAP
    zones = sorted(folder.glob("*-rapl:*")) if folder.is_dir() else []
    found = [zone for zone in zones if re.fullmatch(r"(intel|amd)-rapl:\d+", zone.name)]
    found = [zone for zone in found if read_text(zone / "name").startswith("package")]
    if not found:
        raise NotReadableError(f"there are no RAPL counters ({folder} has no package)")
    return found
