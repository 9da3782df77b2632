"""The state of the machine while times were taken. What cannot be read is None, and `unknown` says why."""

from __future__ import annotations

from driftgate.core.records.base import Record


class Conditions(Record):
    """Of the steady part: from the first sample to the last.

    `cores_allowed` is how many processors the process may use, `threads` how many the runtime was told to, `own_cores` how many it
    kept busy on average, `foreign_cores` how many everybody else did (Driftgate's own parent and guardian included). `steal` is the
    share of the machine's time that a hypervisor gave to others. `load_*` is the one-minute load average. `throttle_events` counts
    what the processor's temperature slowed down, `quota_throttled_s` how long a control group held the process back,
    `preemptions` how often the kernel took the processor away. `gpu_processes` are the other processes on the target's GPU.
    """

    cpu: str
    cores_allowed: int
    threads: int | None = None
    governor: str | None = None
    turbo: bool | None = None
    load_before: float | None = None
    load_after: float | None = None
    throttle_events: int | None = None
    quota_throttled_s: float | None = None
    own_cores: float | None = None
    foreign_cores: float | None = None
    steal: float | None = None
    preemptions: int | None = None
    gpu_processes: tuple[int, ...] | None = None
    steady_s: float | None = None
    unknown: dict[str, str] = {}


class Memory(Record):
    """Bytes. `worker_peak_rss` is the worker's largest resident size until its times were taken, model loading included;
    `step_peak_rss` the largest from the start of the session to the last sample; `device_peak` what the target's device held."""

    worker_peak_rss: int | None = None
    step_peak_rss: int | None = None
    device_peak: int | None = None
    unknown: dict[str, str] = {}


class Energy(Record):
    """Joules over the steady part, idle power and everybody else's share of the package included: no counter tells them apart.

    `per_run` is for one inference, `per_sample` for one element of the batch. `source` names the counters.
    """

    joules: float | None = None
    per_run: float | None = None
    per_sample: float | None = None
    source: str | None = None
    unknown: str | None = None
