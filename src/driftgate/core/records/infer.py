"""The infer payload: what a target returned, and the times it took, in seconds."""

from __future__ import annotations

from driftgate.core.records.base import Record


class Latency(Record):
    """Percentiles of raw samples, in seconds. `ci95` maps a percentile to its 95 % interval, None where the
    samples are too few; `stopped_by` is precision, budget or iterations."""

    p50: float
    p90: float
    p95: float
    p99: float
    min: float
    max: float
    mean: float
    ci95: dict[str, tuple[float, float] | None]
    samples: int
    warmup: int
    stopped_by: str


class Output(Record):
    """One output tensor of one target."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    sha256: str
    nonfinite: int


class InferPayload(Record):
    """A model ran on a target. `placement` maps execution provider to node count; `self_max_abs` is how far a
    second run with the same inputs was from the first (None: only one run, or other shapes), `deterministic` whether the two
    agreed within tolerance (None: only one run)."""

    device: str
    placement: dict[str, int] = {}
    init_s: float
    first_s: float
    latency: Latency | None = None
    throughput: float | None = None
    batch: int | None = None
    components: dict[str, float] = {}
    outputs: tuple[Output, ...] = ()
    self_max_abs: float | None = None
    deterministic: bool | None = None
