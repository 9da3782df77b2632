"""docs/coverage.md of the runs of the field, with its picture and its twin for machines, coverage.json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources

import yaml

from benchmarks.field_numbers import ASKED, Number, machines_of, numbers, phases, versions_of
from benchmarks.field_picture import draw
from driftgate.core.coverage import REACH_WORDS, Columns, Row, Total, totals
from driftgate.core.failure_groups import FailureGroup, failure_groups
from driftgate.core.text import human_seconds, plural
from driftgate.core.verdicts import FailureKind
from driftgate.machine.store import RunStore
from driftgate.steps.report.coverage import coverage_of
from driftgate.steps.report.units import error

TITLES = {"field": "transformers", "field-timm": "timm"}
"""Fleet → whose architectures it has."""
ORT = "ort-cpu"
MOST_STEMS, LEAST_OF_A_STEM = 30, 4
MOST_NAMES, MOST_PLACES = 8, 4
WIDTH = 150


@dataclass(frozen=True)
class Part:
    """A fleet, of one run or of several that are its shares."""

    fleet: str
    stores: tuple[RunStore, ...]
    rows: tuple[Row, ...]
    columns: Columns
    numbers: tuple[Number, ...]

    @property
    def title(self) -> str:
        return TITLES.get(self.fleet, self.fleet)

    @property
    def picture(self) -> str:
        """A fleet's name comes from a run, which may be anybody's: it leads nowhere."""
        return f"pictures/coverage-{re.sub(r'[^A-Za-z0-9_-]', '-', self.title)}.svg"


@dataclass(frozen=True)
class Scoreboard:
    """All parts, and the section about full-size models, in Markdown; empty for none."""

    parts: tuple[Part, ...]
    full_size: str = ""
    made: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def holds(self) -> bool:
        """Whether every number is what was asked for."""
        return all(number.holds is not False for part in self.parts for number in part.numbers)

    def files(self, page: str, twin: str, made_of: Sequence[str], *, complete: bool) -> dict[str, str]:
        """Name → text of everything that is written. `made_of` names what the page tells of; `complete` says that this is all parts."""
        drawn = {part.picture: draw(part.title, totals(part.rows, part.columns, _modality)) for part in self.parts}
        head = {"made": f"{self.made:%Y-%m-%d}", "made_of": list(made_of), "complete": complete}
        return {page: "\n".join(_page(self)), twin: _twin(self, head), **drawn}


def scoreboard(stores: Iterable[RunStore], full_size: str = "") -> Scoreboard:
    """The runs by fleet. Raises UsageError for one without a plan."""
    by_fleet: dict[str, list[RunStore]] = {}
    for store in stores:
        by_fleet.setdefault(store.plan().fleet, []).append(store)
    return Scoreboard(tuple(_part(fleet, tuple(some)) for fleet, some in by_fleet.items()), full_size)


def _part(fleet: str, stores: tuple[RunStore, ...]) -> Part:
    rows, columns = coverage_of(stores)
    return Part(fleet, stores, tuple(rows), columns, tuple(numbers(rows, columns, stores, ASKED.get(fleet))))


def _modality(row: Row) -> str:
    return row.modality


def _page(board: Scoreboard) -> Iterator[str]:
    stores = [store for part in board.parts for store in part.stores]
    yield "# Coverage: every architecture that transformers has"
    yield ""
    yield f"Made by `make field` on {board.made:%Y-%m-%d}. Tiny models with random weights; nothing was downloaded."
    yield "Percentages are never rounded up. [coverage.json](coverage.json) has the verdicts for machines."
    yield ""
    yield f"- Versions: {', '.join(f'{name} {version}' for name, version in versions_of(stores).items())}"
    yield from (f"- Machine: {machine}" for machine in machines_of(stores))
    yield f"- Runs: {', '.join(f'`{store.run_id}`' for store in stores)}"
    yield from _overrides()
    yield ""
    for part in board.parts:
        yield from _of_part(part)
    if board.full_size:
        yield from ("## Full-size models beside tiny ones", "", board.full_size.rstrip(), "")
    for part in board.parts:
        yield from _table(part)


def _overrides() -> Iterator[str]:
    rows = yaml.safe_load((resources.files("driftgate.sources") / "zoo_overrides.yaml").read_text("utf-8"))
    types = len({name for row in rows for name in row["model_types"]})
    yield f"- What no rule reaches: {plural(len(rows), 'row')} about {plural(types, 'type')} in `zoo_overrides.yaml`, each with a reason"


def _of_part(part: Part) -> Iterator[str]:
    yield from (f"## {part.title}", "", "| what | measured | asked | |", "|---|---|---|---|")
    yield from (f"| {n.name} | {n.told} | {n.asked} | {_mark(n)} |" for n in part.numbers)
    yield from ("", f"![How far the models of each modality came]({part.picture})", "")
    yield from _totals("modality", totals(part.rows, part.columns, _modality))
    stems = [one for one in totals(part.rows, part.columns, lambda row: row.stem) if len(one.rows) >= LEAST_OF_A_STEM]
    if stems:
        yield f"Families with {LEAST_OF_A_STEM} types and more; what types descend from is read off their names:"
        yield ""
        yield from _totals("family", stems[:MOST_STEMS])
    yield from ("### Where the time goes", "", "Wall time of the workers, one after the other.", "")
    yield from ("| phase | cells | in all | median | longest |", "|---|---|---|---|---|")
    for phase in phases(part.rows):
        longest = f"{human_seconds(phase.longest)} ({phase.of})"
        cells = (phase.cell, f"{phase.cells:,}", human_seconds(phase.total), human_seconds(phase.median), longest)
        yield f"| {' | '.join(cells)} |"
    yield from ("", "### What fails, by cause", "")
    groups = failure_groups((row.name, seen) for row in part.rows for seen in row.failures)
    for group in groups:
        yield from _cause(group)
    yield from (() if groups else ("Nothing.",))
    yield ""


def _mark(number: Number) -> str:
    return {None: "", True: "kept", False: "**missed**"}[number.holds]


def _totals(what: str, found: Sequence[Total]) -> Iterator[str]:
    stops = [stop for stop in REACH_WORDS if any(one.reached[stop] for one in found)]
    yield f"| {what} | models | {' | '.join(REACH_WORDS[stop] for stop in stops)} |"
    yield f"|---|---|{'---|' * len(stops)}"
    for one in found:
        counts = (str(one.reached[stop] or "") for stop in stops)
        yield f"| {one.name} | {len(one.rows)} | {' | '.join(counts)} |"
    yield ""


def _cause(group: FailureGroup) -> Iterator[str]:
    seen = group.seen
    expected = f", {group.expected} expected" if group.expected else ""
    yield f"- **{plural(len(group.models), 'model')}** at {seen.cell}, `{seen.kind.value}`{expected}: {_safe(seen.headline)}"
    if group.places:
        for place, code, names in group.places[:MOST_PLACES]:
            yield f"  - `{place}` {f'`{_code(code)}` ' if code else ''}({_names(names)})"
        more = group.places[MOST_PLACES:]
        if more:
            yield f"  - {plural(len(more), 'more place')}: {_names([name for _, _, names in more for name in names])}"
    else:
        yield f"  - {_names(list(group.models))}"


def _names(names: Sequence[str]) -> str:
    rest = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + rest


def _safe(text: str) -> str:
    """For a place outside of code: Markdown's own signs mean nothing."""
    for sign in "\\<>*_[]|":
        text = text.replace(sign, f"\\{sign}")
    return text


