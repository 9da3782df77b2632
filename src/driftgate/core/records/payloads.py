"""What each cell stage has to say: one payload per stage, all sizes in bytes and all times in seconds."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from driftgate.core.records.base import Message, Record
from driftgate.core.records.drift import DriftPayload
from driftgate.core.records.explain import ExplainPayload


class PullPayload(Record):
    """A model's files are here, complete and verified. `cache_key` is what a `python:` factory says of itself: without one
    nothing of that model is cached."""

    files: int
    bytes: int
    downloaded_bytes: int
    source: str
    cache_key: str | None = None


class InputTensor(Record):
    """One generated or given input: where it came from and what each axis means."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    how: str


class InputsPayload(Record):
    """The inputs of a model, at the first and (if the model's axes allow it) a second size."""

    tensors: tuple[InputTensor, ...]
    second_shapes: dict[str, tuple[int, ...]] = {}
    arguments: dict[str, Any] = {}
    seed: int
    override: str | None = None
    parameters: int | None = None
    notes: tuple[str, ...] = ()


class FailureSummary(Record):
    """A failure inside a payload: the record's own failure carries the traceback."""

    kind: str
    message: Message
    fingerprint: str
    hint: str | None = None


class ExportAttempt(Record):
    """One try of one exporter, in a process of its own. `dynamic` is None where that process died without an account."""

    exporter: str
    dynamic: bool | None
    verdict: str
    seconds: float
    failure: FailureSummary | None = None


class ExportPayload(Record):
    """An ONNX file, or the list of what was tried."""

    exporter: str | None = None
    attempts: tuple[ExportAttempt, ...] = ()
    opset: int | None = None
    node_count: int | None = None
    op_histogram: dict[str, int] = {}
    weight_bytes: int | None = None
    file: str | None = None
    sha256: str | None = None
    dynamic_axes: dict[str, tuple[str, ...]] = {}
    checker: str | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


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


PAYLOADS: MappingProxyType[str, type[Record]] = MappingProxyType(
    {
        "pull": PullPayload,
        "inputs": InputsPayload,
        "explain": ExplainPayload,
        "export": ExportPayload,
        "infer": InferPayload,
        "drift": DriftPayload,
    }
)
"""Stage → the class of its payload."""
