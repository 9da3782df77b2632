"""`driftgate plan` and `driftgate pull`: what a run will do, and its first stage."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftgate.cli import options
from driftgate.core.errors import UsageError
from driftgate.core.references import SCHEMES

if TYPE_CHECKING:
    from driftgate.core.records import Cell, Lock
    from driftgate.machine.settings import Settings

TYPICAL_SECONDS = {"pull": 1.0, "inputs": 0.3, "explain": 3.0, "export": 5.0, "infer": 3.0, "drift": 0.2}
"""Medians of tiny models on two cores, without download; a guess for what has not been measured yet."""


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@options.models
@options.targets
@options.formats
def plan(config: Path, models: tuple[str, ...], targets: tuple[str, ...], form: str) -> int:
    """The cells, downloads and estimated time of CONFIG. Asks the Hub what it would pull; runs nothing."""
    from driftgate.cli.session import hub_ready
    from driftgate.machine.settings import load_config
    from driftgate.pipeline import plan_cells
    from driftgate.sources.resolve import resolve

    loaded = load_config(config)
    settings = options.Overrides(models, targets).apply(loaded)
    with hub_ready(settings) as ready:
        lock = resolve(ready, loaded.where)
    cells = plan_cells(lock.models, settings)
    if form == "json":
        click.echo(json.dumps(_as_dict(lock, cells, settings), indent=1))
    else:
        _print(lock, cells, settings, markdown=form == "markdown")
    return 0


@click.command()
@click.argument("config", required=False)
@options.of_a_stage
def pull(
    config: str | None,
    run_name: str | None,
    models: tuple[str, ...],
    targets: tuple[str, ...],
    output: Path,
    form: str,
    no_cache: bool,
    **limits: int | float | bool | None,
) -> int:
    """Plan a run of CONFIG, pin its models and pull them; prints the run's id.

    With --run, pulls the models of that run again; a reference (zoo:bert, hf:org/name) in place of CONFIG pulls one model at a desk.
    """
    from driftgate.cli.stages import at_a_desk, on_a_run

    if (config is None) == (run_name is None):
        raise UsageError("pull takes a configuration or --run", mend="try `driftgate pull configs/nightly.yaml`")
    if run_name is not None:
        overrides = options.Overrides((), (), **limits)  # type: ignore[arg-type]  # click typed them
        return on_a_run("pull", run_name, output, models, overrides, use_cache=not no_cache, form=form)
    assert config is not None
    if config.partition(":")[0] in SCHEMES and not Path(config).exists():
        overrides = options.Overrides((config,), (), **limits)  # type: ignore[arg-type]
        return at_a_desk("pull", overrides, use_cache=not no_cache, form=form)
    overrides = options.Overrides(models, targets, **limits)  # type: ignore[arg-type]
    return _pull_fleet(Path(config), overrides, output, use_cache=not no_cache)


def _pull_fleet(path: Path, overrides: options.Overrides, output: Path, *, use_cache: bool) -> int:
    from driftgate.cli.session import Session, begin_run, chosen_cells
    from driftgate.machine.settings import load_config

    config = load_config(path)
    settings = overrides.apply(config)
    store = begin_run(config, settings, output)
    Session(store, settings, use_cache=use_cache).conduct(chosen_cells(store, stages=["pull"]))
    click.echo(store.run_id)
    return 0


def _seconds(cells: tuple[Cell, ...], settings: Settings) -> float:
    from driftgate.machine.provenance import cores_allowed

    jobs = settings.limits.jobs if isinstance(settings.limits.jobs, int) else cores_allowed()
    work = sum(TYPICAL_SECONDS[cell.stage] for cell in cells)
    timing = sum(min(settings.latency.budget, 3.0) for cell in cells if cell.stage == "infer")
    return work / jobs + (timing if settings.latency.enabled else 0.0)


def _as_dict(lock: Lock, cells: tuple[Cell, ...], settings: Settings) -> dict[str, object]:
    return {
        "fleet": settings.fleet,
        "models": [entry.to_dict() for entry in lock.models],
        "left_out": [left.to_dict() for left in lock.left_out],
        "cells": [cell.to_dict() for cell in cells],
        "download_bytes": sum(entry.size_bytes or 0 for entry in lock.models),
        "estimated_seconds": round(_seconds(cells, settings)),
    }


def _print(lock: Lock, cells: tuple[Cell, ...], settings: Settings, *, markdown: bool) -> None:
    from driftgate.cli.show import print_rows
    from driftgate.core.text import human_bytes, human_seconds

    counts = Counter(cell.model for cell in cells)
    rows = [
        (entry.slug, entry.task, entry.family, human_bytes(entry.size_bytes), str(counts[entry.slug]))
        for entry in lock.models
    ]
    print_rows(("model", "task", "family", "size", "cells"), rows, markdown=markdown)
    for left in lock.left_out:
        click.echo(f"left out: {left.ref}: {left.reason}")
    size = human_bytes(sum(entry.size_bytes or 0 for entry in lock.models))
    about = human_seconds(_seconds(cells, settings))
    click.echo(f"{len(lock.models)} models, {len(cells)} cells, {size} of files, about {about} on this machine")
