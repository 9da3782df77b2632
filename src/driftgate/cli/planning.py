"""`driftgate plan` and `driftgate pull`: what a run will do, and its first stage."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftgate.cli import options
from driftgate.core.errors import ExitCode, UsageError
from driftgate.core.references import SCHEMES
from driftgate.core.text import plural
from driftgate.core.verdicts import KIND_FACTS

if TYPE_CHECKING:
    from driftgate.core.records import Cell, Lock
    from driftgate.machine.settings import Settings

TYPICAL_SECONDS = {"pull": 1.0, "inputs": 0.3, "explain": 3.0, "export": 5.0, "infer": 3.0, "drift": 0.2}
"""Medians of tiny models on two cores, without download; a guess for what has not been measured yet."""


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@options.models
@options.selection
@options.shard
@options.targets
@options.runner
@options.formats
def plan(
    config: Path,
    models: tuple[str, ...],
    top: int | None,
    families: tuple[str, ...],
    shard: str | None,
    targets: tuple[str, ...],
    runner: str | None,
    form: str,
) -> int:
    """The cells, downloads and estimated time of CONFIG. Asks the Hub what it would pull; runs nothing."""
    from driftgate.cli.session import expectations_of, hub_ready, tolerances_of
    from driftgate.machine.settings import load_config
    from driftgate.pipeline import plan_cells
    from driftgate.sources.resolve import resolve

    loaded = load_config(config)
    overrides = options.Overrides(models, targets, top=top, families=families, runner=runner, shard=shard)
    settings = overrides.apply(loaded)
    expectations_of(loaded)  # what `run` would refuse is refused here
    tolerances_of(loaded)
    with hub_ready(settings) as ready:
        lock = resolve(ready, overrides.blamed(loaded).where)
    cells = plan_cells(lock.models, settings)
    if form == "json":
        click.echo(json.dumps(_as_dict(lock, cells, settings), indent=1))
    else:
        _print(lock, cells, settings, markdown=form == "markdown")
    return _exit_code(lock)


@click.command()
@click.argument("config", required=False)
@options.selection
@options.shard
@options.of_a_stage
def pull(
    config: str | None,
    run_name: str | None,
    models: tuple[str, ...],
    targets: tuple[str, ...],
    variants: tuple[str, ...],
    runner: str | None,
    top: int | None,
    families: tuple[str, ...],
    shard: str | None,
    output: Path,
    form: str,
    no_cache: bool,
    **limits: int | float | bool | None,
) -> int:
    """Plan a run of CONFIG, pin its models and pull them; prints the run's id.

    With --run, pulls the models of that run again; a reference (zoo:bert, hf:org/name) in place of CONFIG pulls one model at a desk.
    """
    from driftgate.cli.stages import Chosen, at_a_desk, on_a_run

    if (config is None) == (run_name is None):
        raise UsageError("pull takes a configuration or --run", mend="try `driftgate pull configs/nightly.yaml`")
    if (top or families or shard) and run_name is not None:
        raise UsageError("--top, --family and --shard go with a configuration", mend="a run has its models")
    if run_name is not None:
        overrides = options.Overrides((), (), **limits)  # type: ignore[arg-type]  # click typed them
        chosen = Chosen(models, variants, runner)
        return on_a_run("pull", run_name, output, chosen, overrides, use_cache=not no_cache, form=form)
    assert config is not None
    if variants:
        raise UsageError("--variant goes with --run", mend="leave it out")
    if config.partition(":")[0] in SCHEMES and not Path(config).exists():
        overrides = options.Overrides((config,), (), **limits)  # type: ignore[arg-type]
        return at_a_desk("pull", overrides, use_cache=not no_cache, form=form)
    overrides = options.Overrides(models, targets, top=top, families=families, runner=runner, shard=shard, **limits)  # type: ignore[arg-type]
    return _pull_fleet(Path(config), overrides, output, use_cache=not no_cache)


def _pull_fleet(path: Path, overrides: options.Overrides, output: Path, *, use_cache: bool) -> int:
    from driftgate.cli.session import Session, begin_run, chosen_cells
    from driftgate.machine.settings import load_config

    config = load_config(path)
    settings = overrides.apply(config)
    store = begin_run(overrides.blamed(config), settings, output, part=overrides.narrowed)
    Session(store, settings, use_cache=use_cache).conduct(chosen_cells(store, stages=["pull"]))
    click.echo(store.run_id)
    return 0


def _seconds(cells: tuple[Cell, ...], settings: Settings) -> float:
    from driftgate.machine.provenance import cores_allowed

    jobs = settings.limits.jobs if isinstance(settings.limits.jobs, int) else cores_allowed()
    work = sum(TYPICAL_SECONDS[cell.stage] for cell in cells)
    timing = sum(min(settings.latency.budget, 3.0) for cell in cells if cell.stage == "infer")
    return work / jobs + (timing if settings.latency.enabled else 0.0)


def _exit_code(lock: Lock) -> ExitCode:
    """What a run would end with for the models that cannot be pinned: the machinery's trouble goes before theirs."""
    kinds = [entry.problem.kind for entry in lock.models if entry.problem is not None]
    if kinds:
        click.echo(f"driftgate: {plural(len(kinds), 'model')} cannot be pinned ({kinds[0].value})", err=True)
    if any(KIND_FACTS[kind].machinery for kind in kinds):
        return ExitCode.MACHINERY
    return ExitCode.REGRESSIONS if kinds else ExitCode.FINE


def _as_dict(lock: Lock, cells: tuple[Cell, ...], settings: Settings) -> dict[str, object]:
    return {
        "fleet": settings.fleet,
        "models": [entry.to_dict() for entry in lock.models],
        "left_out": [left.to_dict() for left in lock.left_out],
        "cells": [cell.to_dict() for cell in cells],
        "download_bytes": sum(entry.size_bytes or 0 for entry in lock.models),
        "unknown_sizes": sum(entry.size_bytes is None for entry in lock.models),
        "estimated_seconds": round(_seconds(cells, settings)),
    }


def _print(lock: Lock, cells: tuple[Cell, ...], settings: Settings, *, markdown: bool) -> None:
    from driftgate.cli.show import print_rows
    from driftgate.core.text import human_bytes, human_seconds, plural

    counts = Counter(cell.model for cell in cells)
    rows = [
        (entry.slug, entry.task, entry.family, human_bytes(entry.size_bytes), str(counts[entry.slug]))
        for entry in lock.models
    ]
    print_rows(("model", "task", "family", "size", "cells"), rows, markdown=markdown)
    for left in lock.left_out:
        click.echo(f"left out: {left.ref}: {left.reason}")
    for entry in lock.models:
        if entry.problem is not None:
            click.echo(f"cannot be pinned: {entry.ref}: {entry.problem.kind.value}: {entry.problem.message}")
    if all(target == settings.reference for target in settings.targets):
        click.echo(f"nothing to compare: there is no target besides the reference, {settings.reference}")
    about = human_seconds(_seconds(cells, settings))
    counted = f"{plural(len(lock.models), 'model')}, {plural(len(cells), 'cell')}"
    click.echo(f"{counted}, {_files(lock)}, about {about} on this machine")


def _files(lock: Lock) -> str:
    """How much there is to download. What nobody knows is said, not counted as nothing."""
    from driftgate.core.text import human_bytes

    known = [entry.size_bytes for entry in lock.models if entry.size_bytes is not None]
    unknown = len(lock.models) - len(known)
    said = [f"{human_bytes(sum(known))} of files"] if known else []
    return " and ".join([*said, f"{unknown} of unknown size"] if unknown else said)
