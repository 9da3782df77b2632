"""Records in the terminal: readable, JSON or Markdown. JSON stands alone on stdout."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

import click
from rich.console import Console
from rich.table import Table

from driftgate.core.errors import ExitCode
from driftgate.core.records import (
    Cell,
    DriftPayload,
    ExplainPayload,
    ExportPayload,
    InferPayload,
    InputsPayload,
    StageRecord,
)
from driftgate.core.text import human_bytes, human_seconds, plural
from driftgate.machine.store import RunStore


def print_records(store: RunStore, cells: Sequence[Cell], form: str) -> int:
    """The records of a desk call; 1 if one did not pass."""
    records = [record for cell in cells if (record := store.record(cell))]
    if form == "json":
        shown = [record.to_dict() for record in records]
        click.echo(json.dumps(shown[0] if len(shown) == 1 else shown, indent=1))
    else:
        for record in records:
            for line in describe(record):
                click.echo(line)
        click.echo(f"files: {store.model_folder(records[0].model.slug)}", err=True)
    return ExitCode.FINE if all(record.passed for record in records) else ExitCode.REGRESSIONS


def print_cells(store: RunStore, cells: Sequence[Cell], form: str) -> None:
    """The records of a stage on a run: one row each."""
    records = [record for cell in cells if (record := store.record(cell))]
    if form == "json":
        click.echo(json.dumps([record.to_dict() for record in records], indent=1))
        return
    if len(records) == 1 and form == "table":
        click.echo("\n".join(describe(records[0])))
        return
    rows = [(r.model.slug, r.cell.name, r.verdict.value, human_seconds(r.duration_s), _news(r)) for r in records]
    print_rows(("model", "cell", "verdict", "time", ""), rows, markdown=form == "markdown")


def print_rows(header: Sequence[str], rows: Iterable[Sequence[str]], *, markdown: bool = False) -> None:
    """A table of text."""
    if markdown:
        click.echo("| " + " | ".join(header) + " |")
        click.echo("|" + " --- |" * len(header))
        for row in rows:
            click.echo("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(markup=False, highlight=False).print(table)


def describe(record: StageRecord) -> Iterator[str]:
    """A record as a person reads it: the verdict first, then what there is to know."""
    cached = ", from the cache" if record.cached else f" in {human_seconds(record.duration_s)}"
    yield f"{record.verdict.value}: {record.cell.name} of {record.model.ref} ({record.model.architecture}){cached}"
    if record.failure is not None:
        yield f"  {record.failure.kind.value}: {record.failure.message}"
        if record.failure.hint:
            yield f"  hint: {record.failure.hint}"
    match record.payload:
        case ExplainPayload():
            yield from _explain(record.payload)
        case ExportPayload():
            yield from _export(record.payload)
        case InputsPayload():
            for tensor in record.payload.tensors:
                yield f"  {tensor.name}: {tensor.dtype} {list(tensor.shape)} {'×'.join(tensor.axes)}: {tensor.how}"
        case InferPayload():
            yield from _infer(record.payload)
        case DriftPayload():
            yield from _drift(record.payload)


def _explain(payload: ExplainPayload) -> Iterator[str]:
    yield (
        f"  {plural(payload.break_count, 'graph break')} at {plural(payload.unique_break_count, 'place')}, "
        f"{plural(payload.graph_count, 'graph')}, {plural(payload.op_count, 'op')}, "
        f"{plural(payload.frames_skipped, 'skipped frame')} (torch._dynamo.explain says {payload.explain_break_count})"
    )
    for number, broken in enumerate(payload.breaks, 1):
        yield f"  {number}. {broken.gb_id or 'no id'} {broken.gb_type}" + (
            f" ×{broken.count}" if broken.count > 1 else ""
        )
        yield f"     {broken.file}:{broken.line} in {broken.function}: {broken.code}"
        yield from (f"     hint: {hint}" for hint in broken.hints[:2])
        if broken.url:
            yield f"     {broken.url}"
    if payload.fullgraph is not None:
        yield f"  fullgraph: {'passes' if payload.fullgraph.passed else 'breaks'}"
    if payload.second_shape is not None:
        second = payload.second_shape
        yield f"  second shape: {plural(second.recompiles, 'recompile')}, {plural(second.breaks, 'break')}"


def _export(payload: ExportPayload) -> Iterator[str]:
    for attempt in payload.attempts:
        why = f": {attempt.failure.kind}: {attempt.failure.message.splitlines()[0]}" if attempt.failure else ""
        yield f"  {attempt.exporter}: {attempt.verdict} in {human_seconds(attempt.seconds)}{why}"
    if payload.file:
        most = sorted(payload.op_histogram.items(), key=lambda item: -item[1])[:6]
        ops = ", ".join(f"{count} {name}" for name, count in most)
        yield f"  {payload.file}: opset {payload.opset}, {payload.node_count} nodes ({ops}, …)"
        yield f"  weights {human_bytes(payload.weight_bytes)}, outputs {', '.join(payload.outputs)}"


def _infer(payload: InferPayload) -> Iterator[str]:
    yield f"  {payload.device}; start {human_seconds(payload.init_s)}, first run {human_seconds(payload.first_s)}"
    if payload.latency:
        times = payload.latency
        yield f"  p50 {human_seconds(times.p50)}, p95 {human_seconds(times.p95)}, p99 {human_seconds(times.p99)} ({times.samples} samples)"
    for out in payload.outputs:
        yield f"  {out.name}: {out.dtype} {list(out.shape)}" + (
            f", {out.nonfinite} not finite" if out.nonfinite else ""
        )


def _drift(payload: DriftPayload) -> Iterator[str]:
    for tensor in payload.tensors:
        mark = "ok " if tensor.within_tolerance else "OUT"
        yield f"  {mark} {tensor.name}: max-abs {_number(tensor.max_abs)}, MAE {_number(tensor.mae)}, cosine {_number(tensor.cosine)}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _news(record: StageRecord) -> str:
    if record.failure is not None:
        return f"{record.failure.kind.value}: {record.failure.message.splitlines()[0][:80]}"
    match record.payload:
        case ExplainPayload():
            return plural(record.payload.break_count, "break")
        case ExportPayload():
            return f"{record.payload.exporter}, {record.payload.node_count} nodes"
        case DriftPayload():
            worst = max((t.max_abs or 0.0 for t in record.payload.tensors), default=0.0)
            return f"max-abs {worst:.2g}"
        case InferPayload() if record.payload.latency:
            return f"p50 {human_seconds(record.payload.latency.p50)}"
    return ""
