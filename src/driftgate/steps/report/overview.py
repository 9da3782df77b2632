"""A run at a glance, gathered in one pass over its records: what the index, `summary.md` and the terminal all show.

Records are read one at a time and dropped: what stays of a cell is its square, a few hundred bytes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from driftgate.core.records import Cell, ExpectedFailure, StageRecord
from driftgate.core.verdicts import KIND_FACTS, FailureKind
from driftgate.machine.store import RunStore
from driftgate.steps.report.frame import Frame, ModelCells, each_model
from driftgate.steps.report.highlights import Highlights
from driftgate.steps.report.marks import MISSING, Square, State, square_of

CAUSE_LENGTH = 240
EXAMPLES = 5
_NO_CAUSE = (FailureKind.UPSTREAM, FailureKind.UNAVAILABLE)


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
    peak: dict[str, int] = field(default_factory=lambda: defaultdict(int))
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
        view.peak[column] = max(view.peak[column], record.peak_rss_bytes or 0)
        if record.failure and KIND_FACTS[record.failure.kind].machinery:
            view.machinery[record.failure.kind.value] += 1

    def _blame(self, record: StageRecord, cell: Cell, excuse: ExpectedFailure | None) -> None:
        failure = record.failure
        if failure is None or failure.kind in _NO_CAUSE:
            return
        new = Cause(cell.name, failure.kind.value, _start(failure.message), excuse.reason if excuse else None)
        cause = self._causes.setdefault((cell.name, failure.fingerprint, new.expected), new)
        cause.models += 1
        if len(cause.examples) < EXAMPLES:
            cause.examples.append(cell.model)

    def overview(self) -> Overview:
        """All that was taken, sorted."""
        view = self._overview

        def place(name: str) -> tuple[int, str, int, str, str]:
            return view.frame.order(self._columns[name])

        view.causes = sorted(
            self._causes.values(), key=lambda cause: (cause.expected, -cause.models, place(cause.column))
        )
        view.columns = tuple(sorted(self._columns, key=place))
        view.rows.sort(key=lambda row: (-row.rank, row.slug))
        return view


def overview_of(store: RunStore) -> Overview:
    """The overview alone, for summaries."""
    frame = Frame.of(store)
    collector = Collector(frame)
    for model in each_model(store, frame):
        collector.add(model)
    return collector.overview()


def _start(message: str) -> str:
    return message if len(message) <= CAUSE_LENGTH else f"{message[:CAUSE_LENGTH]}…"


def _reason(squares: dict[str, Square]) -> str:
    worst = max(squares.items(), key=lambda item: item[1].mark.rank, default=None)
    return f"{worst[0]}: {worst[1].title}" if worst and worst[1].mark.rank >= 2 else ""
