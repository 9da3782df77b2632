"""Listening to torch's structured trace in this process, and keeping it as a file.

TORCH_TRACE is read when torch is imported, so in a worker forked from a warmed server setting it gives no trace at all and a count
of 0. Here a handler is attached to the trace's logger, which works at any time; a pass in which nothing was heard is an error,
never a zero.
"""

from __future__ import annotations

import gzip
import json
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from torch import nn
from torch._dynamo.utils import counters
from torch._logging import structured

from driftgate.core.break_places import Owner
from driftgate.core.compilations import PHASES, Compilation, read_compilation
from driftgate.core.records import Recompile, SkippedFrame
from driftgate.stages.explaining.owners import names_of, owners, regions

LOGGER = "torch.__trace"
BREAK = "dynamo_graph_break_reason"
RECOMPILE = "recompile_reasons"
MOST_BYTES = 32_000_000
MOST_PAYLOAD = 1_000_000


@dataclass(frozen=True)
class HeardBreak:
    """One break event: its text, and whose code was at work."""

    text: str
    owners: tuple[Owner, ...] = ()


@dataclass
class Heard:
    """What a pass told: its break events, each compilation, seconds by phase, how many records came; and what dynamo counted.

    `counted` is `torch._dynamo.utils.counters["graph_break"]` summed up over the pass, `lost` that somebody silenced the trace in the
    meantime: then nothing here is to be believed.
    """

    breaks: list[HeardBreak] = field(default_factory=list)
    compilations: list[Compilation] = field(default_factory=list)
    spans: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    records: int = 0
    counted: int = 0
    lost: bool = False

    @property
    def skipped(self) -> tuple[SkippedFrame, ...]:
        """Frames that dynamo gave up: their compilation failed and they ran in eager."""
        return tuple(one.skip() for one in self.compilations if one.failed)

    @property
    def recompiled(self) -> tuple[Recompile, ...]:
        """Compilations of a frame that had been compiled before."""
        return tuple(one.recompile() for one in self.compilations if one.again)

    @property
    def limits(self) -> int:
        """How often a frame was not compiled because it had been too often."""
        return sum(one.limited for one in self.compilations)

    @property
    def compile_s(self) -> float:
        """Seconds in dynamo and its backend, over all frames."""
        return sum(one.seconds for one in self.compilations)


class _Listener(logging.Handler):
    def __init__(self, heard: Heard, file: TextIO | None, names: Mapping[int, str]) -> None:
        super().__init__()
        self._heard, self._file, self._left, self._names = heard, file, MOST_BYTES, names
        self._graphs: dict[tuple[Any, Any], int] = {}
        self._reasons: dict[tuple[Any, Any], list[str]] = {}
        self._began: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        metadata: dict[str, Any] = getattr(record, "metadata", {})
        payload: str | None = getattr(record, "payload", None)
        self._heard.records += 1
        self._hear(metadata, payload or "")
        if self._file is not None:
            self._write(self._file, metadata, payload)

    def end(self, *, lost: bool) -> None:
        """What can be told when the block is over."""
        self._heard.lost = lost
        self._heard.counted = sum(counters["graph_break"].values())

    def _hear(self, metadata: dict[str, Any], payload: str) -> None:
        artifact = metadata.get("artifact", {}).get("name")
        compilation = (metadata.get("frame_id"), metadata.get("frame_compile_id"))
        if artifact == BREAK:
            self._heard.breaks.append(HeardBreak(payload, owners(self._names)))
        elif artifact == RECOMPILE:
            self._reasons[compilation] = _reasons(payload)
        elif "dynamo_output_graph" in metadata:
            self._graphs[compilation] = regions()
        elif "chromium_event" in metadata:
            self._time(payload)
        elif "compilation_metrics" in metadata:
            self._finish(compilation, metadata["compilation_metrics"])

    def _finish(self, compilation: tuple[Any, Any], metrics: dict[str, Any]) -> None:
        depth = self._graphs.get(compilation, 0)
        reasons = self._reasons.get(compilation, [])
        self._heard.compilations.append(read_compilation(metrics, graph=depth > 0, foreign=depth > 1, reasons=reasons))

    def _time(self, payload: str) -> None:
        """Seconds between the begin and the end of a phase; phases of one kind do not nest."""
        if not any(phase in payload for phase in PHASES):
            return
        event = json.loads(payload)
        if event["name"] in PHASES and event["ph"] == "B":
            self._began[event["name"]] = event["ts"]
        elif event["name"] in PHASES and event["ph"] == "E" and event["name"] in self._began:
            self._heard.spans[event["name"]] += (event["ts"] - self._began.pop(event["name"])) / 1e6

    def _write(self, file: TextIO, metadata: dict[str, Any], payload: str | None) -> None:
        kept = payload if payload is None or len(payload) <= MOST_PAYLOAD else payload[:MOST_PAYLOAD] + "[… cut …]"
        line = json.dumps(metadata | ({} if kept is None else {"payload": kept}), default=str) + "\n"
        if len(line) <= self._left:
            self._left -= len(line)
            file.write(line)


def _reasons(payload: str) -> list[str]:
    """The artifact holds a text where one cached compilation did not fit, a list where several did not."""
    return [str(reason) for reason in json.loads(payload)] if payload.startswith("[") else [payload]


@contextmanager
def listening(path: Path | None = None, model: object = None) -> Iterator[Heard]:
    """Hear every trace record of the block; with `path`, keep them there as gzipped JSON lines (at most 32 MB before
    compression: larger records are left out, the counts are of all). With `model`, each break knows its submodule."""
    heard = Heard()
    # names are interned once per process: what a warmed server has interned would be numbers without a meaning here
    structured.INTERN_TABLE.clear()
    counters.clear()
    with (
        _opened(path) as file,
        _attached(_Listener(heard, file, names_of(model) if isinstance(model, nn.Module) else {})),
    ):
        yield heard


@contextmanager
def _attached(listener: _Listener) -> Iterator[None]:
    logger = logging.getLogger(LOGGER)
    logger.addHandler(listener)
    try:
        yield
    finally:
        listener.end(lost=listener not in logger.handlers or logger.disabled)
        logger.removeHandler(listener)


@contextmanager
def _opened(path: Path | None) -> Iterator[TextIO | None]:
    if path is None:
        yield None
        return
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=3) as file:
        yield file
