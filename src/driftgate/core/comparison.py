"""Two runs side by side, cell by cell: what is worse, what is better, what is merely different.

A section is one function from a pair of records to differences (`core/sections.py` has the list).
What two models share (a break that appeared in both) has one `key` and is folded into one line for the fleet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from driftgate.core.break_changes import BreakChange, Change, changes
from driftgate.core.break_words import reason_name, where
from driftgate.core.records import Cell, ExplainPayload, ExportPayload, StageRecord
from driftgate.core.verdicts import FailureKind, not_the_models

MESSAGE = 160


class Sense(StrEnum):
    """Whether a difference is bad news."""

    WORSE = "worse"
    BETTER = "better"
    OTHER = "other"


@dataclass(frozen=True)
class Pair:
    """The records of one cell in the two runs. `alike` tells whether their machines are, so that times may be compared; `confirmed` is the
    sentence by which the gate confirmed that the later run is slower than this very one, by launching both anew."""

    before: StageRecord
    after: StageRecord
    alike: bool = True
    confirmed: str | None = None

    @property
    def cell(self) -> Cell:
        """The cell that both are of."""
        return self.after.cell


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it was in one cell. `what` happened to `subject` (appeared, lost, …), `lines` say more of it;
    `key` is what the same difference in another model has in common with it; `detail` is what JSON says beside; the more
    `weight`, the further up among its like."""

    what: str
    sense: Sense
    subject: str
    cell: Cell
    lines: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    detail: dict[str, Any] = field(default_factory=dict)
    weight: float = 0.0


@dataclass(frozen=True)
class Fold:
    """A difference over the fleet: the first of its key, and the models that share it."""

    first: Difference
    models: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """One kind of comparison. `name` is its key in JSON, `title` its heading."""

    name: str
    title: str
    of: Callable[[Pair], Iterable[Difference]]


def verdict_differences(pair: Pair) -> Iterator[Difference]:
    """A cell that ended otherwise. Exports have a section of their own; what hangs on a failed cell is told at that cell."""
    before, after = pair.before, pair.after
    if after.stage == "export" or outcome(before) == outcome(after) or _is(FailureKind.UPSTREAM, before, after):
        return
    what, sense = _verdict_change(before, after)
    yield Difference(
        what,
        sense,
        f"{after.cell.name}: {outcome(before)} → {outcome(after)}",
        after.cell,
        lines=_why(after),
        key=(what, after.cell.name, outcome(before), after.failure.fingerprint if after.failure else ""),
        detail={"before": outcome(before), "after": outcome(after)},
    )


def _verdict_change(before: StageRecord, after: StageRecord) -> tuple[str, Sense]:
    """Failures of the machinery say nothing of the model, on either side."""
    if any(_not_the_models(record) for record in (before, after)):
        return "not tested" if _not_the_models(after) else "tested", Sense.OTHER
    if before.passed:
        return "broke", Sense.WORSE
    return ("mended", Sense.BETTER) if after.passed else ("fails otherwise", Sense.OTHER)


def export_differences(pair: Pair) -> Iterator[Difference]:
    """An export that was lost or gained, that needs another exporter, or that fails in another way."""
    before, after = pair.before, pair.after
    if after.stage != "export" or _is(FailureKind.UPSTREAM, before, after):
        return
    was, now = exporter_of(before), exporter_of(after)
    what, sense = _export_change(before, after)
    if what is None:
        return
    yield Difference(
        what,
        sense,
        f"{after.cell.name}: {was} → {now}",
        after.cell,
        lines=_why(after),
        key=(what, after.cell.name, was, now, after.failure.fingerprint if after.failure else ""),
        detail={"before": was, "after": now},
    )


def _export_change(before: StageRecord, after: StageRecord) -> tuple[str | None, Sense]:
    if any(_not_the_models(record) for record in (before, after)):
        same = outcome(before) == outcome(after)
        return None if same else "not tested" if _not_the_models(after) else "tested", Sense.OTHER
    if before.passed and after.passed:
        return "another exporter" if exporter_of(before) != exporter_of(after) else None, Sense.OTHER
    if before.passed:
        return "lost", Sense.WORSE
    if after.passed:
        return "gained", Sense.BETTER
    assert before.failure is not None
    assert after.failure is not None
    return "fails otherwise" if before.failure.fingerprint != after.failure.fingerprint else None, Sense.OTHER


_BREAK_SENSES = {
    Change.APPEARED: Sense.WORSE,
    Change.MORE: Sense.WORSE,
    Change.GONE: Sense.BETTER,
    Change.FEWER: Sense.BETTER,
    Change.CHANGED: Sense.OTHER,
    Change.MOVED: Sense.OTHER,
}


