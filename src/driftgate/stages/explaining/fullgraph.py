"""Whether the whole model is one graph for `torch.compile(fullgraph=True)`, and what that says about a plain compilation."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
import torch._dynamo

from driftgate.core.breaks import id_in, shorten
from driftgate.core.records import Fullgraph
from driftgate.stages.blame import attempt, describe
from driftgate.stages.explaining.counting import gb_ids
from driftgate.stages.loading import Ready
from driftgate.stages.tracing import listening

Compiled = Callable[..., Any]
DEFAULTS = ("capture_scalar_outputs", "capture_dynamic_output_shape_ops")
"""The options of `torch._dynamo.config` that fullgraph takes as true, whatever they are set to."""


def check_fullgraph(subject: Ready, breaks: int | None = None) -> tuple[Fullgraph, Compiled | None]:
    """The verdict, and the whole graph if there is one; the first obstacle if not.

    `breaks` is the number of break events of a plain compilation: where fullgraph passes all the same, a plain compilation with
    fullgraph's defaults is asked too.
    """
    torch._dynamo.reset()
    compiled = torch.compile(subject.module, fullgraph=True, backend="eager")
    began = time.perf_counter()
    with torch.no_grad():
        error = attempt(lambda: subject.call(compiled))
    seconds = time.perf_counter() - began
    reason = None if error is None else _obstacle(error)
    verdict = Fullgraph(
        passed=error is None,
        reason=reason,
        seconds=seconds,
        gb_id=reason and id_in(reason, gb_ids()),
        defaults=DEFAULTS,
        note="plain compilation has no break: what fullgraph refuses runs outside its graphs"
        if reason and breaks == 0
        else None,
    )
    if reason or not breaks:
        return verdict, compiled if error is None else None
    return _beside_plain(subject, verdict), compiled


def _beside_plain(subject: Ready, verdict: Fullgraph) -> Fullgraph:
    left = breaks_with_defaults(subject)
    why = f"fullgraph passes where plain compilation breaks: it switches on {' and '.join(DEFAULTS)}"
    also = (
        f"with them on, plain compilation still has {left} break events"
        if left
        else "with them on, plain compilation does not break either"
    )
    return verdict.model_copy(update={"breaks_with_defaults": left, "note": f"{why}; {also}"})


def breaks_with_defaults(subject: Ready) -> int:
    """Break events of a plain compilation with fullgraph's defaults."""
    torch._dynamo.reset()
    with torch._dynamo.config.patch(dict.fromkeys(DEFAULTS, True)), listening() as heard, torch.no_grad():
        subject.call(torch.compile(subject.module, backend="eager"))
    return len(heard.breaks)


def _obstacle(error: Exception) -> str:
    """The error up to where torch repeats the user's stack."""
    return shorten(describe(error).partition("\n\nfrom user code:")[0].strip())
