"""Differences between two runs in the terminal and in Markdown: what models share is told once."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence

import click

from driftgate.cli.columns import width
from driftgate.cli.show import print_rows
from driftgate.core.comparison import Difference, Fold, Sense, fold
from driftgate.core.errors import one_line
from driftgate.core.text import plural

MOST = 40
EXAMPLES = 3
_SIGNS = {Sense.WORSE: "✗", Sense.BETTER: "✓", Sense.OTHER: "·"}


def heading(text: str, *, markdown: bool, level: int = 2) -> None:
    """A line over a table or a list."""
    click.echo(f"{'#' * level} {text}\n" if markdown else click.style(click.wrap_text(text, width()), bold=True))


def print_differences(title: str, found: Sequence[Difference], *, markdown: bool) -> None:
    """A section: what models share, the worst first; then, where several models differ, how much each of them does."""
    folds = fold(found)
    click.echo()
    heading(title, markdown=markdown, level=3)
    if markdown:
        print_rows(("", "what", "", "models"), [_row(one) for one in folds[:MOST]], markdown=True)
    else:
        for one in folds[:MOST]:
            _print_fold(one)
    print_more(len(folds) - MOST, "difference")
    by_model: dict[str, list[Difference]] = {}
    for difference in found:
        by_model.setdefault(difference.cell.model, []).append(difference)
    if 1 < len(by_model) < len(found) and len(folds) < len(found):
        click.echo()
        rows = sorted((_of_model(slug, own) for slug, own in by_model.items()), key=lambda row: row[0] != "✗")
        print_rows(("", "model", "what"), rows[:MOST], markdown=markdown)
        print_more(len(rows) - MOST, "model")


def _print_fold(one: Fold) -> None:
    first = one.first
    several = len(one.models) > 1
    who = plural(len(one.models), "model") if several else one.models[0]
    say(f"{_SIGNS[first.sense]} {first.what} in {who}: {one_line(first.subject)}", "")
    for line in (*first.lines, *([names(one.models)] if several else ())):
        say(one_line(line), "    ")


def say(text: str, indent: str = "") -> None:
    """Folded to the terminal's columns; what goes on stands further in."""
    after = indent or "    "
    click.echo(textwrap.fill(text, width(), initial_indent=indent, subsequent_indent=after, break_on_hyphens=False))


def _row(one: Fold) -> tuple[str, str, str, str]:
    first = one.first
    told = " ".join((one_line(first.subject), *map(code_span, first.lines)))
    return _SIGNS[first.sense], first.what, told, names(one.models)


def code_span(text: str) -> str:
    """In a span nothing is markup, and an `@` calls nobody."""
    return f"`{one_line(text).replace('`', chr(39))}`"


def _of_model(slug: str, own: Sequence[Difference]) -> tuple[str, str, str]:
    """`3 appeared, 1 gone`, with the sign of the worst."""
    sense = min((one.sense for one in own), key=list(Sense).index)
    told = ", ".join(f"{number} {what}" for what, number in Counter(one.what for one in own).items())
    return _SIGNS[sense], slug, told


def names(slugs: Sequence[str], most: int = EXAMPLES) -> str:
    """The first few, and how many more."""
    more = f" and {len(slugs) - most:,} more" if len(slugs) > most else ""
    return ", ".join(slugs[:most]) + more


def print_more(number: int, what: str) -> None:
    """How much was left out, if anything was."""
    if number > 0:
        click.echo(f"… and {plural(number, f'more {what}')} (--format json has all)")
