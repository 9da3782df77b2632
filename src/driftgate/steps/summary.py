"""The run in a few lines: `summary.md` for a pull request, and the end of `driftgate run` in a terminal."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from driftgate.core.causes import Told
from driftgate.core.records import Finding, Severity
from driftgate.machine.store import RunStore
from driftgate.steps.report import units
from driftgate.steps.report.names import cut, plain
from driftgate.steps.report.overview import Overview, overview_of
from driftgate.steps.report.verdict import headline
from driftgate.steps.terminal import COLUMNS, Screen, Terminal

REPORT = "report/index.html"
LENGTH = 25_000
"""Characters. GitHub refuses a comment of more than 65,536; nobody reads one of half of that."""
_EXAMPLES = 3
_SENTENCE = 300
_COMMAND = 600
_OWNER = 100
_MARKUP = re.compile(r"[\\`*<>\[\]|~&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_CALLS = re.compile(r"@|#(?=\d)|:(?=//)|(?<=www)\.", re.IGNORECASE)
"""What a forge makes of plain text by itself: a mention, a reference to an issue, a link."""
_ASCII = str.maketrans({"→": ">", "…": "~", "×": "x", "–": "-", "·": ".", "≤": "<", "≥": ">", "µ": "u"})


@dataclass(frozen=True)
class _Section:
    """A heading and the groups under it, `most` of them at the most. A group is in the first section that takes it."""

    title: str
    takes: Callable[[Told], bool]
    most: int


_SECTIONS = (
    _Section("Accepted", lambda told: told.findings[0].accepted is not None, 10),
    _Section("New findings", lambda told: told.group.severity is Severity.ERROR, 40),
    _Section("Flaky", lambda told: told.findings[0].rule == "flaky", 5),
    _Section("Warnings", lambda told: told.group.severity is Severity.WARNING, 15),
    _Section("Better", lambda told: told.findings[0].rule == "better", 10),
    _Section("Otherwise different", lambda _: True, 5),
)
_ORDER = ("New findings", "Warnings", "Flaky", "Better", "Otherwise different", "Accepted")


def summary_markdown(store: RunStore) -> str:
    """`summary.md`: the verdict in the first line, then what differs between the runs and what that changed, by likely cause. Some
    `LENGTH` characters at most, whatever the fleet: what is left out is counted."""
    view = overview_of(store)
    says = headline(view)
    blocks = [f"{says.symbol} **{says.word}**: {says.sentence}"]
    if view.frame.compared:
        blocks.append(escaped(cut(plain(view.frame.compared), 2 * _SENTENCE)))
    room = LENGTH
    for title, told, most in _sections(view):
        blocks.append(_section(title, told, most, room))
        room -= len(blocks[-1])
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
    """Text that Markdown shows as it is, on one line: it calls nobody, closes no issue and links nowhere."""
    shown = _MARKUP.sub(lambda match: _ENTITIES.get(match[0], f"\\{match[0]}"), plain(text))
    return _CALLS.sub(lambda match: f"{match[0]}\u2060", shown)


def code(text: str) -> str:
    """A code span; a backtick or a pipe in it would end it, or the table's cell."""
    return f"`{plain(text).translate(str.maketrans('`|', chr(39) + '/'))}`"


def _sections(view: Overview) -> Iterator[tuple[str, list[Told], int]]:
    """Title, groups and how many of them, in the order of the comment; empty ones are left out."""
    by_title: dict[str, list[Told]] = {}
    most = {section.title: section.most for section in _SECTIONS}
    for told in view.frame.groups:
        by_title.setdefault(next(section.title for section in _SECTIONS if section.takes(told)), []).append(told)
    for title in _ORDER:
        if title in by_title:
            yield title, by_title[title], most[title]


def _section(title: str, told: Sequence[Told], most: int, room: int) -> str:
    """A heading and as many groups as fit, with a line that counts the others."""
    lines = [f"### {title}", ""]
    shown = 0
    for entry in map(_group, told[:most]):
        room -= len(entry)
        if room < 0:
            break
        lines.append(entry)
        shown += 1
    left = told[shown:]
    if left:
        findings = units.plural(sum(len(one.findings) for one in left), "finding")
        lines.append(f"- … and {units.plural(len(left), 'more cause')} ({findings}), in `findings.json`")
    return "\n".join(lines)


def _group(told: Told) -> str:
    """A cause in one line, then a few of its findings and how many more there are."""
    owner = f" ({escaped(cut(told.owner, _OWNER))})" if told.owner else ""
    if len(told.findings) == 1:
        return f"- {_finding(told.findings[0])}{owner}{_command(told.findings[0], 2)}"
    lines = [f"- **{escaped(cut(plain(told.group.sentence), _SENTENCE))}**{owner}"]
    lines += [f"  - {_finding(one)}{_command(one, 4)}" for one in told.findings[:_EXAMPLES]]
    left = len(told.findings) - _EXAMPLES
    return "\n".join([*lines, *([f"  - … and {left:,} more"] if left > 0 else [])])


def _finding(finding: Finding) -> str:
    line = escaped(cut(plain(finding.sentence), _SENTENCE))
    return (
        line if finding.accepted is None else f"{line} (accepted: {escaped(cut(plain(finding.accepted), _SENTENCE))})"
    )


def _command(finding: Finding, indent: int) -> str:
    """What repeats it, on a line of its own; a command that was cut would repeat something else."""
    if finding.repro is None or len(finding.repro) > _COMMAND or finding.severity is Severity.INFO:
        return ""
    return f"  \n{' ' * indent}{code(finding.repro)}"


def _shortest(path: Path) -> str:
    """Beside the current folder as a person would type it, else in full."""
    relative = os.path.relpath(path)
    return str(path.resolve()) if relative.startswith("..") else relative
