"""`coverage.html`: how far each model came, by family as a picture, what fails by cause, and a line for each model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from driftgate.core.coverage import REACH_WORDS, Columns, Reach, Row, Total, funnel, reach, totals, worst_first
from driftgate.core.failure_groups import failure_groups
from driftgate.core.tasks import Modality
from driftgate.core.verdicts import FailureKind
from driftgate.steps.report import units
from driftgate.steps.report.marks import Square
from driftgate.steps.report.overview import Overview
from driftgate.steps.report.site import Site, page_names, paged
from driftgate.steps.report.svg import picture, stacked

ROWS_PER_PAGE = 1000
MOST_GROUPS = 100
MOST_TASKS = 25
LEAST_OF_A_STEM, MOST_STEMS = 3, 25
PICTURE = "coverage.svg"

LOOKS = {
    Reach.THROUGH: ("#3f7fd6", 20),
    Reach.RANDOM: ("#1f9481", 17),
    Reach.DRIFTS: ("#b8559c", 15),
    Reach.UNRUN: ("#8f6bd1", 13),
    Reach.UNEXPORTED: ("#d9730d", 11),
    Reach.UNEXPLAINED: ("#a07a00", 9),
    Reach.UNFIT: ("#c2502f", 7),
    Reach.UNKNOWN: ("#828a96", 4),
}
"""Colour and height of a bar's part: the further a model came, the higher. Each keeps 3:1 on white and on the dark page."""


@dataclass(frozen=True)
class Drawn:
    """A total with the address of its bar."""

    total: Total
    picture: str


@dataclass(frozen=True)
class Line:
    """A row of the board: its squares in the order of the columns, None where nothing was scheduled."""

    row: Row
    reach: Reach
    modality: str
    squares: tuple[Square | None, ...]
    seconds: float


def coverage_pages(site: Site, rows: Sequence[Row], columns: Columns, view: Overview) -> None:
    """The page, its picture, and the further pages of models."""
    bars: list[str] = []
    tables = {
        "Modality": _drawn(totals(rows, columns, _modality), bars),
        "Task": _drawn(totals(rows, columns, lambda row: row.task)[:MOST_TASKS], bars),
        "Family": _drawn(_stems(rows, columns), bars),
    }
    whole = _drawn(totals(rows, columns, lambda row: "all"), bars)
    reached = [one for one in REACH_WORDS if whole and whole[0].total.reached[one]]
    legend = {one: _next(bars, stacked([(1, *LOOKS[one])])) for one in reached}
    site.file(PICTURE, picture(bars))
    groups = failure_groups((row.slug, seen) for row in rows for seen in row.failures)
    squares = {row.slug: row.squares for row in view.rows}
    pages = list(paged([_line(row, columns, squares[row.slug]) for row in worst_first(rows, columns)], ROWS_PER_PAGE))
    files = page_names("coverage", len(pages))
    for number, lines in enumerate(pages, start=1):
        site.page(
            files[number - 1],
            "coverage.html.j2",
            columns=columns,
            words=REACH_WORDS,
            shares=funnel(rows, columns),
            tables=tables,
            whole=whole,
            legend=legend,
            groups=groups[:MOST_GROUPS],
            more_groups=len(groups[MOST_GROUPS:]),
            lines=lines,
            modalities=[drawn.total for drawn in tables["Modality"]],
            total=len(rows),
            number=number,
            names={row.slug: row.name for row in rows},
            pages=files,
        )


def _drawn(found: Sequence[Total], bars: list[str]) -> list[Drawn]:
    return [Drawn(total, _next(bars, _bar(total))) for total in found]


def _next(bars: list[str], shapes: str) -> str:
    """Add a bar to the picture; its address there."""
    bars.append(shapes)
    return f"{PICTURE}#r{len(bars) - 1}"


def _bar(total: Total) -> str:
    return stacked([(total.reached[one] / len(total.rows), *LOOKS[one]) for one in REACH_WORDS if total.reached[one]])


def _modality(row: Row) -> str:
    """One of the table's: it becomes a class of the page, and records may come from anywhere."""
    return row.modality if row.modality in set(Modality) else Modality.OTHER.value


def _stems(rows: Sequence[Row], columns: Columns) -> list[Total]:
    found = totals(rows, columns, lambda row: row.stem)
    return [total for total in found if len(total.rows) >= LEAST_OF_A_STEM][:MOST_STEMS]


def _line(row: Row, columns: Columns, squares: dict[str, Square]) -> Line:
    cells = tuple(_squares(row, columns, squares))
    return Line(row, reach(row, columns), _modality(row), cells, sum(row.seconds.values()))


def _squares(row: Row, columns: Columns, squares: dict[str, Square]) -> Iterator[Square | None]:
    """The matrix's squares. The first says why a model never ran, drift beyond tolerance how far it goes."""
    for cell in columns.all:
        square = squares.get(cell)
        if cell == columns.eager and row.kind(cell) is FailureKind.UPSTREAM:
            yield next(
                (squares[stage] for stage in ("pull", "inputs") if stage in squares and not row.passed(stage)), square
            )
        elif square is not None and row.kind(cell) is FailureKind.OUT_OF_TOLERANCE:
            yield Square(square.state, units.error(row.drifts.get(cell)), square.title)
        else:
            yield square
