"""The end of `driftgate run`: verdict, matrix, what failed and why, where the report lies. 30 lines of 80 columns, whatever the fleet.

Every state is a symbol, so that nothing is lost without colour; a terminal that cannot show them gets letters.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from rich.cells import cell_len
from rich.text import Text

from driftgate.core.causes import Told
from driftgate.core.records import Severity
from driftgate.steps.report import units
from driftgate.steps.report.marks import Mark, Square, State
from driftgate.steps.report.names import common_prefix, cut, cut_middle, plain
from driftgate.steps.report.overview import Cause, Overview, Row
from driftgate.steps.report.verdict import headline

LINES = 30
COLUMNS = 80
_ROWS = 14
_CAUSES = 8
_CAUSES_BESIDE = 3
_GROUP_LINES = 9
_OWNER = 24
_VERDICT_LINES = 3
_HIGHLIGHTS = 4
_HIGHLIGHTS_BESIDE = 3
_MOST_STAGES = 6
_ORDER_LINES = 2
_MOST_SIGNS = 7
_STYLES = {"passed": "bold green", "failed": "bold red", "error": "bold yellow", "open": "bold yellow"}


_ALARMS = {Severity.ERROR: ("✗", "F", "bold red"), Severity.WARNING: ("△", "W", "bold yellow")}


@dataclass(frozen=True)
class Screen:
    """What the lines are made for: `width` in columns, `ascii_only` where symbols cannot be shown."""

    width: int = COLUMNS
    ascii_only: bool = False


class Terminal:
    """The lines of a run, the path of the report left to the caller."""

    def __init__(self, view: Overview, screen: Screen) -> None:
        self._view = view
        self._screen = screen
        self._prefix = common_prefix([row.slug for row in view.rows])

    def lines(self) -> list[Text]:
        """At most `LINES` − 1 lines. Findings, causes and highlights take what they need, the matrix what is left of its rows. Where
        there are findings by likely cause, only those causes of cells are told beside them that are known."""
        verdict = self._verdict()
        judged = self._view.frame.judged
        if judged is not None and judged.groups:
            known = [cause for cause in self._view.causes if cause.expected]
            told = [self._groups(), self._causes(known, _CAUSES_BESIDE), self._highlights()[:_HIGHLIGHTS_BESIDE]]
        else:
            told = [self._causes(self._view.causes, _CAUSES), self._highlights()]
        below = [block for block in told if block]
        taken = 1 + len(verdict) + sum(1 + len(block) for block in below)
        # Beside its rows the matrix has a header, a line of what is left out, the order of its signs, and a blank line.
        matrix = self._matrix(min(_ROWS, LINES - 1 - taken - 3 - len(self._order)))
        blocks = [verdict, matrix, *below]
        return [line for block in blocks for line in (*block, Text())]

    def _verdict(self) -> list[Text]:
        says = headline(self._view)
        mark = says.symbol if not self._screen.ascii_only or says.symbol.isascii() else "*"
        first, *rest = _wrapped(f"{mark} {says.word}: {says.sentence}", self._screen.width, _VERDICT_LINES)
        head = f"{mark} {says.word}:"
        return [Text.assemble((head, _STYLES[says.state]), first[len(head) :]), *map(Text, rest)]

    # -- the matrix ----------------------------------------------------------------------------------------------

    @cached_property
    def _stages(self) -> dict[str, list[str]]:
        """Stage → its columns, in the order of the pipeline."""
        stages: dict[str, list[str]] = {}
        for column in self._view.columns:
            stages.setdefault(column.partition(".")[0].partition("@")[0], []).append(column)
        return dict(list(stages.items())[:_MOST_STAGES])

    @cached_property
    def _widths(self) -> dict[str, int]:
        """Stage → columns on the screen."""
        return {name: max(min(len(name), 8), min(len(cells), _MOST_SIGNS)) for name, cells in self._stages.items()}

    @cached_property
    def _name_width(self) -> int:
        room = self._screen.width - sum(2 + width for width in self._widths.values())
        longest = max((len(row.slug) - len(self._prefix) for row in self._view.rows), default=0)
        return min(room, max(longest, len(self._prefix) + 1))

    def _matrix(self, height: int) -> list[Text]:
        rows = self._view.rows
        head = [cut_middle(f"{self._prefix}…" if self._prefix else "model", self._name_width).ljust(self._name_width)]
        head += [f"  {cut(name, width).ljust(width)}" for name, width in self._widths.items()]
        lines = [Text("".join(head).rstrip(), style="dim"), *map(self._row, rows[:height])]
        if len(rows) > height:
            lines.append(Text(rest_of(rows[height:])))
        return lines + [Text(line, style="dim") for line in self._order]

    @cached_property
    def _order(self) -> list[str]:
        """Which sign of a stage stands for which target, where it has several."""
        several = [
            f"{name}: {', '.join(_after(name, cells))}" for name, cells in self._stages.items() if len(cells) > 1
        ]
        return _wrapped("; ".join(several), self._screen.width, _ORDER_LINES)

    def _row(self, row: Row) -> Text:
        line = Text(self._name(row.slug, self._name_width).ljust(self._name_width))
        for name, columns in self._stages.items():
            line.append("  ").append(self._signs([row.squares.get(column) for column in columns], self._widths[name]))
        line.rstrip()
        return line

    def _signs(self, squares: list[Square | None], width: int) -> Text:
        """One sign a cell; where they do not fit, the worst one and how many passed."""
        signs = Text()
        if len(squares) > width:
            present = [square for square in squares if square]
            worst = max(present, key=lambda square: square.mark.rank, default=None)
            passed = sum(square.state is State.PASSED for square in present)
            signs.append_text(self._sign(worst)).append(f" {passed}/{len(present)}")
        else:
            for square in squares:
                signs.append_text(self._sign(square))
        signs.truncate(width, pad=True)
        return signs

    def _sign(self, square: Square | None) -> Text:
        if square is None:
            return Text(" ")
        return Text(self._symbol(square.mark), style=_style(square.mark))

    def _symbol(self, mark: Mark) -> str:
        return mark.letter if self._screen.ascii_only else mark.symbol

    def _name(self, slug: str, width: int) -> str:
        return cut_middle(slug.removeprefix(self._prefix), width)

    # -- below it ------------------------------------------------------------------------------------------------

    def _groups(self) -> list[Text]:
        """What was found, by likely cause: one line each, two for the first ones where there is room."""
        alarms = [one for one in self._view.frame.groups if one.is_alarm]
        news = sum(len(one.findings) for one in self._view.frame.groups if not one.is_alarm)
        most = _GROUP_LINES - (news > 0)
        shown = alarms if len(alarms) <= most else alarms[: most - 1]
        spare = most - len(shown) - (len(alarms) > len(shown))
        lines = []
        for one in shown:
            told = self._group(one, 2 if spare > 0 else 1)
            spare -= len(told) - 1
            lines += told
        if len(alarms) > len(shown):
            lines.append(Text(f"… and {units.plural(len(alarms) - len(shown), 'more cause')}, in the report"))
        if news:
            lines.append(Text(f"· {units.plural(news, 'finding')} more: better than before, changed or accepted"))
        return lines

    def _group(self, one: Told, most: int) -> list[Text]:
        symbol, letter, style = _ALARMS[one.group.severity]
        owner = f" [{cut(plain(one.owner), _OWNER)}]" if one.owner else ""
        room = self._screen.width - 2
        first, *rest = _wrapped(f"{plain(one.group.sentence)}{owner}", room, most) or [""]
        if most == 1 and owner:
            first = cut(plain(one.group.sentence), room - cell_len(owner)) + owner
        head = Text.assemble((letter if self._screen.ascii_only else symbol, style), " ", cut(first, room))
        return [head, *(Text(f"  {cut(line, room)}") for line in rest)]

    def _causes(self, causes: list[Cause], most: int) -> list[Text]:
        shown = causes if len(causes) <= most else causes[: most - 1]
        lines = [self._cause(cause) for cause in shown]
        left = causes[len(shown) :]
        if left:
            lines.append(Text(f"… and {units.plural(len(left), 'more cause')}, in the report"))
        return lines

    def _cause(self, cause: Cause) -> Text:
        mark = _mark_of(cause, self._view)
        who = self._name(cause.examples[0], 24) if cause.models == 1 else units.plural(cause.models, "model")
        why = f"expected: {cause.reason}" if cause.reason is not None else f"{cause.kind}: {cause.message}"
        said = plain(f"{cut_middle(cause.column, 24)} of {who}, {why}")
        return Text.assemble((self._symbol(mark), _style(mark)), " ", cut(said, self._screen.width - 2))

    def _highlights(self) -> list[Text]:
        manifest = self._view.frame.manifest
        reference = manifest.config.get("reference") if manifest else None
        told = self._view.highlights.lines(reference, lambda slug: self._name(slug, 24))
        return [Text(cut(plain(line), self._screen.width)) for line in told[:_HIGHLIGHTS]]


def _wrapped(text: str, width: int, most: int) -> list[str]:
    """At most `most` lines."""
    return textwrap.wrap(text, width, max_lines=most, placeholder=" …", break_on_hyphens=False)


def _mark_of(cause: Cause, view: Overview) -> Mark:
    """The mark of the cause's first cell."""
    row = next(row for row in view.rows if row.slug == cause.examples[0])
    return row.squares[cause.column].mark


def rest_of(rows: list[Row]) -> str:
    """What the rows say that are not shown; they are sorted, so that the first is the worst."""
    worse = sum(row.rank > 1 for row in rows)
    if worse:
        return f"… and {len(rows):,} more, {worse:,} of them not passed"
    return f"… and {len(rows):,} more, all passed" + (" or skipped" if rows[0].rank else "")


def _after(stage: str, columns: list[str]) -> Iterator[str]:
    """What follows the stage in each column's name: the target, the variant."""
    return (column.removeprefix(stage).lstrip(".") or stage for column in columns)


def _style(mark: Mark) -> str:
    return "green" if mark.rank == 0 else "bold red" if mark.rank >= 4 else "magenta" if mark.rank == 2 else "dim"
