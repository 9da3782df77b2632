"""One cell stage by hand: on the cells of a run, or on one reference at a desk."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from driftgate.cli import options
from driftgate.core.errors import ExitCode, UsageError, did_you_mean
from driftgate.core.records import Cell, StageRecord
from driftgate.core.references import parse_reference
from driftgate.core.verdicts import FailureKind
from driftgate.machine.store import RunStore

DEFAULT_TARGET = {"infer": "torch-eager-cpu", "drift": "ort-cpu"}


@dataclass(frozen=True)
class Chosen:
    """Which cells of a stage the flags choose, besides their targets; empty means all. `with_needs`: and what they need, where that
    has no record, or no files on this machine. `only_list`: run nothing, say which they are."""

    models: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    runner: str | None = None
    with_needs: bool = False
    only_list: bool = False


def _stage_command(name: str, text: str, more: options.Decorator[Any] = lambda command: command) -> click.Command:
    @click.command(name, help=text)
    @click.argument("reference", required=False)
    @more
    @click.option(
        "--with-needs", is_flag=True, help="Also what the cells need and has no record or no files here; with --run."
    )
    @click.option("--dry-run", is_flag=True, help="Only say which cells it would run; with --run.")
    @options.of_a_stage
    def command(
        reference: str | None,
        run_name: str | None,
        models: tuple[str, ...],
        targets: tuple[str, ...],
        variants: tuple[str, ...],
        runner: str | None,
        output: Path,
        form: str,
        no_cache: bool,
        with_needs: bool,
        dry_run: bool,
        **rest: int | float | bool | Path | None,
    ) -> int:
        if (reference is None) == (run_name is None):
            raise UsageError(
                f"{name} takes a reference or --run", mend=f"try `driftgate {name} zoo:bert`, or --run latest"
            )
        overrides = options.Overrides(
            (reference,) if reference is not None else (),
            targets,
            **rest,  # type: ignore[arg-type]  # click typed them
        )
        if reference is not None:
            of_a_run: dict[str, object] = {"--model": models, "--variant": variants, "--runner": runner}
            of_a_run |= {"--with-needs": with_needs, "--dry-run": dry_run}
            for flag in (flag for flag, given in of_a_run.items() if given):
                raise UsageError(f"{flag} goes with --run", mend="give the reference alone")
            return at_a_desk(name, overrides, use_cache=not no_cache, form=form)
        assert run_name is not None
        chosen = Chosen(models, variants, runner, with_needs, dry_run)
        return on_a_run(name, run_name, output, chosen, overrides, use_cache=not no_cache, form=form)

    return command


def at_a_desk(stage: str, overrides: options.Overrides, *, use_cache: bool, form: str) -> int:
    """Run the stage and what it needs on one reference, in a scratch run; print the record."""
    from driftgate.cli.session import Session, begin_run
    from driftgate.cli.show import print_records
    from driftgate.machine.files import cache_root
    from driftgate.machine.settings import Config, Document, Settings
    from driftgate.pipeline import closure

    wanted = overrides.targets or ((DEFAULT_TARGET[stage],) if stage in DEFAULT_TARGET else ())
    (reference,) = overrides.models
    parse_reference(options.one_model(reference))  # before `apply`, which would blame a --model that nobody wrote
    settings = overrides.apply(Config(Settings(), Document.of("the call"), Path.cwd()))
    config = Config(settings, Document.of("the call"), Path.cwd(), {"models": reference, "drift": "--tolerances"})
    if stage == "drift" and settings.reference in wanted:
        raise UsageError(f"{settings.reference} is the reference itself", mend="name another --target")
    store = begin_run(config, settings, cache_root() / "scratch")
    slug = store.lock().models[0].slug
    targets = wanted if stage in DEFAULT_TARGET else (None,)
    cells = [Cell(model=slug, stage=stage, target=target) for target in targets]
    needed = dict.fromkeys(need for cell in cells for need in closure(cell, settings.reference))
    Session(store, settings, use_cache=use_cache).conduct(needed)
    _raise_usage_errors(store, needed)
    return print_records(store, cells, form)


def _raise_usage_errors(store: RunStore, cells: Iterable[Cell]) -> None:
    """A mistake in a person's own inputs file or factory is theirs to mend: exit 2, as for any wrong call."""
    for cell in cells:
        record = store.record(cell)
        if record is not None and record.failure is not None and record.failure.kind is FailureKind.CONFIG:
            raise UsageError(record.failure.message)


