"""The numbers of the field beside what is asked of them: shares, sizes, memory, and the time that it took."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from driftgate.core.coverage import Columns, Row, Share, funnel
from driftgate.core.text import human_bytes, human_seconds, plural
from driftgate.core.verdicts import FailureKind
from driftgate.machine.store import RunStore

GB = 1_000_000_000
TOLD = ("torch", "transformers", "timm", "onnx", "onnxruntime", "onnxscript", "numpy", "driftgate")
"""Packages whose version the page names."""
FREEZES = "torchscript"
ORDER = ("pull", "inputs", "explain", "export", "infer", "drift")
_TIME = re.compile(r'^\{"time": "([^"]+)"[,}]', re.MULTILINE)
"""How each event begins; a machine that lost its power may have left half a line."""
LIMITS_OF_A_PAUSE = 2
"""After so many time limits without an event nobody was at work."""


@dataclass(frozen=True)
class Asked:
    """What is asked of a fleet: percentages by stage, types that run eagerly of so many, parameters at the median, share of types whose
    workers stay below so many bytes, minutes."""

    shares: Mapping[str, float]
    types: tuple[int, int] | None = None
    parameters: int | None = None
    memory: tuple[float, int] | None = None
    minutes: float | None = None


_LIKEWISE = {"explain": 100.0, "export": 88.0, "run": 99.0, "drift": 98.0}
ASKED = {
    "field": Asked(_LIKEWISE, types=(600, 644), parameters=1_000_000, memory=(99.0, 2 * GB), minutes=75.0),
    "field-timm": Asked({"eager": 95.0, **_LIKEWISE}),
}


@dataclass(frozen=True)
class Number:
    """A number, as it is told, beside what is asked; `holds` is None where nothing is."""

    name: str
    told: str
    asked: str = ""
    holds: bool | None = None


@dataclass(frozen=True)
class Phase:
    """The cells of one stage and target: seconds of their workers, the longest one with its model."""

    cell: str
    cells: int
    total: float
    median: float
    longest: float
    of: str


def numbers(rows: Sequence[Row], columns: Columns, stores: Sequence[RunStore], asked: Asked | None) -> Iterator[Number]:
    """All of them, in the order of the pipeline."""
    asked = asked or Asked({})
    shares = funnel(rows, columns, asked.shares)
    yield Number("types in the fleet", f"{len(rows):,}")
    if asked.types:
        least, of = asked.types
        told = f"{shares[0].part:,} of {shares[0].whole:,}"
        yield Number(shares[0].name, told, f"≥ {least} of {of}", shares[0].part >= least)
        shares = shares[1:]
    yield from map(_share, shares)
    yield from _remarks(rows, columns)
    yield from _sizes(rows, asked)
    yield from _memory(rows, asked)
    yield from _time(rows, stores, asked)


def _share(share: Share) -> Number:
    asked = f"≥ {share.least:g} %" if share.least is not None else ""
    return Number(share.name, f"{share.percent} ({share.part:,} of {share.whole:,})", asked, share.holds)


def _remarks(rows: Sequence[Row], columns: Columns) -> Iterator[Number]:
    """How they compile, which exporter it was, and how many failures somebody has a reason for."""
    breaks = [row.breaks for row in rows if row.breaks is not None and row.passed("explain")]
    refused = sum(row.kind("explain") is FailureKind.COMPILE for row in rows)
    told = f"{breaks.count(0):,} in one graph, {sum(map(bool, breaks)):,} with {sum(breaks):,} breaks, {refused:,} refused by dynamo"
    yield Number("how they compile", told)
    exporters = Counter(row.exporter for row in rows if row.exporter and row.passed("export"))
    if exporters:
        yield Number("the exporter", ", ".join(f"{name} {count:,}" for name, count in exporters.most_common()))
    if exporters[FREEZES]:
        eager = [row for row in rows if row.passed(columns.eager)]
        kept = sum(row.passed("export") and row.exporter != FREEZES for row in eager)
        yield _share(Share("exported without TorchScript, which freezes what depends on values", kept, len(eager)))
    failures = [seen for row in rows for seen in row.failures]
    reasons = sum(seen.reason is not None for seen in failures)
    yield Number("cells that failed", f"{len(failures):,}, {reasons:,} of them expected, with a reason")


def _sizes(rows: Sequence[Row], asked: Asked) -> Iterator[Number]:
    sizes = [row.parameters for row in rows if row.parameters is not None]
    if sizes:
        middle, most = statistics.median(sizes), asked.parameters
        told = f"{middle:,.0f}, the largest {max(sizes):,}"
        yield Number("parameters, at the median", told, f"< {most:,}" if most else "", middle < most if most else None)


def _memory(rows: Sequence[Row], asked: Asked) -> Iterator[Number]:
    peaks = {row.name: row.peak for row in rows if row.peak is not None}
    if not peaks:
        return
    least, limit = asked.memory or (None, 2 * GB)
    share = Share(
        f"types whose workers stay within {human_bytes(limit)}",
        sum(p <= limit for p in peaks.values()),
        len(peaks),
        least,
    )
    yield _share(share)
    worst = max(peaks, key=lambda name: peaks[name])
    yield Number("the largest worker", f"{human_bytes(peaks[worst])} ({worst})")


def _time(rows: Sequence[Row], stores: Sequence[RunStore], asked: Asked) -> Iterator[Number]:
    spans = [worked(store) for store in stores]
    total, pauses = sum((span for span, _ in spans), timedelta()), sum(number for _, number in spans)
    remarks = [f"{plural(len(stores), 'run')} added up"] if len(stores) > 1 else []
    remarks += [f"cut off {plural(pauses, 'time')}, the pauses left out"] if pauses else []
    cached = sum(row.cached for row in rows)
    remarks += [f"{plural(cached, 'cell')} from the cache"] if cached else []
    told = human_seconds(total.total_seconds()) + (f" ({', '.join(remarks)})" if remarks else "")
    most = asked.minutes
    holds = total <= timedelta(minutes=most) if most and not cached else None
    yield Number("from beginning to end, the report included", told, f"≤ {most:g} min" if most else "", holds)
    seconds = sum(value for row in rows for value in row.seconds.values())
    yield Number("the same, of the workers alone", human_seconds(seconds))


def worked(store: RunStore) -> tuple[timedelta, int]:
    """How long a run was worked on, and how often it was cut off: the time between one event and the next is counted unless it is so
    long that nobody was at work."""
    manifest = store.manifest()
    pause = timedelta(seconds=LIMITS_OF_A_PAUSE * float(manifest.config["limits"]["time"]))
    last = manifest.ended_at + pause if manifest.ended_at is not None else datetime.now(UTC)
    # it may have been judged or told of again since
    moments = sorted(moment for moment in _moments(store) if moment <= last)
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    return sum((gap for gap in gaps if gap <= pause), timedelta()), sum(gap > pause for gap in gaps)


def _moments(store: RunStore) -> Iterator[datetime]:
    """When something happened: the manifest's beginning and end, every event of every agent, and the report, which is written last."""
    manifest = store.manifest()
    yield from filter(None, (manifest.started_at, manifest.ended_at))
    for path in store.event_logs():
        for time in _TIME.findall(path.read_text("utf-8")):
            yield datetime.fromisoformat(time)
    index = store.root / "report" / "index.html"
    if index.is_file():
        yield datetime.fromtimestamp(index.stat().st_mtime, UTC)


