"""The explain payload: every graph break of a model, counted from torch's structured trace."""

from __future__ import annotations

from typing import Literal

from driftgate.core.records.base import Message, Record


class GraphBreak(Record):
    """One place where dynamo cuts a frame; `count` events at this place.

    `gb_id` (`GB0059`) and `gb_type` come from torch's registry; `file` is the path as the traceback says it, shortened to the part
    below site-packages. `module` is the path of the submodule that was at work (`encoder.layer.1.attention`; `""` for the model
    itself; `encoder.layer.*.attention` where several break at this place), None where that can't be known or they are not alike;
    `modules` are all of them, at most twenty. `fingerprint` (id, function, code) survives moved lines and other paths; `site`
    (id, function) other code as well.
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
    site: str | None = None
    module: str | None = None
    modules: tuple[str, ...] = ()


class SkippedFrame(Record):
    """A function that dynamo gave up: all of it runs in eager. `reason` is the first line of why."""

    function: str
    file: str | None = None
    line: int | None = None
    reason: Message


class Recompile(Record):
    """One more compilation of a function that had been compiled: `guards` are those that failed, newest compilation first."""

    function: str
    file: str | None = None
    line: int | None = None
    guards: tuple[Message, ...] = ()


class CompilePhases(Record):
    """Where the seconds of compilation went; they add up to `compile_s`.

    `tracing_s`: symbolic execution in dynamo; `restarted_s`: the part of it that dynamo threw away to begin anew; `backend_s`: the
    backend's compiler; `guards_s`: building guards; `other_s`: the rest (bytecode, garbage collection, the trace itself).
    """

    tracing_s: float
    restarted_s: float
    backend_s: float
    guards_s: float
    other_s: float


class Discrepancy(Record):
    """Why a count of torch's is not the number of break events: `events` more (or fewer) than there are, and for what reason.

    `counters` is `torch._dynamo.utils.counters["graph_break"]`, `explain` what `torch._dynamo.explain` says.
    """

    beside: Literal["counters", "explain"]
    events: int
    reason: str


class Fullgraph(Record):
    """Whether `torch.compile(fullgraph=True)` accepts the model.

    It switches on the options named in `defaults`, which plain compilation leaves off, so it may pass where explain reports breaks.
    `breaks_with_defaults` is then how many break events a plain compilation has with the same options (None where it wasn't asked),
    and `note` says so in a sentence. `gb_id` is the id of the first obstacle.
    """

    passed: bool
    reason: Message | None = None
    seconds: float
    gb_id: str | None = None
    defaults: tuple[str, ...] = ()
    breaks_with_defaults: int | None = None
    note: str | None = None


class SecondShape(Record):
    """What a second input size did to the compiled model: `recompiles` functions compiled again, why (`recompiled`), `breaks` break
    events while at it, of which `found` are those at places that the first size did not show."""

    recompiles: int
    breaks: int
    seconds: float
    recompiled: tuple[Recompile, ...] = ()
    found: tuple[GraphBreak, ...] = ()
    cache_limit_hits: int | None = None


class ExplainPayload(Record):
    """`break_count` is the number of break events in the trace (one per frame that is cut), `unique_break_count`
    the places in code, `frames_skipped` the functions that dynamo gave up; `explain_break_count` is what
    `torch._dynamo.explain` says, kept beside the truth, and `reconciliation` why that and dynamo's counter differ from it. Each
    break is listed once with its count."""

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
    reconciliation: tuple[Discrepancy, ...] | None = None
    skipped: tuple[SkippedFrame, ...] = ()
    recompiled: tuple[Recompile, ...] = ()
    cache_limit_hits: int | None = None
    guard_count: int | None = None
    phases: CompilePhases | None = None
    seconds: float | None = None
