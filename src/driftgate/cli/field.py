"""`driftgate field`: how far the models of runs came, in the terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftgate.cli import options
from driftgate.core.errors import one_line
from driftgate.core.text import plural

if TYPE_CHECKING:
    from driftgate.core.coverage import Columns, Row, Total
    from driftgate.core.failure_groups import FailureGroup

MOST_CAUSES, MOST_PLACES = 25, 3


@click.command()
@click.argument("run_names", metavar="[RUN…]", nargs=-1)
@options.output
@options.formats
def field(run_names: tuple[str, ...], output: Path, form: str) -> int:
    """How far each model came: shares of what came so far, totals by modality, and what fails by cause.

    RUN is a path, an id, a unique prefix or `latest`, which is meant where none is given; several are the shares of a fleet. The report's
    page Coverage has a line for each model.
    """
    from driftgate.machine.store import RunStore
    from driftgate.steps.report.coverage import coverage_of

    rows, columns = coverage_of([RunStore.find(name, output) for name in run_names or ("latest",)])
    if form == "json":
        click.echo(json.dumps(_facts(rows, columns), indent=1))
    else:
        _print(rows, columns, markdown=form == "markdown")
    return 0


def _facts(rows: Sequence[Row], columns: Columns) -> dict[str, object]:
    from driftgate.core.coverage import funnel, reach

    return {
        "models": len(rows),
        "shares": [{"name": share.name, "part": share.part, "whole": share.whole} for share in funnel(rows, columns)],
        "causes": [_cause_facts(group) for group in _groups(rows)],
        "rows": {row.ref: {"reach": reach(row, columns).value, **row.verdicts(columns)} for row in rows},
    }


def _cause_facts(group: FailureGroup) -> dict[str, object]:
    seen = group.seen
    places = [{"place": place, "code": code, "models": names} for place, code, names in group.places]
    told = {"cell": seen.cell, "kind": seen.kind.value, "cause": seen.headline, "expected": group.expected}
    return told | {"models": list(group.models), "places": places}


def _groups(rows: Sequence[Row]) -> list[FailureGroup]:
    from driftgate.core.failure_groups import failure_groups

    return failure_groups((row.name, seen) for row in rows for seen in row.failures)


def _print(rows: Sequence[Row], columns: Columns, *, markdown: bool) -> None:
    from driftgate.cli.differences import heading, print_more
    from driftgate.cli.show import print_rows
    from driftgate.core.coverage import Reach, funnel, reach, totals

    through = sum(reach(row, columns) is Reach.THROUGH for row in rows)
    to = ", ".join(columns.candidates) or "the end"
    heading(f"{through:,} of {plural(len(rows), 'model')} all the way to {to}", markdown=markdown)
    shares = [(one.percent, f"{one.part:,} of {one.whole:,}", one.name) for one in funnel(rows, columns)]
    print_rows(("share", "models", "step"), shares, markdown=markdown)
    click.echo()
    _print_totals(totals(rows, columns, lambda row: row.modality), markdown=markdown)
    groups = _groups(rows)
    if groups:
        click.echo()
        heading("What fails, by cause", markdown=markdown, level=3)
    for group in groups[:MOST_CAUSES]:
        _print_cause(group, markdown=markdown)
    print_more(len(groups) - MOST_CAUSES, "cause")


def _print_totals(found: Sequence[Total], *, markdown: bool) -> None:
    from driftgate.cli.show import print_rows
    from driftgate.core.coverage import REACH_WORDS

    stops = [stop for stop in REACH_WORDS if any(one.reached[stop] for one in found)]
    header = ("modality", "models", *(REACH_WORDS[stop] for stop in stops))
    counts = [(one.name, f"{len(one.rows):,}", *(f"{one.reached[stop] or ''}" for stop in stops)) for one in found]
    print_rows(header, counts, markdown=markdown)


def _print_cause(group: FailureGroup, *, markdown: bool) -> None:
    from driftgate.cli.differences import code_span, names, say

    seen, said = group.seen, code_span if markdown else one_line
    sign = "○" if group.expected == len(group.models) else "✗"
    told = f"{sign} {plural(len(group.models), 'model')} at {seen.cell}, {seen.kind.value}: {said(seen.headline)}"
    within = [(f"{said(place)}: ", slugs) for place, _, slugs in group.places[:MOST_PLACES]]
    lines = [f"{place}{said(names(slugs))}" for place, slugs in within or [("", list(group.models))]]
    more = len(group.places) - MOST_PLACES
    lines += [plural(more, "more place")] if more > 0 else []
    if markdown:
        click.echo("\n".join([f"- {told}", *(f"  - {line}" for line in lines)]))
        return
    say(told)
    for line in lines:
        say(line, "    ")
