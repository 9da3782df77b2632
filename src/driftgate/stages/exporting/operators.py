"""torch's look-up of composite operators, made once for as long as no operator is added.

Before an export decomposes a graph it asks, once for each of 29 namespaces and twice in all, for every composite operator of the
dispatcher to be put into `torch.ops`: 58 times the same 800 look-ups, a tenth of the export of a small model. Here they are made
when the dispatcher's list differs from the last one. What torch finds is the same; a torch whose internals look different is refused aloud.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch

from driftgate.core.errors import MachineryError

KEY = "CompositeImplicitAutograd"


def look_up_once() -> None:
    """Make `torch._export.utils` put composite operators into `torch.ops` when there are new ones. Idempotent. Raises
    MachineryError if torch's function is not what this was written for."""
    from torch._export import utils

    found: Callable[[], None] | None = getattr(utils, "_materialize_cpp_cia_ops", None)
    if getattr(found, "kept_by_driftgate", False):
        return
    listed: Any = getattr(torch._C, "_dispatch_get_registrations_for_dispatch_key", None)
    if found is None or listed is None or inspect.signature(found).parameters:
        raise MachineryError(
            "torch._export.utils._materialize_cpp_cia_ops has changed: "
            "driftgate.stages.exporting.operators must be adapted to this torch"
        )
    look_up: Callable[[], None] = found
    known: set[str] = set()

    def only_new() -> None:
        now = set(listed(KEY))
        if now != known:
            look_up()
            known.clear()
            known.update(now)

    only_new.kept_by_driftgate = True  # type: ignore[attr-defined]
    utils._materialize_cpp_cia_ops = only_new
