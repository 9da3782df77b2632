"""`driftgate run`: the whole pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftgate.cli import options
from driftgate.core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from driftgate.machine.settings import Settings
    from driftgate.machine.store import RunStore


@click.command()
@click.argument("config", type=click.Path(path_type=Path), required=False)
@options.models
@options.targets
@options.output
@click.option("--resume", metavar="RUN", help="Go on with a run that was cut off.")
@options.limits
@options.baseline
@options.no_confirm
def run(
    config: Path | None,
    models: tuple[str, ...],
    targets: tuple[str, ...],
    output: Path,
    resume: str | None,
    jobs: int | None,
    no_cache: bool,
    no_latency: bool,
    time_limit: float | None,
    memory_limit: float | None,
    baseline: str | None,
    no_confirm: bool,
) -> int:
    """The whole pipeline: pull, inputs, explain, export, infer, drift, gate, repro, report.

    CONFIG is a YAML file; without it, the quickstart: twelve tiny models from a Hub on loopback.
    """
    from driftgate.cli.session import Session

    overrides = options.Overrides(models, targets, jobs, no_latency, time_limit, memory_limit)
    if resume is not None:
        if config is not None or models or targets:
            raise UsageError(
                "--resume goes on with the run's own configuration", mend="leave out CONFIG, --model, --target"
            )
        session = Session(*_resumed(resume, output, overrides), use_cache=not no_cache)
    else:
        session = Session(*_begun(config, output, overrides), use_cache=not no_cache)
    session.conduct(session.store.plan().cells)
    return finish(session.store.root, baseline or session.settings.baseline, confirm=not no_confirm)


def _begun(path: Path | None, output: Path, overrides: options.Overrides) -> tuple[RunStore, Settings]:
    from driftgate.cli.session import begin_run
    from driftgate.machine.settings import load_config, quickstart_config

    config = load_config(path) if path is not None else quickstart_config()
    settings = overrides.apply(config)
    if (
        path is None and overrides.models
    ):  # the quickstart's Hub serves the zoo alone: models of one's own are elsewhere
        settings = settings.model_copy(
            update={"hub": settings.hub.model_copy(update={"endpoint": None}), "fleet": "desk"}
        )
    return begin_run(overrides.blamed(config), settings, output), settings


def _resumed(name: str, output: Path, overrides: options.Overrides) -> tuple[RunStore, Settings]:
    from driftgate.cli.session import pin_again, plan_run, settings_of
    from driftgate.machine.settings import Config, Document
    from driftgate.machine.store import RunStore

    store = RunStore.find(name, output)
    settings = overrides.apply(Config(settings_of(store), Document.of("run.json"), store.root))
    if store.has("plan.json"):
        pin_again(store, settings)
    else:  # cut off before anything was scheduled
        plan_run(store, settings)
    return store, settings


def finish(root: Path, baseline: str | None, *, confirm: bool = True) -> int:
    """Gate, report and the summary in the terminal; the exit code of the verdict."""
    from rich.console import Console

    from driftgate.cli.judging import judged
    from driftgate.diagnose.repro import write_repros
    from driftgate.machine.store import RunStore
    from driftgate.steps.gate import exit_code
    from driftgate.steps.report import build_report
    from driftgate.steps.summary import print_summary
    from driftgate.steps.tidy import retire, tidy

    store = RunStore(root)
    findings = judged(store, baseline, confirm=confirm)
    write_repros(store)
    tidy(store)
    build_report(store)
    print_summary(store, Console())
    for old in retire(store):
        click.echo(f"removed {old.run_id}: keep.days, keep.max_size", err=True)
    return ExitCode(exit_code(findings))