def break_differences(pair: Pair) -> Iterator[Difference]:
    """Every graph break that appeared, is gone, changed or moved, or has more or fewer events; those of a second input size too, where
    both runs tried one."""
    before, after = pair.before.payload, pair.after.payload
    if isinstance(before, ExplainPayload) and isinstance(after, ExplainPayload):
        was, now = before.second_shape, after.second_shape
        of_second = (was.found, now.found) if was and now else ((), ())
        for change in changes((*before.breaks, *of_second[0]), (*after.breaks, *of_second[1])):
            yield _break_difference(change, pair.cell)


def _break_difference(one: BreakChange, cell: Cell) -> Difference:
    seen = one.seen
    was, now = (where(b) if b else "" for b in (one.before, one.after))
    times = f" (×{one.before.count} → ×{one.after.count})" if one.before and one.after and one.events else ""
    return Difference(
        one.change.value,
        _BREAK_SENSES[one.change],
        reason_name(seen) + times,
        cell,
        lines=tuple(_break_lines(one, was, now)),
        key=(one.change.value, seen.fingerprint, was, now),
        detail={
            "gb_id": seen.gb_id,
            "gb_type": seen.gb_type,
            "fingerprint": seen.fingerprint,
            "before": was or None,
            "after": now or None,
            "code": seen.code,
            "code_before": one.before.code if one.before else None,
            "events": one.events,
        },
    )


def _break_lines(one: BreakChange, was: str, now: str) -> Iterator[str]:
    """Where it is, and the code; both as they were where that differs."""
    yield f"{now or was} (was {was})" if one.moved else now or was
    if one.change is Change.CHANGED and one.before:
        yield f"was: {one.before.code}"
        yield f"now: {one.seen.code}"
    elif one.seen.code:
        yield one.seen.code


def compile_differences(pair: Pair) -> Iterator[Difference]:
    """Whether `fullgraph=True` takes the model, and how many of its functions dynamo gives up."""
    before, after = pair.before.payload, pair.after.payload
    if not isinstance(before, ExplainPayload) or not isinstance(after, ExplainPayload):
        return
    was, now = before.fullgraph, after.fullgraph
    if was and now and was.passed != now.passed:
        what, sense = ("one graph", Sense.BETTER) if now.passed else ("no longer one graph", Sense.WORSE)
        words = ["accepts" if verdict.passed else "refuses" for verdict in (was, now)]
        yield _of_the_model(pair, what, sense, "fullgraph=True", *words)
    if before.frames_skipped != after.frames_skipped:
        sense = Sense.WORSE if after.frames_skipped > before.frames_skipped else Sense.BETTER
        numbers = (str(before.frames_skipped), str(after.frames_skipped))
        yield _of_the_model(pair, "given up", sense, "frames skipped", *numbers)


def _of_the_model(pair: Pair, what: str, sense: Sense, subject: str, was: str, now: str) -> Difference:
    text = f"{subject}: {was} → {now}"
    return Difference(what, sense, text, pair.cell, key=(what, text), detail={"before": was, "after": now})


def fold(differences: Iterable[Difference]) -> list[Fold]:
    """One line for what models share: bad news first, then what most models share."""
    groups: dict[tuple[str, ...], list[Difference]] = {}
    for one in differences:
        groups.setdefault(one.key, []).append(one)
    folds = [Fold(some[0], tuple(dict.fromkeys(d.cell.model for d in some))) for some in groups.values()]
    ranks = list(Sense)
    return sorted(
        folds,
        key=lambda f: (ranks.index(f.first.sense), -len(f.models), -f.first.weight, f.first.what, f.first.subject),
    )


def outcome(record: StageRecord) -> str:
    """`passed`, or the verdict with its kind: `failed (out_of_tolerance)`."""
    return f"{record.verdict.value} ({record.failure.kind.value})" if record.failure else record.verdict.value


def exporter_of(record: StageRecord) -> str:
    """Which exporter made the file; how the cell ended where none did."""
    named = isinstance(record.payload, ExportPayload) and record.passed
    return str(record.payload.exporter) if named and isinstance(record.payload, ExportPayload) else outcome(record)


def _why(record: StageRecord) -> tuple[str, ...]:
    """The first line of the failure."""
    first = next(iter(record.failure.message.strip().splitlines()), "") if record.failure else ""
    return (first if len(first) <= MESSAGE else f"{first[:MESSAGE]}…",) if first else ()


def _is(kind: FailureKind, *records: StageRecord) -> bool:
    return any(record.failure is not None and record.failure.kind is kind for record in records)


def _not_the_models(record: StageRecord) -> bool:
    failure = record.failure
    return failure is not None and not_the_models(failure.kind)
