"""How a cell is shown: one table of marks, each a symbol, a letter, a word and a rank, so that colour is never all there is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from driftgate.core.records import (
    DriftPayload,
    ExpectedFailure,
    ExplainPayload,
    ExportPayload,
    InferPayload,
    Record,
    StageRecord,
)
from driftgate.core.verdicts import FailureKind
from driftgate.steps.report import units


class State(StrEnum):
    """What a square of the matrix says. The values are the class names of the style sheet."""

    PASSED = "passed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    OOM = "oom"
    CRASHED = "crashed"
    MISSING = "missing"
    SKIPPED = "skipped"
    EXPECTED = "expected"


@dataclass(frozen=True, slots=True)
class Mark:
    """A state's looks: `symbol` where the terminal can show it, `letter` where it is ASCII only; `word` in the matrix, `meaning` in the
    legend. A higher `rank` stands further up."""

    symbol: str
    letter: str
    word: str
    meaning: str
    rank: int


MARKS = {
    State.PASSED: Mark("✓", ".", "pass", "the stage did its job", 0),
    State.FAILED: Mark("✗", "F", "fail", "failed", 5),
    State.TIMEOUT: Mark("◷", "T", "time", "reached its time limit", 5),
    State.OOM: Mark("▲", "M", "memory", "reached its memory limit", 5),
    State.CRASHED: Mark("!", "C", "crash", "the process died", 5),
    State.MISSING: Mark("?", "?", "no record", "scheduled, and left no record", 4),
    State.SKIPPED: Mark("–", "-", "skip", "hangs on a cell that did not pass, or cannot run here", 1),
    State.EXPECTED: Mark("○", "E", "expected", "did not pass, as expectations.yaml says", 2),
}


@dataclass(frozen=True, slots=True)
class Square:
    """One cell, as much of it as the matrix shows. `note` is its one number (`3 breaks`, `1.2 ms`), `title` says it in full."""

    state: State
    note: str = ""
    title: str = ""

    @property
    def mark(self) -> Mark:
        """The looks of the state."""
        return MARKS[self.state]


MISSING = Square(State.MISSING, title="scheduled, but there is no record of it")
_TITLE = 160
_KIND_NOTES = {
    FailureKind.OUT_OF_TOLERANCE: "drift",
    FailureKind.NONDETERMINISTIC: "differs from itself",
    FailureKind.FELL_BACK: "fell back",
    FailureKind.UNAVAILABLE: "not here",
    FailureKind.UPSTREAM: "",
}


def square_of(record: StageRecord, expected: ExpectedFailure | None) -> Square:
    """How a record looks in the matrix. What was expected to fail and did is not shown as red."""
    if record.failure is None:
        return Square(State.PASSED, passed_note(record.payload), "passed")
    kind = record.failure.kind
    state = State.EXPECTED if expected else State(record.verdict.value)
    said = " ".join(record.failure.message.split())
    title = f"{kind.value}: {said if len(said) <= _TITLE else said[:_TITLE] + '…'}"
    note = _KIND_NOTES.get(kind, kind.value.replace("_", " ") if state in (State.FAILED, State.EXPECTED) else "")
    return Square(state, note, f"expected, {title}" if expected else title)


def passed_note(payload: Record | None) -> str:
    """The one number of a cell that passed: breaks, the exporter, p50, the largest difference."""
    match payload:
        case ExplainPayload(break_count=0):
            return "no breaks"
        case ExplainPayload(break_count=breaks):
            return units.plural(breaks, "break")
        case ExportPayload(exporter=str(exporter)):
            return exporter
        case InferPayload(latency=latency) if latency is not None:
            return units.seconds(latency.p50)
        case DriftPayload(tensors=tensors):
            differences = [tensor.max_abs for tensor in tensors if tensor.max_abs is not None]
            return units.error(max(differences)) if differences else ""
    return ""
