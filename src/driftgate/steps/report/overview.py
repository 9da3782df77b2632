"""A run at a glance, gathered in one pass over its records: what the index, `summary.md` and the terminal all show.

Records are read one at a time and dropped: what stays of a cell is its square, a few hundred bytes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby

from driftgate.core.records import (
    Cell,
    ExpectedFailure,
    Finding,
    Findings,
    LockEntry,
    Manifest,
    ModelIdentity,
    Severity,
    StageRecord,
)
from driftgate.core.verdicts import KIND_FACTS, FailureKind
from driftgate.machine.store import RunStore
from driftgate.steps.report.highlights import Highlights
from driftgate.steps.report.marks import MISSING, Square, State, square_of

CAUSE_LENGTH = 300
EXAMPLES = 5
_NO_CAUSE = (FailureKind.UPSTREAM, FailureKind.UNAVAILABLE)
STAGES = ("pull", "inputs", "explain", "export", "infer", "drift")


@dataclass(frozen=True)
class Frame:
    """The documents around the records: plan, lock, and what the gate wrote if it has run."""

    run_id: str
    fleet: str
    planned: dict[str, tuple[Cell, ...]]
    entries: dict[str, LockEntry]
    manifest: Manifest | None
    judged: Findings | None
    expected: dict[tuple[str, str], ExpectedFailure]

    @classmethod
    def of(cls, store: RunStore) -> Frame:
        """Read them. A run without a plan is a UsageError; one that was not judged yet is fine."""
        plan = store.plan()
        planned: dict[str, list[Cell]] = {}
        for cell in plan.cells:
            planned.setdefault(cell.model, []).append(cell)
        manifest = store.manifest() if store.has("run.json") else None
        return cls(
            run_id=store.run_id,
            fleet=plan.fleet,
            planned={slug: tuple(cells) for slug, cells in planned.items()},
            entries={e.slug: e for e in store.lock().models} if store.has("models.lock.json") else {},
            manifest=manifest,
            judged=store.findings() if store.has("findings.json") else None,
            expected={(e.model, e.cell): e for e in manifest.expected} if manifest else {},
        )

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What the gate found, worst first, in its own order within a severity."""
        ranks = list(Severity)
        return tuple(sorted(self.judged.findings, key=lambda f: ranks.index(f.severity))) if self.judged else ()

    @cached_property
    def findings_by_model(self) -> dict[str | None, list[Finding]]:
        """The same, by slug; those of the run as a whole under None."""
        by_model: dict[str | None, list[Finding]] = {}
        for finding in self.findings:
            by_model.setdefault(finding.model, []).append(finding)
        return by_model

    def order(self, cell: Cell) -> tuple[int, str, int, str, str]:
        """Where a cell stands: stages as the pipeline has them, targets as the plan has them (the reference is its first)."""
        stage = STAGES.index(cell.stage) if cell.stage in STAGES else len(STAGES)
        target = self._targets.get(cell.target, len(self._targets))
        return stage, cell.stage, target, cell.target or "", cell.variant or ""

    @cached_property
    def _targets(self) -> dict[str | None, int]:
        targets = dict.fromkeys(
            cell.target for cells in self.planned.values() for cell in cells if cell.stage == "infer"
        )
        return {target: place for place, target in enumerate(targets)}

    @property
    def verdict(self) -> str | None:
        """passed, failed or error; the worse one where two documents differ; None before the gate has run."""
        said = {document.verdict for document in (self.judged, self.manifest) if document is not None}
        return next((verdict for verdict in ("error", "failed", "passed") if verdict in said), None)


