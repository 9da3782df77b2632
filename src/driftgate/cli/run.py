"""`driftgate run`: the whole pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftgate.cli import options
from driftgate.core.errors import ExitCode, UsageError

DESK = "desk"
"""The fleet of those who name models and no configuration: each run has others, so none of them has left."""

if TYPE_CHECKING:
    from driftgate.machine.settings import Settings
    from driftgate.machine.store import RunStore


@click.command()
@click.argument("config", type=click.Path(path_type=Path), required=False)
@options.models
@options.selection
@options.shard
@options.targets
@options.output
@click.option("--resume", metavar="RUN", help="Go on with a run that was cut off.")
@options.limits
@options.baseline
@options.no_confirm
def run(
    config: Path | None,
    models: tuple[str, ...],
    top: int | None,
    families: tuple[str, ...],
    shard: str | None,
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
    """The whole pipeline: pull, inputs, explain, export, infer, drift, gate, repro, report, publish, archive.

    CONFIG is a YAML file; without it, the quickstart: twelve tiny models from a Hub on loopback.
    """
    from driftgate.cli.logs import check_endpoints
    from driftgate.cli.session import Session
    from driftgate.sinks.shipping import sent_meanwhile

    check_endpoints()
    overrides = options.Overrides(
        models, targets, jobs, no_latency, time_limit, memory_limit, top=top, families=families, shard=shard
    )
    if resume is not None:
        if config is not None or overrides.narrowed:
            raise UsageError(
                "--resume goes on with the run's own configuration",
                mend="leave out CONFIG, --model, --top, --family, --shard, --target",
            )
        session = Session(*_resumed(resume, output, overrides, baseline), use_cache=not no_cache)
    else:
        session = Session(*_begun(config, output, overrides, baseline), use_cache=not no_cache)
    with sent_meanwhile(session.store):
        session.conduct(session.store.plan().cells)
    return finish(session.store.root, baseline or session.settings.baseline, confirm=not no_confirm)


def _begun(
    path: Path | None, output: Path, overrides: options.Overrides, baseline: str | None
) -> tuple[RunStore, Settings]:
    from driftgate.cli.judging import check_judging
    from driftgate.cli.session import begin_run, manifest_of
    from driftgate.machine.settings import load_config, quickstart_config

    config = load_config(path) if path is not None else quickstart_config()
    settings = overrides.apply(config)
    desk = path is None and bool(overrides.models)
    if desk:  # a fleet of its own; the quickstart's Hub serves the zoo alone: models of one's own are elsewhere
        settings = settings.model_copy(
            update={"hub": settings.hub.model_copy(update={"endpoint": None}), "fleet": DESK}
        )
    part = overrides.narrowed and not desk
    check_judging(baseline or settings.baseline, manifest_of("", settings, part=part), output)
    return begin_run(overrides.blamed(config), settings, output, part=part), settings


def _resumed(name: str, output: Path, overrides: options.Overrides, baseline: str | None) -> tuple[RunStore, Settings]:
    from driftgate.cli.judging import check_judging
    from driftgate.cli.session import pin_again, plan_run, settings_of
    from driftgate.machine.settings import Config, Document
    from driftgate.machine.store import RunStore

    store = RunStore.find(name, output)
    settings = overrides.apply(Config(settings_of(store), Document.of("run.json"), store.root))
    check_judging(baseline or settings.baseline, store.manifest(), store.root.parent)
    if store.has("plan.json"):
        pin_again(store, settings)
    else:  # cut off before anything was scheduled
        plan_run(store, settings)
    return store, settings


def finish(root: Path, baseline: str | None, *, confirm: bool = True) -> int:
    """Gate, report, the summary in the terminal, and the metrics to where a URL says; the exit code of the verdict."""
    from rich.console import Console

    from driftgate.cli import publish
    from driftgate.cli.judging import judged
    from driftgate.cli.logs import AT_THE_END_SECONDS, send_logs
    from driftgate.core.text import human_bytes
    from driftgate.diagnose.repro import write_repros
    from driftgate.machine.store import RunStore
    from driftgate.steps.archive import archive_if_kept
    from driftgate.steps.gate import exit_code
    from driftgate.steps.report import build_report
    from driftgate.steps.summary import print_summary
    from driftgate.steps.tidy import retire, tidy

    store = RunStore(root)
    findings = judged(store, baseline, confirm=confirm)
    write_repros(store)
    tidy(store)
    unsent = send_logs(store, total_s=AT_THE_END_SECONDS)
    groups = publish.metrics_of(store)
    build_report(store)
    print_summary(store, Console())
    archived = archive_if_kept(store)
    if archived is not None:
        click.echo(f"Archive: {archived.path} ({human_bytes(archived.bytes)})")
    for old in retire(store):
        click.echo(f"removed {old}: keep.days, keep.archive_days, keep.max_size", err=True)
    if unsent is not None:
        click.echo(unsent, err=True)
    manifest = store.manifest()
    publish.push(manifest, groups, prune=not manifest.part and manifest.fleet != DESK)
    return ExitCode(exit_code(findings))
