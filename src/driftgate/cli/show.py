"""Records in the terminal: readable, JSON or Markdown. JSON stands alone on stdout."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

import click
from rich.console import Console
from rich.table import Table

from driftgate.cli.drift_words import is_empty, more_lines, tensor_line
from driftgate.core.errors import ExitCode, tame
from driftgate.core.latency_words import facts
from driftgate.core.records import (
    Cell,
    Culprit,
    DriftPayload,
    ExplainPayload,
    ExportPayload,
    FailureSummary,
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
            print_record(record)
        click.echo(f"files: {store.model_folder(records[0].model.slug)}", err=True)
    return ExitCode.FINE if all(record.passed for record in records) else ExitCode.REGRESSIONS


def print_cells(store: RunStore, cells: Sequence[Cell], form: str) -> None:
    """The records of a stage on a run: one row each."""
    records = [record for cell in cells if (record := store.record(cell))]
    if form == "json":
        click.echo(json.dumps([record.to_dict() for record in records], indent=1))
        return
    if len(records) == 1 and form == "table":
        print_record(records[0])
        return
    rows = [(r.model.slug, r.cell.name, r.verdict.value, human_seconds(r.duration_s), _news(r)) for r in records]
    print_rows(("model", "cell", "verdict", "time", ""), rows, markdown=form == "markdown")


def print_rows(header: Sequence[str], rows: Iterable[Sequence[str]], *, markdown: bool = False) -> None:
    """A table of text."""
    rows = [tuple(map(tame, row)) for row in rows]
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


def print_record(record: StageRecord) -> None:
    """A record as a person reads it: the verdict first, then what there is to know; graph breaks as a tree."""
    for line in describe(record):
        click.echo(tame(line))
    if isinstance(record.payload, ExplainPayload):
        from driftgate.desk.tree import COLUMNS, explain_tree

        console = Console(markup=False, highlight=False)
        title = f"{record.model.architecture} ({record.model.ref})"
        console.print(explain_tree(record.payload, title), width=min(COLUMNS, console.width))


def describe(record: StageRecord) -> Iterator[str]:
    """The record in lines."""
    cached = ", from the cache" if record.cached else f" in {human_seconds(record.duration_s)}"
    yield f"{record.verdict.value}: {record.cell.name} of {record.model.ref} ({record.model.architecture}){cached}"
    if record.failure is not None:
        yield f"  {record.failure.kind.value}: {record.failure.message}"
        if record.failure.hint:
            yield f"  hint: {record.failure.hint}"
    match record.payload:
        case ExportPayload():
            yield from _export(record.payload, record.failure.hint if record.failure else None)
        case InputsPayload():
            for tensor in record.payload.tensors:
                yield f"  {tensor.name}: {tensor.dtype} {list(tensor.shape)} {'×'.join(tensor.axes)}: {tensor.how}"
        case InferPayload():
            yield from _infer(record.payload)
        case DriftPayload():
            yield from drift_lines(record.payload)


def _export(payload: ExportPayload, told: str | None) -> Iterator[str]:
    for attempt in payload.attempts:
        why = f": {attempt.failure.kind}: {attempt.failure.message.splitlines()[0]}" if attempt.failure else ""
        yield f"  {attempt.exporter}: {attempt.verdict} in {human_seconds(attempt.seconds)}{why}"
        if attempt.failure:
            yield from _place(attempt.failure, told)
    if payload.file:
        most = sorted(payload.op_histogram.items(), key=lambda item: -item[1])[:6]
        ops = ", ".join(f"{count} {name}" for name, count in most)
        yield f"  {payload.file}: opset {payload.opset}, {payload.node_count} nodes ({ops}, …)"
        yield f"  weights {human_bytes(payload.weight_bytes)}, outputs {', '.join(payload.outputs)}"
        yield from _of_the_file(payload)


def _place(failure: FailureSummary, told: str | None) -> Iterator[str]:
    if failure.module is not None:
        yield f"    in {failure.module or 'the model itself'} ({failure.module_class})"
    if failure.source:
        yield f"    {failure.source.file}:{failure.source.line} in {failure.source.function}: {failure.source.code}"
    if failure.hint and failure.hint != told:
        yield f"    hint: {failure.hint}"


def _of_the_file(payload: ExportPayload) -> Iterator[str]:
    unknown = f", without {', '.join(payload.flops_unknown[:3])}" if payload.flops_unknown else ""
    yield f"  FLOPs {'not known' if payload.flops is None else f'{payload.flops:,}'}{unknown}"
    if payload.shape_inference and not payload.shape_inference.passed:
        yield f"  shape inference failed: {payload.shape_inference.message}"
    idle = {"inputs not read": payload.unused_inputs, "constant outputs": payload.constant_outputs}
    yield from (f"  {what}: {', '.join(names)}" for what, names in idle.items() if names)
    yield from (f"  warning: {warning}" for warning in payload.warnings)
    if payload.pt2 or payload.pt2_problem:
        yield f"  exported program: {payload.pt2 or payload.pt2_problem}"


def _infer(payload: InferPayload) -> Iterator[str]:
    yield f"  {payload.device}; start {human_seconds(payload.init_s)}, first run {human_seconds(payload.first_s)}"
    if payload.latency:
        times = payload.latency
        yield f"  p50 {human_seconds(times.p50)}, p95 {human_seconds(times.p95)}, p99 {human_seconds(times.p99)} ({times.samples} samples)"
        yield from (f"  {title}: {told}" for title, told in facts(payload).items())
    for out in payload.outputs:
        yield f"  {out.name}: {out.dtype} {list(out.shape)}" + (
            f", {out.nonfinite} not finite" if out.nonfinite else ""
        )


def drift_lines(payload: DriftPayload) -> Iterator[str]:
    """The tensors, and where the drift begins."""
    for tensor in payload.tensors:
        mark = "ok " if tensor.within_tolerance else "OUT"
        yield f"  {mark} {tensor.name}: max-abs {_number(tensor.max_abs)}, MAE {_number(tensor.mae)}, cosine {_number(tensor.cosine)}"
        yield from filter(None, [tensor_line(tensor)])
    yield from more_lines(payload)
    if payload.culprit is not None:
        yield from _culprit(payload.culprit)
    if payload.culprit_note:
        yield f"  note: {payload.culprit_note}"


def drift_rows(payload: DriftPayload) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows of the tensors, with the culprit's row where the drift begins."""
    header = ("tensor", "within", "max abs", "MAE", "cosine", "where it begins")
    place = payload.culprit
    told = f"{place.op_type} {place.node}" + (f", {place.source}" if place.source else "") if place else ""
    return header, [
        (
            tensor.name,
            ("nothing compared" if is_empty(tensor) else "yes") if tensor.within_tolerance else "no",
            _number(tensor.max_abs),
            _number(tensor.mae),
            _number(tensor.cosine),
            "" if tensor.within_tolerance else told,
        )
        for tensor in payload.tensors
    ]


def _culprit(culprit: Culprit) -> Iterator[str]:
    runs_as = f" (run as {culprit.runs_as})" if culprit.runs_as else ""
    yield f"  begins at {culprit.op_type} {culprit.node}{runs_as}"
    if culprit.covers:
        yield f"    covers {', '.join(culprit.covers[-8:])}" + (", …" if len(culprit.covers) > 8 else "")
    if culprit.module is not None:
        yield f"    in {culprit.module or 'the model itself'}" + (f", {culprit.source}" if culprit.source else "")
    if culprit.code:
        yield f"    {culprit.code}"
    if culprit.vanishes_when_tapped:
        yield "    vanishes when tapped: as soon as inner values are looked at, the runtime no longer fuses this node"
    else:
        limit = (
            f" (allowed {_number(culprit.tolerance.atol)} + {culprit.tolerance.rtol:g}·|value|)"
            if culprit.tolerance
            else ""
        )
        yield f"    its own error {_number(culprit.own_error)}{limit}, inherited {_number(culprit.inherited_error)}"
    if culprit.magnified:
        yield f"    within tolerance by itself, and magnified below until {culprit.magnified} is beyond its own"


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
