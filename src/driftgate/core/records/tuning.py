"""What is asked about speed at a desk: a sweep over sizes, the operators of one step, a queue in front of the model.

Times in seconds, memory in bytes, rates per second.
"""

from __future__ import annotations

from driftgate.core.records.base import SCHEMA_VERSION, Message, Record
from driftgate.core.records.infer import Latency


class SweepRow(Record):
    """One target at one size. `throughput` is in elements of the batch per second; `max_abs` the largest difference from the reference at
    this size (None: not compared). A row without `latency` says in `kind` and `message` why. `knee` is the smallest batch
    that reaches 90 % of the best throughput at the same size, `best` the row with the highest throughput of the target."""

    target: str
    variant: str
    sizes: dict[str, int]
    latency: Latency | None = None
    throughput: float | None = None
    tail_ratio: float | None = None
    peak_rss: int | None = None
    max_abs: float | None = None
    within_tolerance: bool | None = None
    kind: str | None = None
    message: Message | None = None
    best: bool = False
    knee: bool = False


class Sweep(Record):
    """A model at several sizes. `folder` is the run with every record; `reference` is None where nothing was compared."""

    schema_version: int = SCHEMA_VERSION
    ref: str
    folder: str
    reference: str | None = None
    rows: tuple[SweepRow, ...]


class OperatorTime(Record):
    """One operator at one place: how often a step calls it, the seconds of a step that it takes, and which share that is.

    `node` is the exported node (ONNX), `fused` what the runtime made of it where that has another name, `module` the path of the module
    in the model; None where the runtime does not tell.
    """

    operator: str
    calls: float
    seconds: float
    share: float
    node: str | None = None
    fused: str | None = None
    module: str | None = None


class ProfilePayload(Record):
    """One step, operator by operator: `operators` and `outside_s` (what no operator accounts for: Python, dispatch, scheduling) add up to
    `step_s`, the mean of `steps` profiled steps (the middle half of all by duration).

    `p50_s` is the step without a profiler, `profiled_p50_s` with one, taken in turn; `overhead` is their ratio less 1.
    """

    profiler: str
    device: str
    steps: int
    step_s: float
    p50_s: float
    profiled_p50_s: float
    overhead: float
    outside_s: float
    operators: tuple[OperatorTime, ...]
    notes: tuple[str, ...] = ()


class Spread(Record):
    """A figure of a queue, and its 95 % interval where it was simulated."""

    value: float
    interval: tuple[float, float] | None = None


class Sojourns(Record):
    """From a request's arrival to its answer. None: this method has no such figure."""

    mean: Spread | None = None
    p50: Spread | None = None
    p95: Spread | None = None
    p99: Spread | None = None


class QueueLoad(Record):
    """One load: what each method says of it. `stable` is False from a utilisation of 1 on: then the queue grows for ever."""

    rps: float
    utilisation: float
    stable: bool
    simulated: Sojourns | None = None
    general: Sojourns | None = None
    exponential: Sojourns | None = None


class LimitLoad(Record):
    """The highest load at which p99 stays within `limit`, by each method; None: at no load. `reason` says why not."""

    limit: float
    simulated: Spread | None = None
    general: Spread | None = None
    exponential: Spread | None = None
    reason: str | None = None


class QueueView(Record):
    """Requests in front of one target. `variation` is the squared coefficient of variation of the service times (0 constant, 1
    exponential); `capacity` what all servers complete when always busy."""

    schema_version: int = SCHEMA_VERSION
    source: str
    target: str | None = None
    samples: int
    servers: int
    service: Latency
    variation: float
    capacity: float
    loads: tuple[QueueLoad, ...]
    limit: LimitLoad | None = None
    notes: tuple[str, ...] = ()