@dataclass(frozen=True)
class ModelCells:
    """Everything of one model: its identity (None when it left no record and no lock), and each cell with its record or None."""

    slug: str
    identity: ModelIdentity | None
    cells: tuple[tuple[Cell, StageRecord | None], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A model's line in the matrix: column → square. `reason` is the first thing that went wrong, in one sentence."""

    slug: str
    family: str
    task: str
    squares: dict[str, Square]
    reason: str = ""

    @property
    def rank(self) -> int:
        """How much it needs a person: the rank of the worst square."""
        return max((square.mark.rank for square in self.squares.values()), default=0)


@dataclass(slots=True)
class Cause:
    """Cells of one column that failed alike (same kind, same fingerprint): `models` counts them, `examples` names a few.
    `reason` is what `expectations.yaml` says of the first, None where nothing was expected."""

    column: str
    kind: str
    message: str
    reason: str | None
    models: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def expected(self) -> bool:
        """Whether `expectations.yaml` has it."""
        return self.reason is not None


@dataclass
class Overview:
    """The frame, the columns in the order of the pipeline, and the rows, those first that need a person."""

    frame: Frame
    columns: tuple[str, ...]
    rows: list[Row]
    counts: Counter[State] = field(default_factory=Counter)
    machinery: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    cached: Counter[str] = field(default_factory=Counter)
    peak: dict[str, int] = field(default_factory=dict)
    causes: list[Cause] = field(default_factory=list)
    highlights: Highlights = field(default_factory=Highlights)

    @property
    def cells(self) -> int:
        """How many cells there are, with or without a record."""
        return sum(self.counts.values())


class Collector:
    """Takes models one by one, keeps their rows."""

    def __init__(self, frame: Frame) -> None:
        self._overview = Overview(frame, (), [])
        self._columns: dict[str, Cell] = {}
        self._causes: dict[tuple[str, str, bool], Cause] = {}

    def add(self, model: ModelCells) -> Row:
        """Keep what the overview needs of a model."""
        expected = self._overview.frame.expected
        squares = {}
        for cell, record in model.cells:
            self._columns.setdefault(cell.name, cell)
            excuse = expected.get((cell.model, cell.name))
            squares[cell.name] = square_of(record, excuse) if record else MISSING
            if record:
                self._weigh(record, cell.name)
                self._blame(record, cell, excuse)
        self._overview.counts.update(square.state for square in squares.values())
        about = model.identity
        row = Row(model.slug, about.family if about else "", about.task if about else "", squares, _reason(squares))
        self._overview.rows.append(row)
        return row

    def _weigh(self, record: StageRecord, column: str) -> None:
        view = self._overview
        view.highlights.add(record)
        view.seconds[column] += record.duration_s
        view.cached[column] += record.cached
        view.peak[column] = max(view.peak.get(column, 0), record.peak_rss_bytes or 0)
        if record.failure and KIND_FACTS[record.failure.kind].machinery:
            view.machinery[record.failure.kind.value] += 1

    def _blame(self, record: StageRecord, cell: Cell, excuse: ExpectedFailure | None) -> None:
        failure = record.failure
        if failure is None or failure.kind in _NO_CAUSE:
            return
        new = Cause(cell.name, failure.kind.value, failure.message[:CAUSE_LENGTH], excuse.reason if excuse else None)
        cause = self._causes.setdefault((cell.name, failure.fingerprint, new.expected), new)
        cause.models += 1
        if len(cause.examples) < EXAMPLES:
            cause.examples.append(cell.model)

    def overview(self) -> Overview:
        """All that was taken, sorted."""
        view = self._overview
        view.causes = sorted(self._causes.values(), key=lambda cause: (cause.expected, -cause.models, cause.column))
        view.columns = tuple(sorted(self._columns, key=lambda name: view.frame.order(self._columns[name])))
        view.rows.sort(key=lambda row: (-row.rank, row.slug))
        return view


def each_model(store: RunStore, frame: Frame) -> Iterator[ModelCells]:
    """Model by model, planned or not; the records of one model are in memory at a time."""
    seen = set()
    for slug, group in groupby(store.records(), key=lambda record: record.model.slug):
        seen.add(slug)
        records = {record.cell.name: record for record in group}
        cells = {cell.name: cell for cell in frame.planned.get(slug, ())}
        cells |= {name: record.cell for name, record in records.items()}
        ordered = sorted(cells.values(), key=frame.order)
        identity = next(iter(records.values())).model
        yield ModelCells(slug, identity, tuple((cell, records.get(cell.name)) for cell in ordered))
    for slug, planned in frame.planned.items():
        if slug not in seen:
            entry = frame.entries.get(slug)
            yield ModelCells(slug, entry.identity() if entry else None, tuple((cell, None) for cell in planned))


def overview_of(store: RunStore) -> Overview:
    """The overview alone, for summaries."""
    frame = Frame.of(store)
    collector = Collector(frame)
    for model in each_model(store, frame):
        collector.add(model)
    return collector.overview()


def _reason(squares: dict[str, Square]) -> str:
    worst = max(squares.items(), key=lambda item: item[1].mark.rank, default=None)
    return f"{worst[0]}: {worst[1].title}" if worst and worst[1].mark.rank >= 2 else ""
