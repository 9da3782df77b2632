"""`driftgate breaks`: the ledger of graph breaks over a fleet, in the terminal."""

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
    from driftgate.core.comparison import Difference
    from driftgate.core.ledger import Group, Ledger, Lever
    from driftgate.machine.store import RunStore

CODE = 76
_HEADERS = {
    "reason": ("models", "frees", "places", "events", "reason"),
    "family": ("models", "places", "events", "family"),
    "frame": ("models", "frees", "places", "events", "function"),
    "model": ("places", "events", "model"),
}


@click.command()
@click.option(
    "--run", "run_name", metavar="RUN", default="latest", show_default=True, help="A path, an id, a unique prefix."
)
@click.option("--by", type=click.Choice(list(_HEADERS)), default="reason", show_default=True, help="What to count by.")
@click.option("--against", metavar="RUN", help="Another run: say what is new, gone, changed or moved since.")
@options.output
@options.formats
def breaks(run_name: str, by: str, against: str | None, output: Path, form: str) -> int:
    """Every graph break of a run: which reasons cost how many models, and whose mending would free most of them."""
    from driftgate.machine.store import RunStore
    from driftgate.steps.ledger import changes_between, ledger_of, not_explained

    store = RunStore.find(run_name, output)
    other = RunStore.find(against, output) if against is not None else None
    ledger, missing = ledger_of(store), not_explained(store)
    found = changes_between(other, store) if other else ()
    if form == "json":
        click.echo(json.dumps(_facts(store, ledger, by, missing) | _new(other, found), indent=1))
    else:
        _print(store, ledger, by, missing, markdown=form == "markdown")
        if other is not None:
            _print_new(other, found, markdown=form == "markdown")
    return 0


def _facts(store: RunStore, ledger: Ledger, by: str, missing: Sequence[str]) -> dict[str, object]:
    from driftgate.steps.ledger import group_facts, lever_facts

    return {
        "run": store.run_id,
        "explained": ledger.explained,
        "not_explained": list(missing),
        "models": ledger.models,
        "places": ledger.places,
        "events": ledger.events,
        "second_size": ledger.second,
        "by": by,
        "groups": [group_facts(group) for group in ledger.by(by)],
        "levers": [lever_facts(lever) for lever in ledger.levers()],
    }


def _new(other: RunStore | None, found: Sequence[Difference]) -> dict[str, object]:
    if other is None:
        return {}
    told = [{"what": one.what, "model": one.cell.model, "cell": one.cell.name} | one.detail for one in found]
    return {"against": other.run_id, "changes": told}


def _print(store: RunStore, ledger: Ledger, by: str, missing: Sequence[str], *, markdown: bool) -> None:
    from driftgate.cli.differences import MOST, heading, names, print_more
    from driftgate.cli.show import print_rows

    events, places = plural(ledger.events, "graph break"), plural(ledger.places, "place")
    said = f"{events} at {places}, in {ledger.models:,} of {plural(ledger.explained, 'model')}"
    heading(f"{store.run_id}: {said}", markdown=markdown)
    if missing:
        click.echo(f"{plural(len(missing), 'model')} could not be explained: {names(missing)}")
    if ledger.second:
        more = plural(sum(ledger.second.values()), "more place")
        click.echo(f"not counted, for they break at a second input size alone: {more} in {names(list(ledger.second))}")
    groups = ledger.by(by)
    if not groups:
        return
    print_rows(_HEADERS[by], [_row(by, group) for group in groups[:MOST]], markdown=markdown)
    print_more(len(groups) - MOST, by)
    _print_levers(ledger.levers(), markdown=markdown)


def _print_levers(levers: Sequence[Lever], *, markdown: bool) -> None:
    from driftgate.cli.differences import heading
    from driftgate.cli.show import print_rows

    if not levers:
        return
    click.echo()
    heading("Library code whose mending would free most models", markdown=markdown, level=3)
    if markdown:
        header = ("frees", "with those above", "touches", "line", "code")
        print_rows(header, [(*_numbers(one), *_place(one)) for one in levers], markdown=True)
        return
    for number, one in enumerate(levers, 1):
        frees, together, touches = _numbers(one)
        click.echo(f"{number:2}. frees {frees}, with those above {together}; touches {touches}")
        for line in _place(one):
            click.echo(f"    {line}")


def _numbers(one: Lever) -> tuple[str, str, str]:
    group = one.group
    return f"{group.frees:,}", f"{one.together:,}", plural(len(group.models), "model")


def _place(one: Lever) -> tuple[str, str]:
    from driftgate.core.break_words import where

    code = one_line(one.group.seen.code or "")
    return one_line(where(one.group.seen)), code if len(code) <= CODE else f"{code[:CODE]}…"


def _row(by: str, group: Group) -> tuple[str, ...]:
    from driftgate.core.break_words import frame_name, reason_name

    models, frees, places, events = (
        f"{number:,}" for number in (len(group.models), group.frees, group.places, group.events)
    )
    match by:
        case "reason":
            return models, frees, places, events, one_line(reason_name(group.seen))
        case "frame":
            return models, frees, places, events, one_line(frame_name(group.seen))
        case "family":
            return models, places, events, group.key[0]
    return places, events, group.key[0]


def _print_new(other: RunStore, found: Sequence[Difference], *, markdown: bool) -> None:
    from driftgate.cli.differences import print_differences

    if found:
        print_differences(f"Against {other.run_id}", found, markdown=markdown)
    else:
        click.echo(f"\nno break is other than in {other.run_id}")
