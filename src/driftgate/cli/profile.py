"""`driftgate profile`: the operators that a step of a model spends its time in."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import click

from driftgate.cli.desk import Subject, of_a_model, open_desk
from driftgate.core.errors import ExitCode
from driftgate.core.records import OperatorTime, ProfilePayload, StageRecord
from driftgate.core.text import human_seconds

if TYPE_CHECKING:
    from driftgate.cli.columns import Line, Section

TOP = 15
NAME = 28
FIXED = 56
"""Columns that all but the place take."""
MODEL = "(the model itself)"
_HEADER = ("operator", "calls", "time", "share", "where")


class _Row(NamedTuple):
    name: str
    calls: float
    seconds: float
    where: str


@click.command()
@of_a_model
@click.option(
    "--by",
    type=click.Choice(["place", "operator", "module"]),
    default="place",
    help="A row for each operator at each place, for each operator, or for each module.",
)
@click.option("--top", type=click.IntRange(1, 1000), default=TOP, help="Rows to print of each target.", metavar="N")
def profile(subject: Subject, form: str, by: str, top: int) -> int:
    """Profile one step of a model: torch's profiler for torch targets, ONNX Runtime's for the others, in one table.

    The rows and what lies outside them add up to the step; how much the profiler itself costs is said. Ends with 1 if a target cannot
    be profiled.
    """
    from driftgate.core.records import Cell
    from driftgate.pipeline import closure

    desk = open_desk(subject, "profile")
    cells = [Cell(model=desk.entry.slug, stage="profile", target=target) for target in desk.targets]
    desk.conduct(dict.fromkeys(need for cell in cells for need in closure(cell, desk.settings.reference)))
    records = desk.records(cells)
    _show(records, form, by, top)
    click.echo(f"files: {desk.store.root}", err=True)
    return ExitCode.FINE if all(record.passed for record in records) else ExitCode.REGRESSIONS


def _show(records: list[StageRecord], form: str, by: str, top: int) -> None:
    from driftgate.cli.columns import print_sections, say

    if form == "json":
        click.echo(json.dumps([record.to_dict() for record in records], indent=1))
        return
    header = _HEADER if by != "module" else ("module", *_HEADER[1:4], "most in")
    print_sections(
        header, [_section(record, by, top) for record in records], column="target", markdown=form == "markdown"
    )
    if form == "table":
        for note in dict.fromkeys(note for record in records for note in _notes(record)):
            say(f"note: {note}")


def _notes(record: StageRecord) -> tuple[str, ...]:
    return record.payload.notes if isinstance(record.payload, ProfilePayload) else ()


def _section(record: StageRecord, by: str, top: int) -> Section:
    from driftgate.cli.columns import Line, Section

    target = record.target or ""
    if not isinstance(record.payload, ProfilePayload):
        failure = record.failure
        said = f"{failure.kind.value}: {failure.message}" if failure else "no payload"
        return Section(target, (Line("–", sentence=" ".join(said.split())[:400]),))
    told = record.payload
    title = (
        f"{target}: {human_seconds(told.p50_s)} a step; {human_seconds(told.profiled_p50_s)} with {told.profiler}"
        f" ({told.overhead:+.0%})"
    )
    return Section(title, tuple(_lines(told, by, top)))


def _lines(told: ProfilePayload, by: str, top: int) -> list[Line]:
    rows = _grouped(told.operators, by)
    rest = rows[top:]
    shown = rows[:top]
    if rest:
        shown.append(_Row(f"{len(rest)} more rows", sum(r.calls for r in rest), sum(r.seconds for r in rest), ""))
    shown.append(_Row("outside operators", 0.0, told.outside_s, "Python, dispatching"))
    total = _Row("the step, profiled", 0.0, told.step_s, f"mean of {told.steps}")
    return [_line(row, told.step_s) for row in (*shown, total)]


def _grouped(operators: tuple[OperatorTime, ...], by: str) -> list[_Row]:
    """Rows, the slowest first. Those of operators and modules say where most of their time goes."""
    if by == "place":
        return [_Row(o.operator, o.calls, o.seconds, _where(o)) for o in operators]
    groups: dict[str, list[OperatorTime]] = defaultdict(list)
    for operator in operators:
        groups[operator.operator if by == "operator" else _module(operator)].append(operator)
    rows = [_group(name, members, by) for name, members in groups.items()]
    return sorted(rows, key=lambda row: -row.seconds)


def _group(name: str, members: list[OperatorTime], by: str) -> _Row:
    most = max(members, key=lambda member: member.seconds)
    where = _where(most) if by == "operator" else most.operator
    return _Row(name, sum(m.calls for m in members), sum(m.seconds for m in members), where)


def _module(operator: OperatorTime) -> str:
    return "(not known)" if operator.module is None else operator.module or MODEL


def _where(operator: OperatorTime) -> str:
    """The exported node and its module; what is known of it."""
    module = None if operator.module is None else operator.module or MODEL
    return ", ".join(part for part in (operator.node or operator.fused, module) if part)


def _line(row: _Row, step: float) -> Line:
    from driftgate.cli.columns import Line, width

    calls = f"{row.calls:.4g}" if row.calls else ""
    cells = (calls, human_seconds(row.seconds), f"{row.seconds / step:.1%}", _cut(row.where, width() - FIXED))
    return Line(_cut(row.name, NAME), cells)


def _cut(text: str, length: int) -> str:
    """The end is what tells one module or node from another."""
    return text if len(text) <= length else "…" + text[1 - length :]
