"""explain: how torch.compile cuts a model into graphs, counted from the structured trace.

The counting pass gives the true number of break events and, beside it, what torch says. Then, each timed apart and if configured:
whether `fullgraph=True` accepts the model, and what a second input size does.
"""

from __future__ import annotations

from driftgate.core.records import ExplainPayload
from driftgate.machine.jobs import Bench, Job
from driftgate.stages.explaining.counting import count_breaks
from driftgate.stages.explaining.fullgraph import check_fullgraph
from driftgate.stages.explaining.headers import name_only_what_is_logged
from driftgate.stages.explaining.second_shape import try_second_shape
from driftgate.stages.exporting.shortcuts import take
from driftgate.stages.loading import ready

__all__ = ["TRACE", "check_fullgraph", "count_breaks", "explain", "try_second_shape"]

TRACE = "explain.trace.jsonl.gz"


def explain(job: Job, bench: Bench) -> ExplainPayload:
    """Count and name every graph break. Passes whatever the breaks; an error inside dynamo is `compile`."""
    del bench
    take(name_only_what_is_logged)
    subject = ready(job)
    subject.eager()
    settings = job.settings.explain
    counted = count_breaks(subject, job.work / TRACE)
    fullgraph, whole = check_fullgraph(subject, counted.break_count) if settings.fullgraph else (None, None)
    if counted.break_count or counted.frames_skipped:
        whole = None  # plain torch.compile does not make of this model what fullgraph makes of it
    second_shape = try_second_shape(subject, whole, counted.breaks) if settings.second_shape else None
    return counted.model_copy(update={"fullgraph": fullgraph, "second_shape": second_shape})
