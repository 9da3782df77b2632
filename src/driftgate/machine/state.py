"""The state of the machine while times are taken: read once before the first sample and once after the last, nothing in between.

    watch = MachineWatch(threads=1)
    with watch:          # collect(…, steady=watch)
        …
    watch.conditions()

Every reader takes the root of a file system, so that a tree of made-up files will do. What is not there, or not for us to read, is None
with the reason beside it: a container shows some of it, a virtual machine less.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar

from driftgate.core.records import Conditions
from driftgate.machine.provenance import cores_allowed, cpu_model

ROOT = Path("/")
LEAST_SECONDS = 0.1
"""The kernel counts processor time in hundredths of a second: shares of less than this would be noise."""
_TICKS = os.sysconf("SC_CLK_TCK")
_BUSY, _STEAL = (0, 1, 2, 5, 6), 7  # user, nice, system, irq, softirq; guest time is in user already

T = TypeVar("T")
GpuProcesses = Callable[[], tuple[int, ...]]
Seconds = Callable[[], float]


class NotReadableError(Exception):
    """Why a value is None, in a few words."""


@dataclass(frozen=True)
class _Reading:
    """Counters at one moment; None where they cannot be read."""

    at: float
    own_s: float
    cpu_s: tuple[float, float, float] | None
    throttled: int | None
    quota_s: float | None
    preempted: int


def family_seconds() -> float:
    """Processor seconds of this process, its threads, and its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def process_seconds(pid: int, root: Path = ROOT) -> float:
    """Processor seconds of another process so far; 0 if it has gone."""
    try:
        fields = read_text(root / f"proc/{pid}/stat").rpartition(")")[2].split()
    except NotReadableError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


