"""What a run's records say in metrics: one function from a record, and one from the run as a whole, to samples of the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from driftgate.core.metrics import EXPECTED, VERDICT_CODES, Sample, merged, reason_label
from driftgate.core.records import (
    Agent,
    DriftPayload,
    ExplainPayload,
    ExportPayload,
    Findings,
    GraphBreak,
    InferPayload,
    Manifest,
    ModelIdentity,
    Severity,
    StageRecord,
    TensorDrift,
)
from driftgate.core.rules import RULES

WORST_TENSORS = 5
STATS = ("p50", "p90", "p95", "p99")
WITHOUT_MEMORY = frozenset({"pull", "inputs"})
"""Stages whose memory nobody asks about."""


def of_model(model: ModelIdentity) -> Sample:
    """The one series that says what a model is."""
    return Sample.of(
        "driftgate_model_info",
        1,
        ref=model.ref,
        family=model.family,
        task=model.task,
        modality=model.modality,
        architecture=model.architecture,
    )


def of_record(record: StageRecord, commit: str | None, *, expected: bool = False) -> Iterator[Sample]:
    """Everything of one cell; `commit` is the code's where the cell was computed, `expected` whether it was not meant to pass."""
    cell = {"stage": record.stage, "target": record.target, "variant": record.variant}
    yield Sample.of("driftgate_stage_passed", record.passed, **cell)
    if not record.passed:
        yield Sample.of(
            "driftgate_stage_verdict", VERDICT_CODES[EXPECTED if expected else record.verdict.value], **cell
        )
    yield Sample.of("driftgate_stage_duration_seconds", record.duration_s, **cell)
    if record.peak_rss_bytes is not None and record.stage not in WITHOUT_MEMORY:
        yield Sample.of("driftgate_peak_rss_bytes", record.peak_rss_bytes, **cell)
    if record.stage == "export":
        yield Sample.of("driftgate_export_passed", record.passed, variant=record.variant)
    match record.payload:
        case ExplainPayload():
            yield from _of_explain(record.payload, record.model, commit)
        case ExportPayload():
            yield from _of_export(record.payload, record.variant)
        case InferPayload():
            yield from _of_infer(record.payload, record.target, record.variant)
        case DriftPayload():
            yield from _of_drift(record.payload, record.target, record.variant)


def _of_explain(payload: ExplainPayload, model: ModelIdentity, commit: str | None) -> Iterator[Sample]:
    yield Sample.of("driftgate_graph_breaks", payload.break_count)
    yield Sample.of("driftgate_compile_seconds", payload.compile_s)
    if payload.fullgraph is not None:
        yield Sample.of("driftgate_fullgraph_passed", payload.fullgraph.passed)
    yield from merged(
        Sample.of(
            "compile_breaks_total",
            seen.count,
            commit=commit or "unknown",
            reason=reason_label(seen),
            family=model.family,
            modality=model.modality,
        )
        for seen in payload.breaks
    )


def _of_export(payload: ExportPayload, variant: str | None) -> Iterator[Sample]:
    tried: dict[str, bool] = {}
    for attempt in payload.attempts:
        tried[attempt.exporter] = tried.get(attempt.exporter, False) or attempt.verdict == "passed"
    for exporter, passed in tried.items():
        yield Sample.of("driftgate_export_attempt_passed", passed, exporter=exporter, variant=variant)


def _of_infer(payload: InferPayload, target: str | None, variant: str | None) -> Iterator[Sample]:
    where = {"target": target, "variant": variant}
    yield Sample.of("driftgate_first_answer_seconds", payload.init_s + payload.first_s, **where)
    if payload.latency is not None:
        for stat in STATS:
            yield Sample.of("driftgate_latency_seconds", getattr(payload.latency, stat), stat=stat, **where)
    if payload.throughput is not None:
        yield Sample.of("driftgate_throughput_samples_per_second", payload.throughput, **where)


