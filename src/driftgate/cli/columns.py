"""Tables in sections, for terminals of 80 columns: a title over each section, the same columns in all, rows that are one sentence."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import click
from rich.cells import cell_len

from driftgate.cli.show import print_rows

INDENT = "  "


def width() -> int:
    """Columns of the terminal; 80 where there is none."""
    return max(shutil.get_terminal_size((80, 24)).columns, 80)


@dataclass(frozen=True)
class Line:
    """A row: its name, then either cells or, where there is nothing to count, a sentence."""

    name: str
    cells: tuple[str, ...] = ()
    sentence: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the table under a title."""

    title: str
    lines: tuple[Line, ...]


def say(text: str) -> None:
    """A sentence, folded to the terminal's columns."""
    click.echo(click.wrap_text(text, width()))


def print_sections(header: Sequence[str], sections: Sequence[Section], *, column: str, markdown: bool) -> None:
    """Print them: aligned in a terminal; in Markdown one table, in which `column` names the titles and sentences are cells of their own."""
    if markdown:
        rows = [_markdown_row(section, line, len(header)) for section in sections for line in section.lines]
        print_rows((column, *header, "remarks"), rows, markdown=True)
        return
    lines = [line for section in sections for line in section.lines]
    table = [tuple(header), *((line.name, *line.cells) for line in lines if not line.sentence)]
    names = max(cell_len(name) for name in (header[0], *(line.name for line in lines)))
    widths = [names, *(max(cell_len(row[i]) for row in table) for i in range(1, len(header)))]
    click.echo(click.style(_aligned(tuple(header), widths), dim=True))
    for section in sections:
        click.echo(click.style(section.title, bold=True))
        for line in section.lines:
            click.echo(_sentence(line, names) if line.sentence else _aligned((line.name, *line.cells), widths))


def _markdown_row(section: Section, line: Line, columns: int) -> tuple[str, ...]:
    cells = line.cells or ("–",) * (columns - 1)
    return (section.title, line.name, *cells, line.sentence)


def _aligned(row: tuple[str, ...], widths: Sequence[int]) -> str:
    padded = [cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
    return INDENT + "  ".join(padded).rstrip()


def _sentence(line: Line, names: int) -> str:
    start = f"{INDENT}{line.name}{' ' * (names - cell_len(line.name))}  "
    return "\n".join(
        textwrap.wrap(line.sentence, width(), initial_indent=start, subsequent_indent=" " * cell_len(start)) or [start]
    )
