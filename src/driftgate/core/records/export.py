"""The export payload: the ONNX file that one of the exporters made, and every try."""

from __future__ import annotations

from driftgate.core.records.base import Message, Record


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