def _of_drift(payload: DriftPayload, target: str | None, variant: str | None) -> Iterator[Sample]:
    where = {"target": target, "variant": variant}
    tensors = payload.tensors
    within = all(tensor.within_tolerance for tensor in tensors)
    yield Sample.of("driftgate_output_within_tolerance", within, **where)
    measured = sorted((t for t in tensors if t.max_abs is not None), key=_max_abs, reverse=True)
    if measured:
        yield Sample.of("driftgate_output_drift_max_abs", _max_abs(measured[0]), **where)
    errors = [tensor.mae for tensor in tensors if tensor.mae is not None]
    if errors:
        yield Sample.of("driftgate_output_drift_mae", max(errors), **where)
    agreements = [tensor.argmax_agreement for tensor in tensors if tensor.argmax_agreement is not None]
    if agreements:
        yield Sample.of("driftgate_output_agreement_ratio", min(agreements), **where)
    for tensor in measured[:WORST_TENSORS]:
        yield Sample.of("driftgate_tensor_drift_max_abs", _max_abs(tensor), tensor=tensor.name, **where)


def _max_abs(tensor: TensorDrift) -> float:
    return tensor.max_abs or 0.0


@dataclass
class RunTally:
    """Added up over a run's records for what is said of the run: cells by stage and verdict, and the page of each reason."""

    cells: Counter[tuple[str, str]] = field(default_factory=Counter)
    pages: dict[str, str | None] = field(default_factory=dict)

    def add(self, record: StageRecord) -> None:
        """Count one cell in."""
        self.cells[record.stage, record.verdict.value] += 1
        if isinstance(record.payload, ExplainPayload):
            for seen in record.payload.breaks:
                self._page(seen)

    def _page(self, seen: GraphBreak) -> None:
        reason = reason_label(seen)
        self.pages[reason] = self.pages.get(reason) or seen.url


def of_run(
    manifest: Manifest, findings: Findings, agents: Iterable[Agent], tally: RunTally, last_good: datetime | None
) -> Iterator[Sample]:
    """What is of the whole run; `last_good` is when the newest run of its fleet began that the gate passed, None if none ever was."""
    yield from _of_findings(findings)
    for (stage, verdict), count in sorted(tally.cells.items()):
        yield Sample.of("driftgate_cells", count, stage=stage, verdict=verdict)
    for reason, url in sorted(tally.pages.items()):
        yield Sample.of("driftgate_break_info", 1, reason=reason, url=url)
    yield _info(manifest, findings, tuple(agents))
    yield Sample.of("driftgate_run_passed", findings.verdict == "passed")
    if manifest.ended_at is not None:
        seconds = (manifest.ended_at - manifest.started_at).total_seconds()
        yield Sample.of("driftgate_run_duration_seconds", seconds)
    if manifest.config.get("cycle"):
        yield Sample.of("driftgate_cycle_seconds", manifest.config["cycle"])
    yield Sample.of("driftgate_last_run_timestamp_seconds", manifest.started_at.timestamp())
    if last_good is not None:
        yield Sample.of("driftgate_last_good_run_timestamp_seconds", last_good.timestamp())


def _of_findings(findings: Findings) -> Iterator[Sample]:
    """Every rule in every severity, so that nothing found is not mistaken for nothing known."""
    counts = Counter((one.rule, one.severity.value) for one in findings.findings)
    rules = sorted({*RULES.names(), *(rule for rule, _ in counts)})
    for rule in rules:
        for severity in Severity:
            yield Sample.of("driftgate_findings", counts[rule, severity.value], rule=rule, severity=severity.value)


def _info(manifest: Manifest, findings: Findings, agents: tuple[Agent, ...]) -> Sample:
    commits = {agent.commit: None for agent in agents if agent.commit}
    versions = {agent.packages["torch"]: None for agent in agents if "torch" in agent.packages}
    return Sample.of(
        "driftgate_run_info",
        1,
        run_id=manifest.run_id,
        commit=", ".join(commits) or "unknown",
        verdict=findings.verdict,
        version=manifest.driftgate,
        torch=", ".join(versions) or None,
        baseline=findings.baseline,
    )