@dataclass
class MachineWatch:
    """A context manager around what is measured. `threads` is what the runtime was told to use; `gpu_processes` lists the processes on
    the target's GPU (None: the target has none); `own_seconds` tells the processor time of whatever is measured."""

    threads: int | None = None
    gpu_processes: GpuProcesses | None = None
    root: Path = ROOT
    own_seconds: Seconds = family_seconds
    _unknown: dict[str, str] = field(default_factory=dict)
    _load_before: float | None = None
    _load_after: float | None = None
    _gpu: tuple[int, ...] | None = None
    _before: _Reading | None = None
    _after: _Reading | None = None

    def __enter__(self) -> Self:
        self._unknown.clear()
        self._load_before = self._ask("load_before", lambda: load_average(self.root))
        self._before = self._read()
        return self

    def __exit__(self, *raised: object) -> None:
        self._after = self._read()
        self._load_after = self._ask("load_after", lambda: load_average(self.root))
        self._gpu = self._ask("gpu_processes", self._foreign_gpu_processes)

    def conditions(self) -> Conditions:
        """What was found. Raises ValueError if nothing was watched."""
        if self._before is None or self._after is None:
            raise ValueError("nothing was watched yet")
        shares = self._ask("foreign_cores", lambda: _shares(self._before, self._after)) or (None, None, None)
        return Conditions(
            cpu=cpu_model(),
            cores_allowed=cores_allowed(),
            threads=self.threads,
            governor=self._ask("governor", lambda: governor(self.root)),
            turbo=self._ask("turbo", lambda: turbo(self.root)),
            load_before=self._load_before,
            load_after=self._load_after,
            throttle_events=_grown(self._before.throttled, self._after.throttled),
            quota_throttled_s=_grown(self._before.quota_s, self._after.quota_s),
            own_cores=shares[0],
            foreign_cores=shares[1],
            steal=shares[2],
            preemptions=self._after.preempted - self._before.preempted,
            gpu_processes=self._gpu,
            steady_s=self._after.at - self._before.at,
            unknown=dict(self._unknown),
        )

    def _read(self) -> _Reading:
        return _Reading(
            at=time.perf_counter(),
            own_s=self.own_seconds(),
            cpu_s=self._ask("foreign_cores", lambda: cpu_seconds(self.root)),
            throttled=self._ask("throttle_events", lambda: throttle_count(self.root)),
            quota_s=self._ask("quota_throttled_s", lambda: quota_throttled_seconds(self.root)),
            preempted=resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw,
        )

    def _ask(self, name: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except NotReadableError as reason:
            self._unknown[name] = str(reason)
            return None

    def _foreign_gpu_processes(self) -> tuple[int, ...]:
        if self.gpu_processes is None:
            raise NotReadableError("the target has no GPU")
        return tuple(pid for pid in self.gpu_processes() if pid != os.getpid())


def governor(root: Path = ROOT) -> str:
    """The frequency governor of the processors that this process may use, `powersave, performance` if they differ."""
    paths = [_cpu(root, number) / "cpufreq/scaling_governor" for number in sorted(os.sched_getaffinity(0))]
    return ", ".join(sorted({read_text(path) for path in paths}))


def turbo(root: Path = ROOT) -> bool:
    """Whether the processor may exceed its nominal clock (`intel_pstate/no_turbo`, else `cpufreq/boost`)."""
    folder = root / "sys/devices/system/cpu"
    if (folder / "intel_pstate/no_turbo").is_file():
        return read_number(folder / "intel_pstate/no_turbo") == 0
    return read_number(folder / "cpufreq/boost") == 1


def load_average(root: Path = ROOT) -> float:
    """Processes that ran or wanted to, averaged over the last minute."""
    return float(read_text(root / "proc/loadavg").split()[0])


def throttle_count(root: Path = ROOT) -> int:
    """How often heat slowed down a processor that this process may use, since the machine started."""
    names = ("core_throttle_count", "package_throttle_count")
    folders = [_cpu(root, number) / "thermal_throttle" for number in os.sched_getaffinity(0)]
    return sum(read_number(folder / name) for folder in folders for name in names)


def quota_throttled_seconds(root: Path = ROOT) -> float:
    """How long the control group's quota held its processes back, since it was made."""
    group = next(
        (line[3:] for line in read_text(root / "proc/self/cgroup").splitlines() if line.startswith("0::")), None
    )
    if group is None:
        raise NotReadableError("the process is in no control group of version 2")
    lines = read_text(root / "sys/fs/cgroup" / group.lstrip("/") / "cpu.stat").splitlines()
    counters = dict(line.split(maxsplit=1) for line in lines if line.count(" ") == 1)
    if "throttled_usec" not in counters:
        raise NotReadableError("the control group has no quota")
    return int(counters["throttled_usec"]) * 1e-6


def cpu_seconds(root: Path = ROOT) -> tuple[float, float, float]:
    """Processor seconds since the machine started, all processors together: busy, stolen by the hypervisor, and of all kinds."""
    fields = read_text(root / "proc/stat").split("\n", 1)[0].split()
    if fields[0] != "cpu" or len(fields) <= _STEAL + 1:
        raise NotReadableError("/proc/stat does not begin with the line of all processors")
    ticks = [int(number) for number in fields[1:9]]
    return sum(ticks[i] for i in _BUSY) / _TICKS, ticks[_STEAL] / _TICKS, sum(ticks) / _TICKS


def _shares(before: _Reading | None, after: _Reading | None) -> tuple[float, float, float] | None:
    """Cores that we kept busy, cores that others did, and the share of the machine that was stolen."""
    if before is None or after is None or before.cpu_s is None or after.cpu_s is None:
        return None  # why was said when it was read
    seconds = after.at - before.at
    if seconds < LEAST_SECONDS:
        raise NotReadableError(f"the steady part lasted {seconds * 1e3:.0f} ms; the kernel counts in 10 ms")
    busy, stolen, everything = (b - a for a, b in zip(before.cpu_s, after.cpu_s, strict=True))
    own = after.own_s - before.own_s
    return own / seconds, max(0.0, busy - own) / seconds, stolen / everything if everything else 0.0


N = TypeVar("N", int, float)


def _grown(before: N | None, after: N | None) -> N | None:
    return None if before is None or after is None else after - before


def _cpu(root: Path, number: int) -> Path:
    return root / f"sys/devices/system/cpu/cpu{number}"


def read_text(path: Path) -> str:
    """The content of a small file of the kernel. Raises NotReadableError."""
    try:
        return path.read_text("utf-8").strip()
    except FileNotFoundError:
        raise NotReadableError(f"{path} is not there") from None
    except OSError as error:
        raise NotReadableError(f"{path} is not readable: {error.strerror}") from None


def read_number(path: Path) -> int:
    """The whole number in a file of the kernel. Raises NotReadableError."""
    text = read_text(path)
    if not text.isdecimal():
        raise NotReadableError(f"{path} holds no number")
    return int(text)
