"""`driftgate queue`: what clients would wait at a given load."""

from __future__ import annotations

import json
import math
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftgate.cli import options
from driftgate.cli.desk import Subject, of_a_model, open_desk
from driftgate.core.errors import ExitCode, UsageError
from driftgate.core.records import Cell, InferPayload, QueueLoad, QueueView, Sojourns, Spread
from driftgate.core.text import human_seconds, plural

if TYPE_CHECKING:
    from driftgate.cli.columns import Line, Section
    from driftgate.cli.desk import Desk

DEFAULT_TARGET = ("torch-eager-cpu",)
MOST_LOADS = 32
_HEADER = ("", "mean", "p50", "p95", "p99")


def _rates(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[float, ...]:
    del context, parameter
    words = text.split(",") if text is not None else []
    if len(words) > MOST_LOADS:
        raise UsageError(f"these are {len(words)} loads", where="--rps", mend=f"ask for at most {MOST_LOADS}")
    return tuple(map(_rate, words))


def _rate(word: str) -> float:
    try:
        rate = float(word)
    except ValueError:
        rate = math.nan
    if not 0 < rate < math.inf:
        raise UsageError(
            f"{word.strip()[:40]!r} is not a load", where="--rps", mend="write requests per second, like 5,10,20"
        )
    return rate


@click.command()
@of_a_model
@click.option("--rps", "loads", metavar="N,…", callback=_rates, help="Requests per second (default: 30 to 95 % busy).")
@click.option("--limit", type=options.DURATION, metavar="TIME", help="Of p99, like 50ms: which load breaks it?")
@click.option("--servers", type=click.IntRange(1, 256), default=1, metavar="N", help="How many copies of the model.")
@click.option("--samples", type=click.Path(path_type=Path), help="Service times: .npz of a run, JSON list, or lines.")
@click.option("--unit", type=click.Choice(["s", "ms", "us", "ns"]), default="s", help="Of JSON and lines.")
def queue(
    subject: Subject,
    form: str,
    loads: tuple[float, ...],
    limit: float | None,
    servers: int,
    samples: Path | None,
    unit: str,
) -> int:
    """Put a queue in front of a model: how long requests take at each load, and which load breaks a limit.

    Service times are measured (or those that a run kept), not guessed: they go through a simulation and M/G/1, with the exponential guess
    M/M/1 beside them.
    """
    module = import_module("driftgate.diagnose.queue")  # by name: it computes with numpy
    question = module.Question(loads, limit, servers)
    if samples is not None:
        if subject.reference is not None or subject.run_name is not None:
            raise UsageError("--samples stands alone", mend="leave out the reference or --run")
        views, wanted = [module.view(module.read_samples(samples, unit), str(samples), question)], 1
    else:
        desk = open_desk(subject, "queue", targets=DEFAULT_TARGET)
        views = _measured(desk, module, question)
        wanted = len(desk.targets)
    _show(views, form)
    return ExitCode.FINE if len(views) == wanted else ExitCode.REGRESSIONS


def _measured(desk: Desk, module: Any, question: Any) -> list[QueueView]:
    """The answer for each target. A target that did not run is told on stderr."""
    cells = [Cell(model=desk.entry.slug, stage="infer", target=target) for target in desk.targets]
    kept = {cell: path for cell in cells if (path := _kept(desk, cell)) is not None}
    desk.conduct(_needed([cell for cell in cells if cell not in kept], desk.settings.reference))
    views = []
    for cell in cells:
        path = kept.get(cell) or _samples_of(desk.store.record(cell), desk.store.model_folder(cell.model))
        if path is None:
            record = desk.store.record(cell)
            why = record.failure.message if record is not None and record.failure is not None else "it took no times"
            click.echo(f"driftgate: {cell.target}: {why}", err=True)
            continue
        views.append(
            module.view(module.read_samples(path, "ns"), _source(desk, cell, kept), question, target=cell.target)
        )
    return views


def _needed(cells: list[Cell], reference: str) -> dict[Cell, None]:
    from driftgate.pipeline import closure

    return dict.fromkeys(need for cell in cells for need in closure(cell, reference))


def _kept(desk: Desk, cell: Cell) -> Path | None:
    """The raw samples that the run has of a cell."""
    return _samples_of(desk.origin.record(cell), desk.origin.model_folder(cell.model)) if desk.origin else None


def _samples_of(record: Any, folder: Path) -> Path | None:
    payload = record.payload if record is not None else None
    if not isinstance(payload, InferPayload) or payload.samples_file is None:
        return None
    path = folder / Path(payload.samples_file).name
    return path if path.is_file() and not path.is_symlink() else None


def _source(desk: Desk, cell: Cell, kept: dict[Cell, Path]) -> str:
    where = f"run {desk.origin.run_id}" if desk.origin is not None and cell in kept else "measured now"
    return f"{desk.entry.ref} on {cell.target}, {where}"


def _show(views: list[QueueView], form: str) -> None:
    from driftgate.cli.columns import print_sections, say

    if form == "json":
        click.echo(json.dumps([view.to_dict() for view in views], indent=1))
        return
    for view in views:
        if form == "table":
            _tell(view)
        print_sections(
            _HEADER, [_section(load, view) for load in view.loads], column="load", markdown=form == "markdown"
        )
        if view.limit is not None:
            say(_limit_sentence(view))
        for note in view.notes:
            say(f"note: {note}")


def _tell(view: QueueView) -> None:
    service = view.service
    click.echo(f"{view.source}: {plural(view.samples, 'service time')}")
    click.echo(
        f"service: mean {human_seconds(service.mean)}, p50 {human_seconds(service.p50)}, p99 {human_seconds(service.p99)}; "
        f"cv² {view.variation:.2g} (exponential: 1)"
    )
    click.echo(f"capacity of {plural(view.servers, 'server')}: {_per_second(view.capacity)}")


def _section(load: QueueLoad, view: QueueView) -> Section:
    from driftgate.cli.columns import Line, Section

    title = f"{_per_second(load.rps)}, {load.utilisation:.0%} busy"
    if not load.stable:
        said = f"more than {_per_second(view.capacity)}: the queue grows for ever"
        return Section(title, (Line("unstable", sentence=said),))
    servers = "1" if view.servers == 1 else str(view.servers)
    lines = (
        _line("simulated", load.simulated),
        _line(f"M/G/{servers}", load.general),
        _line(f"M/M/{servers}", load.exponential),
    )
    return Section(title, lines)


def _line(name: str, told: Sojourns | None) -> Line:
    from driftgate.cli.columns import Line

    figures = (told.mean, told.p50, told.p95, told.p99) if told is not None else (None,) * 4
    return Line(name, tuple(map(_figure, figures)))


def _figure(figure: Spread | None) -> str:
    """`12 ms`, with half its interval where it has one."""
    if figure is None:
        return "–"
    value = human_seconds(figure.value)
    if figure.interval is None or not figure.value:
        return value
    return f"{value} ±{(figure.interval[1] - figure.value) / figure.value:.1%}"


def _per_second(rate: float) -> str:
    return f"{rate:,.0f}/s" if rate >= 100 else f"{rate:.3g}/s"


def _limit_sentence(view: QueueView) -> str:
    limit = view.limit
    assert limit is not None
    if limit.reason is not None:
        return f"limit of p99 {human_seconds(limit.limit)}: {limit.reason}"
    found = limit.simulated
    if found is None:
        return f"limit of p99 {human_seconds(limit.limit)}: broken at any load"
    interval = f"; 95 %: {' to '.join(map(_per_second, found.interval))}" if found.interval is not None else ", about"
    guess = f"up to {_per_second(limit.exponential.value)}" if limit.exponential is not None else "broken at any load"
    exact = f"; M/G/1: up to {_per_second(limit.general.value)}" if limit.general is not None else ""
    busy = found.value / view.capacity
    return (
        f"p99 stays within {human_seconds(limit.limit)} up to {_per_second(found.value)} ({busy:.0%} busy{interval})"
        f"{exact}; the exponential guess: {guess}"
    )
