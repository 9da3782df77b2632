"""The explain payload: every graph break of a model, counted from torch's structured trace."""

from __future__ import annotations

from driftgate.core.records.base import Message, Record


class GraphBreak(Record):
    """One place where dynamo cuts a frame; `count` events at this place.

    `gb_id` (`GB0059`) and `gb_type` come from torch's registry; `file` is the path as the traceback says it,
    shortened to the part below site-packages; `fingerprint` survives moved lines and other paths.
    """

    gb_id: str | None
    gb_type: str
    reason: Message
    explanation: str | None = None
    hints: tuple[str, ...] = ()
    url: str | None = None
    file: str | None = None
    line: int | None = None
    function: str | None = None
    code: str | None = None
    count: int
    fingerprint: str


class Fullgraph(Record):
    """Whether `torch.compile(fullgraph=True)` accepts the model. It captures scalars by default, which plain explain
    does not, so it may pass where explain reports breaks."""

    passed: bool
    reason: Message | None = None
    seconds: float


class SecondShape(Record):
    """What a second input size did to the compiled model."""

    recompiles: int
    breaks: int
    seconds: float


class ExplainPayload(Record):
    """`break_count` is the number of break events in the trace (one per frame that is cut), `unique_break_count`
    the places in code, `frames_skipped` the functions that dynamo gave up; `explain_break_count` is what
    `torch._dynamo.explain` says, kept beside the truth. Each break is listed once with its count."""

    graph_count: int
    break_count: int
    unique_break_count: int
    frames_skipped: int
    explain_break_count: int | None
    breaks: tuple[GraphBreak, ...] = ()
    op_count: int
    ops_per_graph: tuple[int, ...] = ()
    recompiles: int = 0
    fullgraph: Fullgraph | None = None
    second_shape: SecondShape | None = None
    compile_s: float
    counter_break_count: int | None = None