def _code(text: str) -> str:
    text = text.replace("`", "'")
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}…"


def _table(part: Part) -> Iterator[str]:
    targets = [cell.removeprefix("infer.").partition(".")[0] for cell in part.columns.all[3:]]
    yield f"## Every architecture of {part.title}"
    yield ""
    yield "✓ passed, ✗ failed with its kind, ○ failed as expected, – not reached."
    yield ""
    header = ("type", "architecture", "eager", "explain", "ONNX", *targets, "seconds")
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in part.rows:
        yield f"| {' | '.join(_cells(row, part.columns))} |"
    yield ""


def _cells(row: Row, columns: Columns) -> Iterator[str]:
    yield row.name
    yield row.architecture
    reasons = {seen.cell for seen in row.failures if seen.reason is not None}
    told = {"explain": _breaks(row), "export": row.exporter or "yes"}
    told |= {cell: error(value) for cell, value in row.drifts.items()}
    for cell in columns.all:
        kind, early = row.kind(cell), _before(row) if cell == columns.eager else None
        if row.passed(cell):
            yield f"✓ {told.get(cell, '')}".rstrip()
        elif early is not None:
            yield f"{'○' if early in reasons else '✗'} {early}: {_words(row.kind(early))}"
        elif kind in (None, FailureKind.UPSTREAM):
            yield "–"
        else:
            yield f"{'○' if cell in reasons else '✗'} {_words(kind)}"
    yield f"{sum(row.seconds.values()):.0f}"


def _before(row: Row) -> str | None:
    """The cell that kept the model from being run at all."""
    return next((stage for stage in ("pull", "inputs") if not row.passed(stage)), None)


def _words(kind: FailureKind | None) -> str:
    return kind.value.replace("_", " ") if kind else "no record"


def _breaks(row: Row) -> str:
    return "no breaks" if not row.breaks else plural(row.breaks, "break")


def _twin(board: Scoreboard, head: dict[str, object]) -> str:
    """One line a row, so that a difference between two nights reads well."""
    stores = [store for part in board.parts for store in part.stores]
    numbers = {part.title: {n.name: n.told for n in part.numbers} for part in board.parts}
    rows = {row.ref: _verdicts(row, part.columns) for part in board.parts for row in part.rows}
    lines = ",\n".join(f"  {json.dumps(ref)}: {json.dumps(rows[ref])}" for ref in sorted(rows))
    head |= {"versions": versions_of(stores), "numbers": numbers}
    about = "".join(f" {json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items())
    return f'{{\n{about} "rows": {{\n{lines}\n }}\n}}\n'


def _verdicts(row: Row, columns: Columns) -> dict[str, str | int | None]:
    """By the names that tests of a sample compare with."""
    told = row.verdicts(columns)
    names = {"eager": columns.eager, "explain": "explain", "breaks": "breaks", "export": "export"}
    names |= {"exporter": "exporter", "ort": f"infer.{ORT}", "drift": f"drift.{ORT}"}
    return {name: told.get(key) for name, key in names.items()}