def phases(rows: Iterable[Row]) -> list[Phase]:
    """The time by stage and target, in the order of the pipeline."""
    spent: dict[str, list[tuple[float, str]]] = {}
    for row in rows:
        for cell, seconds in row.seconds.items():
            spent.setdefault(cell, []).append((seconds, row.name))
    ordered = sorted(spent, key=lambda cell: (ORDER.index(cell.partition(".")[0].partition("@")[0]), cell))
    return [_phase(cell, spent[cell]) for cell in ordered]


def _phase(cell: str, spent: Sequence[tuple[float, str]]) -> Phase:
    times = [seconds for seconds, _ in spent if seconds > 0]
    longest, of = max(spent)
    return Phase(cell, len(times), sum(times), statistics.median(times) if times else 0.0, longest, of)


def versions_of(stores: Iterable[RunStore]) -> dict[str, str]:
    """Package → version, of every machine; where they differ, all of them."""
    found: dict[str, dict[str, None]] = {}
    for store in stores:
        for agent in store.agents():
            for name in TOLD:
                if name in agent.packages:
                    found.setdefault(name, {})[agent.packages[name]] = None
    return {name: " and ".join(found[name]) for name in TOLD if name in found}


def machines_of(stores: Iterable[RunStore]) -> list[str]:
    """Each machine in a line: cores, processor, memory, Python, commit."""
    lines = (
        f"{plural(agent.cores, 'core')} ({agent.cpu}), {human_bytes(agent.memory_bytes)}, Python {agent.python}"
        + (f", commit {agent.commit[:12]}{' and changes' if agent.dirty else ''}" if agent.commit else "")
        for store in stores
        for agent in store.agents()
    )
    return list(dict.fromkeys(lines))
