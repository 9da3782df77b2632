"""Latencies of a night: which stand out from their windows, and what is said of those that were launched anew.

Screening needs nothing but the history. Confirming launches processes, which a step doesn't: whoever can hands the outcome back.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from driftgate.core.gate_settings import LatencySettings
from driftgate.core.records import Cell, Finding, InferPayload, Severity
from driftgate.core.rules.base import repeat_command
from driftgate.core.statistics.night import Confirmation, Procedure
from driftgate.core.statistics.screening import Floats, Screening, screen, suspects
from driftgate.machine.store import RunStore
from driftgate.steps.against import Against
from driftgate.steps.report.commands import name_for_commands

RULE = "latency"
NOT_SEPARATED = "slower, cause not separated"


@dataclass(frozen=True)
class Night:
    """Tonight's launches beside their windows: row by row the cell, its p50 tonight and on earlier nights, in seconds."""

    cells: tuple[Cell, ...]
    window: Floats
    tonight: Floats

    def screened(self) -> Screening:
        """How far each is from its window."""
        return screen(self.window, self.tonight)


def night_of(store: RunStore, against: Against) -> Night:
    """The timed cells that have a window. Times from the cache are no news: they are those of the night that took them."""
    window = against.latencies
    rows = {cell: number for number, cell in enumerate(window.series)} if window is not None else {}
    known = list(_latencies(store, rows))
    values = window.values[[rows[cell] for cell, _ in known]] if window is not None else np.empty((0, 0))
    return Night(tuple(cell for cell, _ in known), values, np.array([p50 for _, p50 in known], dtype=np.float64))


def _latencies(store: RunStore, of: Container[Cell]) -> Iterator[tuple[Cell, float]]:
    for cell in store.plan().cells:
        record = store.record(cell) if cell in of else None
        if record is None or not record.passed or record.cached:
            continue
        if isinstance(record.payload, InferPayload) and record.payload.latency is not None:
            yield cell, record.payload.latency.p50


def procedure_of(settings: LatencySettings) -> Procedure:
    """How a night is judged, as gate.yaml says it."""
    return Procedure(**settings.model_dump(exclude={"severity", "confirm"}))


def unconfirmed(store: RunStore, night: Night, settings: LatencySettings) -> Iterator[Finding]:
    """Suspects that nobody launched again: warnings, however far out they are."""
    screening = night.screened()
    for row in suspects(screening.z, max(4.0, settings.candidate_z), settings.suspects):
        ratio = float(night.tonight[row] / screening.level[row] / screening.offset)
        if ratio >= settings.least_ratio:
            yield _finding(
                store,
                night.cells[row],
                f"{_name(night.cells[row])} looks {ratio - 1:.0%} slower than its window, from one launch: not confirmed",
                Severity.WARNING,
                confirmed=False,
                evidence={"ratio": ratio, "z": float(screening.z[row]), "nights": int(night.window.shape[1])},
            )


def confirmed(
    store: RunStore,
    night: Night,
    outcomes: Iterable[Confirmation],
    *,
    separated: bool,
    since: Sequence[str | None] = (),
) -> Iterator[Finding]:
    """The slowdowns that launching anew confirmed. `separated` tells whether the baseline ran in its own environment beside this one;
    `since` is, for each, the run at which its window says that it began."""
    for number, one in enumerate(outcomes):
        if not one.slower:
            continue
        cell = night.cells[one.series]
        began = since[number] if number < len(since) else None
        yield _finding(
            store,
            cell,
            _sentence(cell, one, separated=separated, began=began),
            Severity.ERROR if separated else Severity.WARNING,
            confirmed=True,
            evidence={
                "ratio": one.ratio,
                "interval": one.interval,
                "p": one.p,
                "q": one.q,
                "superiority": one.superiority,
                "launches": one.launches,
                "against": one.against,
                "z": one.z,
                "cause": "versions" if separated else NOT_SEPARATED,
                "since": began,
            },
        )


def _sentence(cell: Cell, one: Confirmation, *, separated: bool, began: str | None) -> str:
    interval = f" (95 % interval {one.interval[0] - 1:+.1%} to {one.interval[1] - 1:+.1%})" if one.interval else ""
    tail = "" if separated else f": {NOT_SEPARATED}"
    since = f"; it began about {began}" if began else ""
    baseline = f"{one.against}" if separated else f"{one.against} earlier nights"
    return (
        f"{_name(cell)} is {one.ratio - 1:.1%} slower{interval}, {one.launches} launches against {baseline}, "
        f"q = {one.q:.2g}{since}{tail}"
    )


def _name(cell: Cell) -> str:
    return f"{cell.name} of {cell.model}"


def _finding(
    store: RunStore, cell: Cell, sentence: str, severity: Severity, *, confirmed: bool, evidence: dict[str, object]
) -> Finding:
    return Finding.about(
        cell,
        store.plan().fleet,
        RULE,
        severity,
        sentence,
        evidence=evidence,
        confirmed=confirmed,
        repro=repeat_command(name_for_commands(store), cell),
    )
