"""`driftgate sweep`: latency, throughput and memory over batches and sizes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftgate.cli.desk import Subject, of_a_model, open_desk
from driftgate.core.errors import ExitCode, UsageError
from driftgate.core.records import Sweep, SweepRow
from driftgate.core.sizes import lengths, parse_size
from driftgate.core.text import human_bytes, human_seconds

if TYPE_CHECKING:
    from driftgate.cli.columns import Line
    from driftgate.cli.desk import Desk
    from driftgate.core.sizes import Sizes

BAR = 8
SENTENCE = 300
_HEADER = ("size", "p50", "±95 %", "p99", "tail", "per s", "peak")
_READING = """\
±95 %: half the interval of p50 (~: times were not steady); tail: p99 ÷ p50;
per s: elements of the batch; peak: memory of the worker; knee: the smallest
batch with 90 % of the best throughput at that size."""


@click.command()
@of_a_model
@click.option("--batch", metavar="N,…", help="Batches, like 1,2,4.")
@click.option("--size", "size_texts", metavar="[AXIS=]N,…", multiple=True, help="Like sequence=16,64; may be repeated.")
@click.option("--drift", is_flag=True, help="Compare with the reference at each size.")
def sweep(subject: Subject, form: str, batch: str | None, size_texts: tuple[str, ...], drift: bool) -> int:
    """Measure a model at several batches and sizes: p50 with its 95 % interval, p99, throughput, memory.

    Each size has inputs of its own and, for targets that read ONNX, an export of its own. Ends with 1 if a target runs at no size.
    """
    if batch is None and not size_texts:
        raise UsageError("there is nothing to sweep over", mend="give --batch 1,2,4, or --size sequence=16,64, or both")
    batches = lengths(batch, where="--batch") if batch is not None else ()
    sizes = [parse_size(text) for text in size_texts]
    desk = open_desk(subject, "sweep")
    made = _measured(desk, _combinations(desk, batches, sizes), drift=drift)
    _show(made, form)
    return ExitCode.FINE if _each_target_ran(made) else ExitCode.REGRESSIONS


def _combinations(
    desk: Desk, batches: tuple[int, ...], sizes: list[tuple[str | None, tuple[int, ...]]]
) -> tuple[Sizes, ...]:
    """What to run, after a look at which axes the model's inputs have."""
    from driftgate.core.records import Cell, InputsPayload
    from driftgate.core.sizes import combinations
    from driftgate.diagnose.sweep import given_file, resizable_axes

    needed = [Cell(model=desk.entry.slug, stage=stage) for stage in ("pull", "inputs")]
    desk.conduct(needed)
    record = desk.records(needed)[-1]
    if not isinstance(record.payload, InputsPayload):
        why = record.failure.message if record.failure else "no payload"
        raise UsageError(f"{desk.entry.ref} has no inputs: {why}", mend="see `driftgate inputs`")
    return combinations(batches, sizes, resizable_axes(record.payload, given_file(Path("inputs"), desk.entry.slug)))


def _measured(desk: Desk, sizes: tuple[Sizes, ...], *, drift: bool) -> Sweep:
    from driftgate.core.records import Lock
    from driftgate.diagnose.sweep import cells_of_sizes, rows_of, sized_entries, write_sized_inputs

    reference = desk.settings.reference if drift else None
    folder = desk.store.root / "inputs"
    write_sized_inputs(folder, Path("inputs"), desk.entry.slug, sizes)
    desk.store.write_lock(Lock(models=(desk.entry, *sized_entries(desk.entry, sizes))))
    desk.conduct(cells_of_sizes(sizes, desk.targets, reference), folder)
    rows = rows_of(desk.store, sizes, desk.targets)
    _drop_exports(desk, sizes)
    return Sweep(ref=desk.entry.ref, folder=str(desk.store.root), reference=reference, rows=rows)


def _drop_exports(desk: Desk, sizes: tuple[Sizes, ...]) -> None:
    """An export per size would soon fill a disk; the cache of cells keeps what it has room for."""
    from driftgate.core.sizes import variant_of
    from driftgate.machine.retention import drop_files
    from driftgate.steps.tidy import onnx_files

    if desk.settings.keep.onnx != "always":
        for size in sizes:
            drop_files(onnx_files(desk.store.model_folder(variant_of(size))))


def _each_target_ran(made: Sweep) -> bool:
    return {row.target for row in made.rows} == {row.target for row in made.rows if row.latency is not None}


def _show(made: Sweep, form: str) -> None:
    from driftgate.cli.columns import Section, print_sections

    if form == "json":
        click.echo(json.dumps(made.to_dict(), indent=1))
        return
    most = 0.0 if made.reference else max((row.throughput or 0.0 for row in made.rows), default=0.0)
    header = (*_HEADER, *(["drift"] if made.reference else []), "")
    sections = [
        Section(target, tuple(_line(row, made, most) for row in made.rows if row.target == target))
        for target in dict.fromkeys(row.target for row in made.rows)
    ]
    print_sections(header, sections, column="target", markdown=form == "markdown")
    if form == "table":
        click.echo(_READING)
    click.echo(f"files: {made.folder}", err=True)


def _line(row: SweepRow, made: Sweep, most: float) -> Line:
    from driftgate.cli.columns import Line

    if row.latency is None:
        said = " ".join((row.message or "").split())
        return Line(row.variant, sentence=f"{row.kind}: {said[:SENTENCE]}{'…' if len(said) > SENTENCE else ''}")
    times = row.latency
    drift = (_drift(row, made),) if made.reference else ()
    cells = (
        human_seconds(times.p50),
        _precision(row),
        human_seconds(times.p99),
        f"{row.tail_ratio:.2f}×" if row.tail_ratio is not None else "–",
        _rate(row.throughput),
        human_bytes(row.peak_rss),
        *drift,
        _note(row, most),
    )
    return Line(row.variant, cells)


def _precision(row: SweepRow) -> str:
    """Half the 95 % interval of p50, the longer side, relative to it."""
    latency = row.latency
    interval = latency.ci95.get("p50") if latency is not None else None
    if latency is None or interval is None or not latency.p50:
        return "–"
    unsteady = "~" if latency.stationary is False else ""
    return f"{max(interval[1] - latency.p50, latency.p50 - interval[0]) / latency.p50:.1%}{unsteady}"


def _drift(row: SweepRow, made: Sweep) -> str:
    if row.target == made.reference:
        return "ref"
    return "–" if row.max_abs is None else f"{row.max_abs:.1e}{'' if row.within_tolerance else ' !'}"


def _rate(throughput: float | None) -> str:
    if throughput is None:
        return "–"
    return f"{throughput:,.0f}" if throughput >= 100 else f"{throughput:.3g}"


def _note(row: SweepRow, most: float) -> str:
    """A bar as long as the throughput, where there is room (`most` is not 0), and what there is to point out."""
    bar = "▇" * max(round(BAR * (row.throughput or 0.0) / most), 1) if most else ""
    return " ".join([bar, *(word for word, holds in (("best", row.best), ("knee", row.knee)) if holds)]).strip()
