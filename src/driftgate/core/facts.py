"""What a later night wants to know of a cell: the few facts of a record that the history keeps and the gate compares."""

from __future__ import annotations

from driftgate.core.records import (
    Cell,
    DriftPayload,
    ExplainPayload,
    ExportPayload,
    GraphBreak,
    InferPayload,
    Record,
    StageRecord,
)
from driftgate.core.verdicts import FailureKind, Verdict


class CellFacts(Record):
    """One cell of one run, without its bulk. Times in seconds, sizes in bytes; None where the stage tells no such thing.

    `breaks` are those of both input sizes (`break_count` counts the first alone), without torch's explanations; `launches` are the
    p50 of each process launch, `max_abs` is the largest drift of any tensor, `deterministic` tells whether the reference agrees
    with itself.
    """

    model: str
    stage: str
    target: str | None = None
    variant: str | None = None
    family: str | None = None
    verdict: Verdict
    kind: FailureKind | None = None
    fingerprint: str | None = None
    message: str | None = None
    flaky: bool = False
    cached: bool = False
    duration_s: float
    peak_rss_bytes: int | None = None
    breaks: tuple[GraphBreak, ...] = ()
    break_count: int | None = None
    frames_skipped: int | None = None
    recompiles: int | None = None
    fullgraph: bool | None = None
    compile_s: float | None = None
    exporter: str | None = None
    node_count: int | None = None
    op_histogram: dict[str, int] = {}
    weight_bytes: int | None = None
    max_abs: float | None = None
    deterministic: bool | None = None
    placement: dict[str, int] = {}
    launches: tuple[float, ...] = ()
    p90: float | None = None
    p99: float | None = None
    samples: int | None = None

    @property
    def cell(self) -> Cell:
        """The cell that these facts are about."""
        return Cell(model=self.model, stage=self.stage, target=self.target, variant=self.variant)

    @property
    def passed(self) -> bool:
        """Whether the stage did its job."""
        return self.verdict is Verdict.PASSED


def facts_of(record: StageRecord) -> CellFacts:
    """The facts of a record."""
    failure = record.failure
    return CellFacts(
        model=record.model.slug,
        stage=record.stage,
        target=record.target,
        variant=record.variant,
        family=record.model.family,
        verdict=record.verdict,
        kind=failure.kind if failure else None,
        fingerprint=failure.fingerprint if failure else None,
        message=failure.message.strip().splitlines()[0][:300] if failure and failure.message.strip() else None,
        flaky=record.flaky,
        cached=record.cached,
        duration_s=record.duration_s,
        peak_rss_bytes=record.peak_rss_bytes,
        **_of_payload(record.payload),
    )


def _of_payload(payload: Record | None) -> dict[str, object]:
    match payload:
        case ExplainPayload():
            at_second = payload.second_shape.found if payload.second_shape else ()
            return {
                "breaks": tuple(_break(one) for one in (*payload.breaks, *at_second)),
                "break_count": payload.break_count,
                "frames_skipped": payload.frames_skipped,
                "recompiles": payload.recompiles,
                "fullgraph": payload.fullgraph.passed if payload.fullgraph else None,
                "compile_s": payload.compile_s,
            }
        case ExportPayload():
            return payload.model_dump(include={"exporter", "node_count", "op_histogram", "weight_bytes"})
        case InferPayload():
            return {"placement": payload.placement, "deterministic": payload.deterministic, **_of_latency(payload)}
        case DriftPayload():
            known = [tensor.max_abs for tensor in payload.tensors if tensor.max_abs is not None]
            return {"max_abs": max(known, default=None)}
    return {}


def _of_latency(payload: InferPayload) -> dict[str, object]:
    latency = payload.latency
    if latency is None:
        return {}
    return {"launches": (latency.p50,), "p90": latency.p90, "p99": latency.p99, "samples": latency.samples}


def _break(one: GraphBreak) -> GraphBreak:
    """Without the words that torch's registry gives for every break of this kind."""
    return one.model_copy(update={"explanation": None, "hints": ()})
