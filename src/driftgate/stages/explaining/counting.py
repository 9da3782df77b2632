"""The counting pass: one `torch._dynamo.explain` call under a listener gives the true number of break events and, beside it, what
explain itself says."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch._dynamo

from driftgate.core.break_places import fold_events, module_of
from driftgate.core.breaks import BreakEvent, ids_by_type, parse_event
from driftgate.core.compilations import phases
from driftgate.core.errors import StageFailure
from driftgate.core.reconcile import reconcile
from driftgate.core.records import ExplainPayload
from driftgate.core.verdicts import FailureKind
from driftgate.stages.blame import OURS, blaming
from driftgate.stages.loading import Ready
from driftgate.stages.tracing import LOGGER, Heard, HeardBreak, listening


def count_breaks(subject: Ready, trace: Path | None = None) -> ExplainPayload:
    """The counting pass. `trace` is where the raw records go.

    Raises StageFailure(`compile`) for an error inside dynamo and where it traced nothing, `other` where the trace was silenced.
    """
    began = time.perf_counter()
    with (
        listening(trace, subject.module) as heard,
        blaming(FailureKind.COMPILE, "torch._dynamo.explain failed"),
        torch.no_grad(),
    ):
        said = subject.call(torch._dynamo.explain(subject.module))
    seconds = time.perf_counter() - began
    check_heard(heard, subject.module, trace)
    return payload_of(heard, said, seconds)


def payload_of(heard: Heard, said: Any, seconds: float) -> ExplainPayload:
    """The record of a pass: what was heard, beside what explain said (an `ExplainOutput`)."""
    events = events_of(heard)
    breaks = fold_events(events)
    return ExplainPayload(
        graph_count=said.graph_count,
        break_count=len(events),
        unique_break_count=len(breaks),
        frames_skipped=len(heard.skipped),
        explain_break_count=said.graph_break_count,
        breaks=breaks,
        op_count=said.op_count,
        ops_per_graph=tuple(len(ops) for ops in said.ops_per_graph),
        recompiles=len(heard.recompiled),
        compile_s=heard.compile_s,
        counter_break_count=heard.counted,
        reconciliation=reconcile(events, heard.compilations, counter=heard.counted, said=said.graph_break_count),
        skipped=heard.skipped,
        recompiled=heard.recompiled,
        cache_limit_hits=heard.limits,
        guard_count=sum(one.guards for one in heard.compilations),
        phases=phases(heard.compilations, heard.spans),
        seconds=seconds,
    )


def events_of(heard: Heard) -> list[BreakEvent]:
    """The break events of a pass, parsed."""
    return [_event(one) for one in heard.breaks]


def _event(one: HeardBreak) -> BreakEvent:
    event = parse_event(one.text, gb_ids(), above=OURS)
    return replace(event, module=module_of(event.frame, one.owners))


def check_heard(heard: Heard, module: object, trace: Path | None = None) -> None:
    """A count is never 0 because nobody listened, or because dynamo never saw the model: StageFailure instead."""
    if heard.lost:
        raise StageFailure(
            FailureKind.OTHER,
            f"torch's trace was silenced while {type(module).__name__} was traced: what it told cannot be counted",
            hint=f"some code of the model takes handlers off the logger {LOGGER}, or disables it",
        )
    if not heard.compilations:
        raise StageFailure(
            FailureKind.COMPILE,
            f"dynamo traced no frame of {type(module).__name__}: there is nothing to count",
            hint=f"its forward may be under torch.compiler.disable, or this torch no longer logs to {LOGGER}",
        )
    if trace is not None and not trace.is_file():
        raise StageFailure(FailureKind.DISK, f"the trace {trace.name} is gone from the job's folder")


@cache
def gb_ids() -> dict[str, str]:
    """Break type → id, from the registry that torch ships."""
    path = Path(torch._dynamo.__file__).parent / "graph_break_registry.json"
    return ids_by_type(json.loads(path.read_text("utf-8")))
