"""The infer payload: what a target returned, and the times it took, in seconds."""

from __future__ import annotations

from driftgate.core.records.base import Record
from driftgate.core.records.conditions import Conditions, Energy, Memory


class StreamTest(Record):
    """One test of whether a stream of samples stayed the same: `trend`, `level shift` or `neighbours`.

    `effect` is by how much p50 moved, relative to it, or the correlation of neighbours; `at` the sample after which a level
    shifted. `flagged` needs a small p-value and an effect that matters.
    """

    name: str
    p_value: float
    effect: float
    at: int | None = None
    flagged: bool


class Latency(Record):
    """Percentiles of raw samples, in seconds. `ci95` maps a percentile to its 95 % interval, None where the
    samples are too few (`ci95_notes` says why); `stopped_by` is precision, budget or iterations.

    `tail_ratio` is p99 ÷ p50. `effective_samples` is how many independent samples would know p50 as well. `stationary` is None
    where there are too few samples to tell. `warmup_ended_by` is steady, ceiling or budget; `discarded` runs were neither.
    """

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
    ci95_notes: dict[str, str] = {}
    tail_ratio: float | None = None
    effective_samples: int | None = None
    stationary: bool | None = None
    stream_tests: tuple[StreamTest, ...] = ()
    warmup_ended_by: str | None = None
    discarded: int = 0


class Output(Record):
    """One output tensor of one target. `nan` of its `nonfinite` elements are NaN; `self_max_abs` is how far a second run was from it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    sha256: str
    nonfinite: int
    nan: int | None = None
    self_max_abs: float | None = None


class InferPayload(Record):
    """A model ran on a target. `placement` maps execution provider to node count; `self_max_abs` is how far a
    second run with the same inputs was from the first (None: only one run, or other shapes), `deterministic` whether the two
    agreed within tolerance (None: only one run). `float64_failure` is why the reference could not run in float64 where it should.

    `components` are the p50 of `pre`, `infer` and `post`; `component_times` all there is to know of pre and post, and
    `component_notes` what they were, or why there is none. `conditions` is the state of the machine while times were taken;
    `samples_file` holds the raw samples.
    """

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
    float64_failure: str | None = None
    component_times: dict[str, Latency] = {}
    component_notes: dict[str, str] = {}
    conditions: Conditions | None = None
    memory: Memory | None = None
    energy: Energy | None = None
    samples_file: str | None = None
