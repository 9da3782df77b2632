"""Coverage of a fleet: how far each model came, in numbers and by family, with every share of a whole told as it is.

A model goes from the reference (eager) over explain and export to each other target and to the comparison of its outputs. The first of
these that did not pass is where it stopped. One row a model; a later run's row takes the place of an earlier one's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from driftgate.core.failure_groups import Seen, seen_in
from driftgate.core.records import (
    DriftPayload,
    ExplainPayload,
    ExportPayload,
    InputsPayload,
    ModelIdentity,
    Record,
    StageRecord,
)
from driftgate.core.verdicts import KIND_FACTS, FailureKind


class Reach(StrEnum):
    """How far a model came; the values are the class names of the style sheet."""

    THROUGH = "through"
    RANDOM = "random"
    DRIFTS = "drifts"
    UNRUN = "unrun"
    UNEXPORTED = "unexported"
    UNEXPLAINED = "unexplained"
    UNFIT = "unfit"
    UNKNOWN = "unknown"


REACH_WORDS: Mapping[Reach, str] = {
    Reach.THROUGH: "all the way",
    Reach.RANDOM: "differs from itself",
    Reach.DRIFTS: "drifts",
    Reach.UNRUN: "exports, does not run",
    Reach.UNEXPORTED: "no export",
    Reach.UNEXPLAINED: "not explained",
    Reach.UNFIT: "not run eagerly",
    Reach.UNKNOWN: "not tested",
}
"""What to call it, the best first."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The cells that the scoreboard asks about: those of the first input size. `candidates` are the targets beside the reference,
    `compared` those of them whose outputs are compared with its."""

    reference: str
    candidates: tuple[str, ...]
    compared: frozenset[str]

    @property
    def eager(self) -> str:
        """The name of the reference's cell."""
        return f"infer.{self.reference}"

    def of(self, target: str) -> tuple[str, ...]:
        """The cells of another target: it runs, and its outputs are compared."""
        return (f"infer.{target}", *((f"drift.{target}",) if target in self.compared else ()))

    @property
    def all(self) -> tuple[str, ...]:
        """In the order of the pipeline."""
        return (self.eager, "explain", "export", *(cell for target in self.candidates for cell in self.of(target)))


@dataclass(frozen=True, slots=True)
class Row:
    """One model. `ended` is cell → the failure's kind, None where it passed; a cell without a record is not in it. `drifts` is cell →
    the largest difference of an output from the reference's, `peak` the largest resident size of a worker in bytes, `seconds` cell → wall
    time of its workers, `cached` how many of the cells were taken from the cache."""

    ref: str
    slug: str
    family: str
    task: str
    modality: str
    architecture: str
    ended: Mapping[str, FailureKind | None]
    failures: tuple[Seen, ...] = ()
    breaks: int | None = None
    exporter: str | None = None
    drifts: Mapping[str, float] = field(default_factory=dict)
    parameters: int | None = None
    peak: int | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    cached: int = 0

    def passed(self, cell: str) -> bool:
        """Whether the cell did its job."""
        return cell in self.ended and self.ended[cell] is None

    def kind(self, cell: str) -> FailureKind | None:
        """Why the cell did not pass; None where it did, or left no record."""
        return self.ended.get(cell)

    def verdicts(self, columns: Columns) -> dict[str, str | int | None]:
        """Cell → `passed` or the failure's kind, None without a record; beside them the breaks and the exporter."""

        def said(cell: str) -> str | None:
            kind = self.kind(cell)
            return "passed" if self.passed(cell) else kind.value if kind else None

        cells: dict[str, str | int | None] = {cell: said(cell) for cell in columns.all}
        return cells | {"breaks": self.breaks, "exporter": self.exporter}

    @property
    def name(self) -> str:
        """The reference as people say it where all are of one source."""
        return self.ref.removeprefix("zoo:").removeprefix("hf:")

    @property
    def stem(self) -> str:
        """What its family descends from: `qwen` of qwen2_5_vl, `sam` of sam3_tracker_video."""
        found = re.match(r"[a-z]+(?=[^a-z]|$)", self.family.casefold())
        return found[0] if found else self.family


def row_of(identity: ModelIdentity, records: Iterable[StageRecord], expected: Mapping[str, str]) -> Row:
    """The row of one model from its records; `expected` is cell → why it was expected to fail."""
    found = {record.cell.name: record for record in records}
    payloads = {name: record.payload for name, record in found.items()}
    failures = (seen_in(record, expected.get(name)) for name, record in found.items())
    explain, export, inputs = (payloads.get(stage) for stage in ("explain", "export", "inputs"))
    return Row(
        **identity.model_dump(include={"ref", "slug", "family", "task", "modality", "architecture"}),
        ended={name: record.failure.kind if record.failure else None for name, record in found.items()},
        failures=tuple(seen for seen in failures if seen is not None),
        breaks=explain.break_count if isinstance(explain, ExplainPayload) else None,
        exporter=export.exporter if isinstance(export, ExportPayload) else None,
        drifts={name: most for name, payload in payloads.items() if (most := _largest(payload)) is not None},
        parameters=inputs.parameters if isinstance(inputs, InputsPayload) else None,
        peak=max((record.peak_rss_bytes or 0 for record in found.values()), default=0) or None,
        seconds={name: record.duration_s for name, record in found.items()},
        cached=sum(record.cached for record in found.values()),
    )


