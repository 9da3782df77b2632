"""The export payload: the ONNX file that one of the exporters made, and every try."""

from __future__ import annotations

from driftgate.core.records.base import Message, Record


class SourceLine(Record):
    """A line of the user's code. Paths below site-packages start there."""

    file: str
    line: int
    function: str
    code: str | None = None


class FailureSummary(Record):
    """A failure inside a payload: the record's own failure carries the traceback.

    Of a failed export also: `cause`, the name of the recognised cause; `signature`, which with the kind makes the fingerprint (how,
    says `core/export_causes.py`); `operator`, the one that could not be translated (`aten.bincount.default`); `module`, the path of
    the model's module that it sits in (`encoder.layers.0.self_attn`; empty for the model itself) with its class; `source`, the line of
    the model's code.
    """

    kind: str
    message: Message
    fingerprint: str
    hint: str | None = None
    cause: str | None = None
    signature: tuple[str, ...] = ()
    operator: str | None = None
    module: str | None = None
    module_class: str | None = None
    source: SourceLine | None = None


class ExportAttempt(Record):
    """One try of one exporter, in a process of its own. `dynamic` is None where that process died without an account."""

    exporter: str
    dynamic: bool | None
    verdict: str
    seconds: float
    failure: FailureSummary | None = None
    opset: int | None = None
    node_count: int | None = None


class ShapeInference(Record):
    """What strict shape inference of ONNX says of the file: of `values` in the graph (those of subgraphs left out), `known` have a
    shape afterwards, numbers or named dimensions. `message` where it failed."""

    passed: bool
    message: Message | None = None
    values: int = 0
    known: int = 0


class ExportPayload(Record):
    """An ONNX file, or the list of what was tried.

    `flops` counts a multiplication and an addition as two; it is None where a shape is unknown, and `flops_unknown` then names the
    nodes (`MatMul: node_3`), as it names operators that no formula is known for (`com.acme::Twist`; those count nothing).
    `unused_inputs` are the model's inputs that the graph does not read, `renamed_inputs` and `renamed_outputs` what the exporter
    called them → the model's own names, `output_names` the model's names → the graph's, where these differ (an output named as an input
    is; an ONNX name is unique), `constant_outputs` those that no input reaches, `dropped_outputs` what the model
    returns that is no tensor. `warnings` is what the exporter warned of (TorchScript freezes branches on data in this way). `pt2` is
    the `torch.export` artifact, kept on request, `pt2_problem` why there is none all the same.
    """

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
    shape_inference: ShapeInference | None = None
    flops: int | None = None
    flops_by_op: dict[str, int] = {}
    flops_unknown: tuple[str, ...] = ()
    external_data: bool | None = None
    external_bytes: int | None = None
    unused_inputs: tuple[str, ...] = ()
    renamed_inputs: dict[str, str] = {}
    renamed_outputs: dict[str, str] = {}
    output_names: dict[str, str] = {}
    constant_outputs: tuple[str, ...] = ()
    dropped_outputs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    pt2: str | None = None
    pt2_problem: Message | None = None
