"""What dynamo says of each compilation: which function, for which time, whether a graph came of it, why it was compiled again.

The records of the structured trace go in (`compilation_metrics`, `recompile_reasons`), frozen facts come out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from driftgate.core.breaks import RESUME_PREFIX, shorten, unresumed
from driftgate.core.records import CompilePhases, Recompile, SkippedFrame

_GUARD = re.compile(r"^\d+/\d+: ")
_SOURCE = re.compile(r"\s+# ")
_ADDRESS = re.compile(r"(?<=, )\d+(?=\), type=)|(?<=_)\d{9,}|\b0x[0-9a-f]{6,}\b")
LIMIT = "Dynamo recompile limit exceeded"
PHASES = ("bytecode_tracing", "backend_compile", "build_guards")
"""The timed events of the trace that a record keeps; each lies within `entire_frame_compile`."""


@dataclass(frozen=True)
class Compilation:
    """One attempt at one function. `number` is 0 for the first; `graph` whether a graph went to the backend; `fail_reason` why the
    function was given up; `limited` that it was not compiled because it had been too often."""

    frame: str
    number: int
    function: str
    file: str | None
    line: int | None
    graph: bool = False
    foreign: bool = False
    resumed: bool = False
    guards: int = 0
    seconds: float = 0.0
    restarted: float = 0.0
    fail_reason: str | None = None
    reasons: tuple[str, ...] = ()

    @property
    def limited(self) -> bool:
        """Whether it was not compiled because it had been too often: what was compiled of the function stays in use."""
        return (self.fail_reason or "").startswith(LIMIT)

    @property
    def failed(self) -> bool:
        """Whether the function was given up."""
        return self.fail_reason is not None and not self.limited

    @property
    def again(self) -> bool:
        """Whether the function was compiled and had been before."""
        return self.number > 0 and not self.limited

    def recompile(self) -> Recompile:
        """The record of a compilation that was not the first."""
        return Recompile(function=self.function, file=self.file, line=self.line, guards=self.reasons)

    def skip(self) -> SkippedFrame:
        """The record of a compilation that failed."""
        reason = (self.fail_reason or "").strip().splitlines()
        return SkippedFrame(
            function=self.function, file=self.file, line=self.line, reason=shorten(reason[0]) if reason else "unknown"
        )


def read_compilation(
    metrics: Mapping[str, Any], *, graph: bool = False, foreign: bool = False, reasons: Sequence[str] = ()
) -> Compilation:
    """Read one `compilation_metrics` record. `graph`: whether a graph was heard of under its id, `foreign`: whether within a region
    that is compiled by itself; `reasons`: its `recompile_reasons`."""
    frame, _, number = str(metrics.get("compile_id") or "0/0").partition("/")
    function, file = str(metrics.get("co_name") or "<unknown>"), metrics.get("co_filename")
    return Compilation(
        frame=frame,
        number=int(number.split("_")[0]),
        function=unresumed(function),
        file=shorten(file) if file else None,
        line=metrics.get("co_firstlineno"),
        graph=graph,
        foreign=foreign,
        resumed=function.startswith(RESUME_PREFIX),
        guards=metrics.get("guard_count") or 0,
        seconds=metrics.get("entire_frame_compile_time_s") or 0.0,
        restarted=metrics.get("dynamo_time_before_restart_s") or 0.0,
        fail_reason=(metrics.get("fail_reason") or metrics["fail_type"]) if metrics.get("fail_type") else None,
        reasons=tuple(guard(reason) for reason in reasons),
    )


def guard(reason: str) -> str:
    """The guard that failed and the code that made it, without the compilation's number, objects' addresses and places on this machine."""
    first = reason.strip().partition("\n")[0]
    failed, *made = (part.strip() for part in _SOURCE.split(_GUARD.sub("", first))[:2])
    return "  # ".join((_ADDRESS.sub("…", failed), *made))


def phases(compilations: Sequence[Compilation], spans: Mapping[str, float]) -> CompilePhases:
    """Seconds by phase. `spans`: the seconds of the events in `PHASES`; tracing holds the backend within it."""
    whole = sum(one.seconds for one in compilations)
    backend = spans.get("backend_compile", 0.0)
    tracing = max(spans.get("bytecode_tracing", 0.0) - backend, 0.0)
    guards = spans.get("build_guards", 0.0)
    return CompilePhases(
        tracing_s=tracing,
        restarted_s=sum(one.restarted for one in compilations),
        backend_s=backend,
        guards_s=guards,
        other_s=max(whole - tracing - backend - guards, 0.0),
    )
