"""What a second input size does to a compiled model: which functions are compiled again, because of which guard, and what breaks."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
import torch._dynamo

from driftgate.core.break_places import fold_events
from driftgate.core.records import GraphBreak, SecondShape
from driftgate.core.verdicts import FailureKind
from driftgate.stages.blame import attempt, blaming
from driftgate.stages.explaining.counting import events_of
from driftgate.stages.explaining.fullgraph import Compiled
from driftgate.stages.loading import Ready
from driftgate.stages.tracing import Heard, listening


def try_second_shape(
    subject: Ready, whole: Compiled | None = None, known: Sequence[GraphBreak] = ()
) -> SecondShape | None:
    """Compilations, breaks and seconds of a call with the second size. None without one.

    `whole` is the model as one graph, already compiled for the first size: where there are no breaks it is what a plain compilation
    gives, and saves making it again. `known` are the breaks at the first size.
    """
    if not subject.inputs.second:
        return None
    subject.eager("second")
    if whole is not None:
        with listening(model=subject.module) as heard:
            began = time.perf_counter()
            with torch.no_grad():
                error = attempt(lambda: subject.call(whole, "second"))
        if error is None:
            return _second(heard, began, known)
    torch._dynamo.reset()
    compiled = torch.compile(subject.module, backend="eager")
    with blaming(FailureKind.COMPILE, "torch.compile failed at a second input size"), torch.no_grad():
        subject.call(compiled)
        with listening(model=subject.module) as heard:
            began = time.perf_counter()
            subject.call(compiled, "second")
    return _second(heard, began, known)


def _second(heard: Heard, began: float, known: Sequence[GraphBreak]) -> SecondShape:
    seconds = time.perf_counter() - began
    places = {_place(seen) for seen in known}
    return SecondShape(
        recompiles=len(heard.recompiled),
        breaks=len(heard.breaks),
        seconds=seconds,
        recompiled=heard.recompiled,
        found=tuple(seen for seen in fold_events(events_of(heard)) if _place(seen) not in places),
        cache_limit_hits=heard.limits,
    )


def _place(seen: GraphBreak) -> tuple[object, ...]:
    return (seen.file, seen.line, seen.fingerprint)