def _largest(payload: Record | None) -> float | None:
    tensors = payload.tensors if isinstance(payload, DriftPayload) else ()
    return max((tensor.max_abs for tensor in tensors if tensor.max_abs is not None), default=None)


def reach(row: Row, columns: Columns) -> Reach:
    """Where the model stopped. A target that is not there says nothing; where the machinery failed on the way, nobody knows."""
    first = (
        (("pull", "inputs", columns.eager), Reach.UNFIT),
        (("explain",), Reach.UNEXPLAINED),
        (("export",), Reach.UNEXPORTED),
    )
    for cells, stop in first:
        if not row.passed(cells[-1]):
            return stop if cells[-1] in row.ended and not _stopped_by_machinery(row, cells) else Reach.UNKNOWN
    there = [target for target in columns.candidates if row.kind(f"infer.{target}") is not FailureKind.UNAVAILABLE]
    last = [cell for target in there for cell in columns.of(target)]
    if any(cell not in row.ended for cell in last) or _stopped_by_machinery(row, last):
        return Reach.UNKNOWN
    if not all(row.passed(f"infer.{target}") for target in there):
        return Reach.UNRUN
    kinds = {row.kind(f"drift.{target}") for target in there} - {None}
    if not kinds:
        return Reach.THROUGH
    return Reach.RANDOM if kinds == {FailureKind.NONDETERMINISTIC} else Reach.DRIFTS


def _stopped_by_machinery(row: Row, cells: Iterable[str]) -> bool:
    kinds = (row.kind(cell) for cell in cells)
    return any(KIND_FACTS[kind].machinery for kind in kinds if kind is not None)


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many. `least` is the percentage that is asked for, None for none."""

    name: str
    part: int
    whole: int
    least: float | None = None

    @property
    def percent(self) -> str:
        """`83.95 %`, never rounded up: 100 % is all of them. A dash for a part of nothing."""
        if not self.whole:
            return "–"
        return f"{self.part * 10_000 // self.whole / 100:.2f}".rstrip("0").rstrip(".") + " %"

    @property
    def holds(self) -> bool | None:
        """Whether the share is as large as it is asked to be; None where nothing is asked, or nothing was measured."""
        if self.least is None or not self.whole:
            return None
        return Fraction(self.part, self.whole) >= Fraction(str(self.least)) / 100


def funnel(rows: Sequence[Row], columns: Columns, asked: Mapping[str, float] | None = None) -> list[Share]:
    """Of each stage the share that passed of what came so far; of explain the share with a verdict, an error of the compiler among them.
    What differs from itself is left out of the comparison of outputs.
    `asked` is the name of a stage (eager, explain, export, run, drift) → the percentage that is asked for."""
    least = asked or {}
    eager = [row for row in rows if row.passed(columns.eager)]
    exported = [row for row in eager if row.passed("export")]
    judged = sum(row.passed("explain") or row.kind("explain") is FailureKind.COMPILE for row in eager)
    shares = [
        Share("run eagerly", len(eager), len(rows), least.get("eager")),
        Share("with a verdict of explain, of those", judged, len(eager), least.get("explain")),
        Share("exported to ONNX by any exporter, of those that run", len(exported), len(eager), least.get("export")),
    ]
    for target in columns.candidates:
        ran = [row for row in exported if row.passed(f"infer.{target}")]
        shares.append(Share(f"run by {target}, of the exported", len(ran), len(exported), least.get("run")))
        if target in columns.compared:
            drift = f"drift.{target}"
            steady = [row for row in ran if row.kind(drift) is not FailureKind.NONDETERMINISTIC]
            name = f"within tolerance on {target}, of those that agree with themselves"
            shares.append(Share(name, sum(row.passed(drift) for row in steady), len(steady), least.get("drift")))
    return shares


@dataclass(frozen=True, slots=True)
class Total:
    """The models of one kind: how many came how far, how many breaks they have."""

    name: str
    rows: tuple[Row, ...]
    reached: Counter[Reach]


def totals(rows: Iterable[Row], columns: Columns, kind: Callable[[Row], str]) -> list[Total]:
    """The models by what `kind` says of each, the most numerous first."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(kind(row), []).append(row)
    found = [Total(name, tuple(some), Counter(reach(row, columns) for row in some)) for name, some in groups.items()]
    return sorted(found, key=lambda total: (-len(total.rows), total.name))


def worst_first(rows: Iterable[Row], columns: Columns) -> list[Row]:
    """Those that stopped earliest first, by name among their like."""
    order = list(Reach)
    return sorted(rows, key=lambda row: (-order.index(reach(row, columns)), row.slug))