def on_a_run(
    stage: str,
    run_name: str,
    output: Path,
    chosen: Chosen,
    overrides: options.Overrides,
    *,
    use_cache: bool,
    form: str,
) -> int:
    """Run the stage's cells of a run (again, if they have a record); 0 if every cell has a record afterwards."""
    from driftgate.cli.session import Session, chosen_cells, settings_of
    from driftgate.cli.show import print_cells
    from driftgate.machine.settings import Config, Document
    from driftgate.machine.tolerances import keep_tolerances, load_tolerances
    from driftgate.targets import TARGETS

    store = RunStore.find(run_name, output)
    stored = Config(settings_of(store), Document.of("run.json"), store.root)
    cells = chosen_cells(store, stages=[stage], models=chosen.models, targets=overrides.targets, runner=chosen.runner)
    cells = _of_variants(stage, cells, chosen.variants)
    if chosen.only_list:
        for cell in cells:
            click.echo(cell)
        return ExitCode.FINE
    if overrides.tolerances is not None:
        if chosen.models or chosen.variants or chosen.runner or overrides.targets:
            raise UsageError("--tolerances judges a whole run", mend="leave out --model, --target, --variant, --runner")
        keep_tolerances(store, load_tolerances(overrides.tolerances, TARGETS.names()))
    limited = options.Overrides((), (), *_rest(overrides)).apply(stored)
    needed = _lacking(store, cells, limited.reference, use_cache=use_cache) if chosen.with_needs else ()
    before = [record for need in needed if (record := store.record(need)) is not None]
    Session(store, limited, use_cache=use_cache).conduct((*needed, *cells), again=True)
    _keep_records(store, before)
    print_cells(store, cells, form)
    return ExitCode.FINE if all(store.record(cell) for cell in cells) else ExitCode.MACHINERY


def _lacking(store: RunStore, cells: Iterable[Cell], reference: str, *, use_cache: bool) -> tuple[Cell, ...]:
    """What the cells need and has no record, or passed on another machine that has the files."""
    from driftgate.machine.cache import CellCache
    from driftgate.machine.files import cache_root
    from driftgate.pipeline import STAGE_OF, closure

    needs = dict.fromkeys(need for cell in cells for need in closure(cell, reference)[:-1])
    entries = {entry.slug: entry for entry in store.lock().models}
    cache = CellCache(cache_root()) if use_cache else None

    def is_there(need: Cell) -> bool:
        record, folder = store.record(need), store.model_folder(need.model)
        if record is None or not record.passed:
            return record is not None
        there = STAGE_OF[need.stage].there(entries[need.model], cache_root() / "models")
        files = (file for file in record.artifacts if not (folder / file.name).is_file())
        return there and all(cache is not None and cache.holds(file) for file in files)

    return tuple(need for need in needs if not is_there(need))


def _keep_records(store: RunStore, before: Iterable[StageRecord]) -> None:
    """A cell that only brought the same files again keeps the record of the machine that computed it: no two machines have one cell."""
    for record in before:
        again = store.record(record.cell)
        if again is not None and again.passed and again.artifacts == record.artifacts:
            store.write_record(record)


def _of_variants(stage: str, cells: tuple[Cell, ...], variants: tuple[str, ...]) -> tuple[Cell, ...]:
    """Those of these variants; all, if none is named."""
    known = {cell.variant for cell in cells if cell.variant}
    for name in variants:
        if name not in known:
            mend = did_you_mean(name, known)
            raise UsageError(f"{name[:80]!r} is no variant of {stage} in this run", where="--variant", mend=mend)
    return tuple(cell for cell in cells if not variants or cell.variant in variants)


def _rest(overrides: options.Overrides) -> tuple[int | None, bool, float | None, float | None]:
    return overrides.jobs, overrides.no_latency, overrides.time_limit, overrides.memory_limit


_DESK = "Takes --run RUN, or a reference (zoo:bert, hf:org/name, local:PATH, python:module:factory) for one model at a desk."

inputs = _stage_command("inputs", f"Make the inputs of each model, from the model itself. {_DESK}")
explain = _stage_command("explain", f"Count every graph break and say where it is. {_DESK}")
export = _stage_command("export", f"Export to ONNX, trying one exporter after the other. {_DESK}")
infer = _stage_command("infer", f"Run on targets: outputs, placement, latency. {_DESK}")
drift = _stage_command(
    "drift",
    f"Compare each target's outputs with the reference's. With --tolerances, saved outputs are judged again. {_DESK}",
    click.option(
        "--tolerances",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Judge by this table (like configs/tolerances.yaml); a run keeps it.",
    ),
)
