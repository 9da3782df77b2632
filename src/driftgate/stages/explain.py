"""explain: how torch.compile cuts a model into graphs, counted from the structured trace.

One `torch._dynamo.explain` call under a listener gives the true number of break events and, beside it, what explain itself says.
Then, each timed apart and if configured: whether `fullgraph=True` accepts the model, and what a second input size does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch._dynamo
from torch._dynamo.utils import counters

from driftgate.core.breaks import fold_events, ids_by_type, parse_event, shorten
from driftgate.core.errors import StageFailure
from driftgate.core.records import ExplainPayload, Fullgraph, SecondShape
from driftgate.core.verdicts import FailureKind
from driftgate.machine.jobs import Bench, Job
from driftgate.stages.blame import OURS, attempt, blaming, describe
from driftgate.stages.loading import Ready, ready
from driftgate.stages.tracing import Heard, listening

TRACE = "explain.trace.jsonl.gz"
Compiled = Callable[..., Any]


def explain(job: Job, bench: Bench) -> ExplainPayload:
    """Count and name every graph break. Passes whatever the breaks; an error inside dynamo is `compile`."""
    del bench
    subject = ready(job)
    subject.eager()
    settings = job.settings.explain
    counted = count_breaks(subject, job.work / TRACE)
    fullgraph, whole = check_fullgraph(subject) if settings.fullgraph else (None, None)
    if counted.break_count or counted.frames_skipped:
        whole = None  # plain torch.compile does not make of this model what fullgraph makes of it
    second_shape = try_second_shape(subject, whole) if settings.second_shape else None
    return counted.model_copy(update={"fullgraph": fullgraph, "second_shape": second_shape})


def count_breaks(subject: Ready, trace: Path | None = None) -> ExplainPayload:
    """The counting pass. `trace` is where the raw records go."""
    counters.clear()
    with listening(trace) as heard, blaming(FailureKind.COMPILE, "torch._dynamo.explain failed"), torch.no_grad():
        said = subject.call(torch._dynamo.explain(subject.module))
    if not heard.compilations:
        raise unheard(subject.module)
    breaks = fold_events(parse_event(text, gb_ids(), above=OURS) for text in heard.breaks)
    return ExplainPayload(
        graph_count=said.graph_count,
        break_count=len(heard.breaks),
        unique_break_count=len(breaks),
        frames_skipped=heard.frames_skipped,
        explain_break_count=said.graph_break_count,
        breaks=breaks,
        op_count=said.op_count,
        ops_per_graph=tuple(len(ops) for ops in said.ops_per_graph),
        recompiles=heard.recompiles,
        compile_s=heard.compile_s,
        counter_break_count=sum(counters["graph_break"].values()),
    )


def unheard(module: Any) -> StageFailure:
    """A count is never 0 because nobody listened, or because dynamo never saw the model."""
    return StageFailure(
        FailureKind.COMPILE,
        f"dynamo traced no frame of {type(module).__name__}: there is nothing to count",
        hint="its forward may be under torch.compiler.disable, or this torch no longer logs to torch.__trace",
    )


def check_fullgraph(subject: Ready) -> tuple[Fullgraph, Compiled | None]:
    """Whether the whole model is one graph, and that graph; the first obstacle if it is not."""
    torch._dynamo.reset()
    compiled = torch.compile(subject.module, fullgraph=True, backend="eager")
    began = time.perf_counter()
    with torch.no_grad():
        error = attempt(lambda: subject.call(compiled))
    seconds = time.perf_counter() - began
    verdict = Fullgraph(passed=error is None, reason=None if error is None else _obstacle(error), seconds=seconds)
    return verdict, compiled if error is None else None


def _obstacle(error: Exception) -> str:
    """The error up to where torch repeats the user's stack."""
    return shorten(describe(error).partition("\n\nfrom user code:")[0].strip())


def try_second_shape(subject: Ready, whole: Compiled | None = None) -> SecondShape | None:
    """What a second input size does to the compiled model: compilations, breaks, the seconds of that call. None without a
    second size.

    `whole` is the model as one graph, already compiled for the first size: where there are no breaks it is what a plain
    compilation gives, and saves making it again.
    """
    if not subject.inputs.second:
        return None
    subject.eager("second")
    if whole is not None:
        with listening() as heard:
            began = time.perf_counter()
            with torch.no_grad():
                error = attempt(lambda: subject.call(whole, "second"))
        if error is None:
            return _second(heard, began)
    torch._dynamo.reset()
    compiled = torch.compile(subject.module, backend="eager")
    with blaming(FailureKind.COMPILE, "torch.compile failed at a second input size"), torch.no_grad():
        subject.call(compiled)
        with listening() as heard:
            began = time.perf_counter()
            subject.call(compiled, "second")
    return _second(heard, began)


def _second(heard: Heard, began: float) -> SecondShape:
    return SecondShape(recompiles=heard.recompiles, breaks=len(heard.breaks), seconds=time.perf_counter() - began)


@cache
def gb_ids() -> dict[str, str]:
    """Break type → id, from the registry that torch ships."""
    path = Path(torch._dynamo.__file__).parent / "graph_break_registry.json"
    return ids_by_type(json.loads(path.read_text("utf-8")))
