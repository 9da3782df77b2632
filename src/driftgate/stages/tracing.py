"""Listening to torch's structured trace in this process, and keeping it as a file.

TORCH_TRACE is read when torch is imported, so in a worker forked from a warmed server setting it gives no trace at all and a count
of 0. Here a handler is attached to the trace's logger, which works at any time; a pass in which nothing was heard is an error,
never a zero.
"""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from torch._logging import structured

LOGGER = "torch.__trace"
BREAK = "dynamo_graph_break_reason"
MOST_BYTES = 32_000_000
MOST_PAYLOAD = 1_000_000


@dataclass
class Heard:
    """What a pass told: the texts of its break events, the metrics of each compilation, how many records came."""

    breaks: list[str] = field(default_factory=list)
    compilations: list[dict[str, Any]] = field(default_factory=list)
    records: int = 0

    @property
    def frames_skipped(self) -> int:
        """Frames that dynamo gave up: their compilation failed and they ran in eager."""
        return len({c.get("compile_id") for c in self.compilations if c.get("fail_type") is not None})

    @property
    def recompiles(self) -> int:
        """Compilations of a frame that had been compiled before (`compile_id` is frame/compilation)."""
        return sum(1 for c in self.compilations if not str(c.get("compile_id", "0/0")).split("_")[0].endswith("/0"))

    @property
    def compile_s(self) -> float:
        """Seconds in dynamo and its backend, over all frames."""
        return float(sum(c.get("entire_frame_compile_time_s") or 0.0 for c in self.compilations))


class _Listener(logging.Handler):
    def __init__(self, heard: Heard, file: TextIO | None) -> None:
        super().__init__()
        self._heard, self._file, self._left = heard, file, MOST_BYTES

    def emit(self, record: logging.LogRecord) -> None:
        metadata: dict[str, Any] = getattr(record, "metadata", {})
        payload: str | None = getattr(record, "payload", None)
        self._heard.records += 1
        if metadata.get("artifact", {}).get("name") == BREAK:
            self._heard.breaks.append(payload or "")
        if "compilation_metrics" in metadata:
            self._heard.compilations.append(metadata["compilation_metrics"])
        if self._file is not None:
            self._write(self._file, metadata, payload)

    def _write(self, file: TextIO, metadata: dict[str, Any], payload: str | None) -> None:
        kept = payload if payload is None or len(payload) <= MOST_PAYLOAD else payload[:MOST_PAYLOAD] + "[… cut …]"
        line = json.dumps(metadata | ({} if kept is None else {"payload": kept}), default=str) + "\n"
        if len(line) <= self._left:
            self._left -= len(line)
            file.write(line)


@contextmanager
def listening(path: Path | None = None) -> Iterator[Heard]:
    """Hear every trace record of the block; with `path`, keep them there as gzipped JSON lines (at most 32 MB before
    compression: larger records are left out, the counts are of all)."""
    heard = Heard()
    logger = logging.getLogger(LOGGER)
    # names are interned once per process: what a warmed server has interned would be numbers without a meaning here
    structured.INTERN_TABLE.clear()
    with _opened(path) as file:
        listener = _Listener(heard, file)
        logger.addHandler(listener)
        try:
            yield heard
        finally:
            logger.removeHandler(listener)


@contextmanager
def _opened(path: Path | None) -> Iterator[TextIO | None]:
    if path is None:
        yield None
        return
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=3) as file:
        yield file
