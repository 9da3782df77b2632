"""The run in a few lines: `summary.md` for a pull request, and the end of `driftgate run` in a terminal."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from driftgate.core.records import Finding
from driftgate.machine.store import RunStore
from driftgate.steps.report import units
from driftgate.steps.report.marks import MARKS, State
from driftgate.steps.report.names import common_prefix, cut, cut_middle, plain
from driftgate.steps.report.overview import Cause, Overview, Row, overview_of
from driftgate.steps.report.verdict import headline
from driftgate.steps.terminal import COLUMNS, Screen, Terminal, rest_of

REPORT = "report/index.html"
_FINDINGS = 20
_EXPECTED = 10
_ROWS = 25
_TABLE_COLUMNS = 16
_SENTENCE = 300
_NAME = 60
_MARKUP = re.compile(r"[\\`*<>\[\]|~&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_ASCII = str.maketrans({"…": "~", "×": "x", "–": "-", "·": ".", "≤": "<", "≥": ">", "µ": "u"})


def summary_markdown(store: RunStore) -> str:
    """`summary.md`: the verdict in the first line, then findings, then the matrix; some 20 KB at most, so that it fits a comment."""
    view = overview_of(store)
    says = headline(view)
    blocks = [
        f"{says.symbol} **{says.word}**: {says.sentence}",
        *([escaped(view.frame.compared)] if view.frame.compared else []),
        *_findings(view),
        *_expected(view),
        *_matrix(view),
    ]
    manifest = view.frame.manifest
    told = view.highlights.lines(manifest.config.get("reference") if manifest else None)
    if told:
        blocks.append("\n".join(f"- {escaped(line)}" for line in told))
    blocks.append(f"Run `{view.frame.run_id}`; everything else is in `{REPORT}`.")
    return "\n\n".join(blocks) + "\n"


def print_summary(store: RunStore, console: Console) -> None:
    """The same on a terminal, in at most 30 lines of at most 80 columns (fewer on a narrower terminal); a long path is never cut.

    The path is where the report lies or will lie: it need not have been built yet.
    """
    ascii_only = console.options.ascii_only
    screen = Screen(min(COLUMNS, console.width), ascii_only)
    lines = [*Terminal(overview_of(store), screen).lines(), Text(f"Report: {_shortest(store.root / REPORT)}")]
    for line in lines:
        if ascii_only:
            line.plain = line.plain.translate(_ASCII).encode("ascii", "replace").decode("ascii")
        console.print(line, soft_wrap=True, highlight=False)


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line; an `@` in it calls nobody."""
    return _MARKUP.sub(lambda match: _ENTITIES.get(match[0], f"\\{match[0]}"), plain(text)).replace("@", "@\u2060")


def code(text: str) -> str:
    """A code span; a backtick or a pipe in it would end it, or the table's cell."""
    return f"`{plain(text).translate(str.maketrans('`|', chr(39) + '/'))}`"


def _findings(view: Overview) -> Iterator[str]:
    lines = [_finding(finding) for finding in view.frame.findings]
    return _section("Findings", lines, _FINDINGS, "more finding", where=", in `findings.json`")


def _section(title: str, lines: list[str], most: int, more: str, where: str = "") -> Iterator[str]:
    """A heading and at most so many of the lines, with a line that counts the others; nothing without lines."""
    if not lines:
        return
    rest = [f"- … and {units.plural(len(lines) - most, more)}{where}"] if len(lines) > most else []
    yield f"### {title}"
    yield "\n".join([*lines[:most], *rest])


def _finding(finding: Finding) -> str:
    line = f"- **{finding.severity.value}**: {escaped(cut(plain(finding.sentence), _SENTENCE))}"
    if finding.accepted is not None:
        line += f" (accepted: {escaped(cut(plain(finding.accepted), _SENTENCE))})"
    return f"{line}  \n  {code(finding.repro)}" if finding.repro else line


def _expected(view: Overview) -> Iterator[str]:
    lines = [_excuse(cause) for cause in view.causes if cause.expected]
    return _section("Failed as expected", lines, _EXPECTED, "more cause")


def _excuse(cause: Cause) -> str:
    who = code(cut_middle(cause.examples[0], _NAME)) if cause.models == 1 else units.plural(cause.models, "model")
    return f"- {code(cause.column)} of {who}, {cause.kind}: {escaped(cut(plain(cause.reason or ''), _SENTENCE))}"


def _matrix(view: Overview) -> Iterator[str]:
    """Models × cells in symbols. Where there are too many columns, those stay that have most to say."""
    columns = _columns(view)
    prefix = common_prefix([row.slug for row in view.rows])
    head = ["model" + (f" ({prefix}…)" if prefix else ""), *(column.replace(".", " ", 1) for column in columns)]
    lines = [f"| {' | '.join(head)} |", "|---|" + ":-:|" * len(columns)]
    lines += [_row(row, columns, prefix) for row in view.rows[:_ROWS]]
    yield "### Models × stages"
    yield "\n".join(lines)
    yield _below(view, len(view.columns) - len(columns))


def _row(row: Row, columns: list[str], prefix: str) -> str:
    signs = (row.squares[column].mark.symbol if column in row.squares else " " for column in columns)
    return f"| {code(cut_middle(row.slug.removeprefix(prefix), _NAME))} | {' | '.join(signs)} |"


def _columns(view: Overview) -> list[str]:
    def worst(column: str) -> int:
        return max((row.squares[column].mark.rank for row in view.rows if column in row.squares), default=0)

    kept = set(sorted(view.columns, key=worst, reverse=True)[:_TABLE_COLUMNS])
    return [column for column in view.columns if column in kept]


def _below(view: Overview, hidden: int) -> str:
    left = view.rows[_ROWS:]
    said = [rest_of(left)] if left else []
    if hidden:
        said.append(f"{units.plural(hidden, 'more column')} in the report")
    legend = ", ".join(f"{MARKS[state].symbol} {MARKS[state].meaning}" for state in State if view.counts[state])
    return "  \n".join([*said, f"{legend}."])


def _shortest(path: Path) -> str:
    """Beside the current folder as a person would type it, else in full."""
    relative = os.path.relpath(path)
    return str(path.resolve()) if relative.startswith("..") else relative
