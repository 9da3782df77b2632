"""`driftgate compare RUN_A RUN_B`: what is worse, better or different, what the runs were made with first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftgate.cli import options
from driftgate.cli.differences import MOST, heading, names, print_differences, say
from driftgate.core.errors import ExitCode, UsageError, one_line
from driftgate.core.text import plural

if TYPE_CHECKING:
    from driftgate.machine.store import RunStore
    from driftgate.steps.compare import Changed, Comparison


@click.command()
@click.argument("run_a")
@click.argument("run_b")
@options.output
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "markdown", "html"]), default="table", help="How to print."
)
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where the page of --format html goes (default: compare/RUN_A in RUN_B).",
)
def compare(run_a: str, run_b: str, output: Path, form: str, to: Path | None) -> int:
    """Compare two runs, the older one first: RUN is a path, an id, a unique prefix, or `latest`. Ends 1 if something got worse."""
    from driftgate.core.comparison import Sense
    from driftgate.machine.store import RunStore
    from driftgate.steps.compare import compare as compare_runs

    if to is not None and form != "html":
        raise UsageError("--to is for --format html alone", mend="add --format html, or redirect the output")
    before, after = RunStore.find(run_a, output), RunStore.find(run_b, output)
    made = compare_runs(before, after)
    if form == "json":
        click.echo(json.dumps(made.to_dict(), indent=1))
    elif form == "html":
        click.echo(_page(made, before, after, to))
    else:
        _print(made, markdown=form == "markdown")
    return ExitCode.REGRESSIONS if made.number(Sense.WORSE) else ExitCode.FINE


def _page(made: Comparison, before: RunStore, after: RunStore, to: Path | None) -> Path:
    from driftgate.steps.report.comparison import build_comparison

    return build_comparison(made, before, after, to)


def _print(made: Comparison, *, markdown: bool) -> None:
    from driftgate.core.sections import SECTIONS

    heading(f"{made.before} → {made.after}: {made.tally()}", markdown=markdown)
    for line in _about(made):
        if markdown:
            click.echo(f"- {line}")
        else:
            say(line, "  ")
    for section in SECTIONS:
        if made.found[section.name]:
            print_differences(section.title, made.found[section.name], markdown=markdown)


def _about(made: Comparison) -> Iterator[str]:
    """What the runs were made with, and what of them can't be compared."""
    told = [*made.provenance, *made.settings]
    yield from (one_line(str(one)) for one in told[:MOST])
    if not told:
        yield "the same packages, machine and settings"
    if len(told) > MOST:
        yield f"… and {len(told) - MOST:,} more of these (--format json has all)"
    if made.revisions:
        yield f"{plural(len(made.revisions), 'model')} at another revision: {_revisions(made.revisions)}"
    for run, slugs in ((made.before, made.only_before), (made.after, made.only_after)):
        if slugs:
            yield f"{plural(len(slugs), 'model')} in {run} alone: {names(slugs)}"
    for cell, number in made.unmatched.items():
        yield f"{cell} of {plural(number, 'model')} not compared: one of the runs has no record of it"
    yield from made.timing.sentences(made.found["latency"])


def _revisions(changed: Sequence[Changed]) -> str:
    return names([f"{one.name} {one.before[:12]} → {one.after[:12]}" for one in changed])
