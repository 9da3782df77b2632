"""`driftgate history`: every run that was kept, in SQLite or PostgreSQL."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftgate.cli import options
from driftgate.core.errors import UsageError

if TYPE_CHECKING:
    from driftgate.history.queries import RunSummary

_RUNS = click.argument("names", metavar="RUN…", nargs=-1, required=True)


@click.group()
def history() -> None:
    """The runs of every night: what the gate compares with.

    A SQLite file in the output folder, or the database that DRIFTGATE_DB_URL names (sqlite:///PATH, postgresql://USER:PASSWORD@HOST/NAME).
    """


@history.command("import")
@_RUNS
@options.output
def import_runs(names: tuple[str, ...], output: Path) -> int:
    """Take runs in: paths, ids, prefixes, archives, `latest` or `all`. Again and again, if you like: nothing is doubled."""
    from rich.console import Console
    from rich.progress import track

    from driftgate.core.text import plural
    from driftgate.history.database import Database
    from driftgate.history.importing import import_run
    from driftgate.machine.runs import run_ids
    from driftgate.machine.store import RunStore
    from driftgate.sinks.archive.reading import opened

    wanted = [name for given in names for name in (run_ids(output) if given == "all" else [given])]
    found = {name: None if Path(name).is_file() else RunStore.find(name, output) for name in wanted}
    if not found:
        raise UsageError(f"no run in {output}", mend="give the folder that holds runs as --output, or an archive")
    output.mkdir(parents=True, exist_ok=True)  # where archives come from there need not be a run yet
    database = Database.at(None, output)
    new = []
    console = Console(stderr=True)
    for name, known in track(
        found.items(), "importing", console=console, transient=True, disable=not console.is_terminal
    ):
        with nullcontext(known) if known is not None else opened(Path(name)) as store:
            new.append(import_run(database, store))
    click.echo(f"{database.name}: {plural(sum(new), 'run')} imported, {len(new) - sum(new)} there already")
    return 0


@history.command("list")
@options.output
@click.option("--fleet", metavar="NAME", help="Runs of this fleet alone.")
@click.option("--most", type=click.IntRange(1), default=30, show_default=True, help="The newest so many.")
@options.formats
def list_runs(output: Path, fleet: str | None, most: int, form: str) -> int:
    """The runs, newest first."""
    from driftgate.cli.show import print_rows
    from driftgate.history.database import Database
    from driftgate.history.queries import runs_of

    database = Database.at(None, output)
    found: tuple[RunSummary, ...] = ()
    if database.exists():
        with database.reading() as connection:
            found = runs_of(connection, fleet=fleet, most=most)
    if form == "json":
        click.echo(json.dumps([_as_json(run) for run in found], indent=1))
    elif found:
        rows = [(r.run_id, r.fleet, r.verdict or "–", str(r.cells), (r.commit or "–")[:12]) for r in found]
        print_rows(("run", "fleet", "verdict", "cells", "commit"), rows, markdown=form == "markdown")
    else:
        click.echo(f"no run in {database.name}; `driftgate history import all` takes those of {output} in", err=True)
    return 0


@history.command("show")
@click.argument("name", metavar="RUN")
@options.output
@options.formats
def show_run(name: str, output: Path, form: str) -> int:
    """One run as the history has it: where it ran, how its cells ended."""
    from collections import Counter

    from driftgate.cli.differences import say
    from driftgate.cli.show import print_rows
    from driftgate.history.database import Database
    from driftgate.history.queries import facts_in, run_named

    database = Database.at(None, output)
    if not database.exists():
        raise UsageError(f"there is no history {database.name}", mend="`driftgate history import all` makes one")
    with database.reading() as connection:
        run = run_named(connection, name)
        found = facts_in(connection, run)
    counts = Counter((cell.stage, facts.verdict.value) for cell, facts in found.items())
    if form == "json":
        cells = [facts.model_dump(mode="json", exclude_defaults=True) for facts in found.values()]
        click.echo(json.dumps(_as_json(run) | {"facts": cells}, indent=1))
        return 0
    if form == "table":
        click.echo(
            f"{run.run_id}, fleet {run.fleet}: {run.verdict or 'not judged'}, {run.started_at:%Y-%m-%d %H:%M} UTC"
        )
        for agent in run.agents:
            versions = ", ".join(f"{name} {agent.packages[name]}" for name in sorted(agent.packages))
            say(f"{agent.agent}: {agent.cpu}, {agent.cores} cores; Python {agent.python}, {versions}")
    rows = [(stage, verdict, str(count)) for (stage, verdict), count in counts.items()]
    print_rows(("stage", "verdict", "cells"), rows, markdown=form == "markdown")
    return 0


@history.command("prune")
@options.output
@click.option("--days", type=click.IntRange(1), default=365, show_default=True, help="Keep runs younger than this.")
@click.option("--fleet", metavar="NAME", help="Runs of this fleet alone.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def prune_history(output: Path, days: int, fleet: str | None, dry_run: bool) -> int:
    """Forget old runs. The newest of each fleet, and the newest good one, always stay."""
    from driftgate.core.text import plural
    from driftgate.history.database import Database
    from driftgate.history.pruning import prune

    database = Database.at(None, output)
    gone = prune(database, days=days, fleet=fleet, dry_run=dry_run) if database.exists() else ()
    for run in gone:
        click.echo(f"{'would forget' if dry_run else 'forgot'} {run.run_id} ({run.fleet}, {plural(run.cells, 'cell')})")
    click.echo(plural(len(gone), "run"))
    return 0


def _as_json(run: RunSummary) -> dict[str, object]:
    from dataclasses import asdict

    plain = asdict(run) | {"started_at": run.started_at.isoformat(), "agents": [a.to_dict() for a in run.agents]}
    return {key: value for key, value in plain.items() if key != "number"}
