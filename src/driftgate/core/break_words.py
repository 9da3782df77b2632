"""Graph breaks in words: where they are, what they are called, and what torch's own counts say beside the true one."""

from __future__ import annotations

from collections.abc import Iterator

from driftgate.core.records import ExplainPayload, GraphBreak

_GRAPHS = "it reports graphs − 1"
_GENERAL = (
    "This graph break is fundamental",
    "This graph break may be difficult",
    "This is likely to be a Dynamo bug",
    "It may be possible to write Dynamo tracing rules",
    "Please report an issue",
)
"""Hints that torch gives for a whole class of breaks: true, and no way out."""


def where(seen: GraphBreak) -> str:
    """`transformers/models/led/modeling_led.py:512 in forward`; what is not known is left out."""
    line = f":{seen.line}" if seen.line else ""
    place = f"{seen.file}{line}" if seen.file else "place unknown"
    return f"{place} in {seen.function}" if seen.function else place


def reason_name(seen: GraphBreak) -> str:
    """`GB0170 Data-dependent branching`."""
    return f"{seen.gb_id} {seen.gb_type}" if seen.gb_id else seen.gb_type


def frame_name(seen: GraphBreak) -> str:
    """The function that is cut: `transformers/models/led/modeling_led.py forward`."""
    return f"{seen.file or 'place unknown'} {seen.function or ''}".rstrip()


def ways_out(seen: GraphBreak) -> tuple[str, ...]:
    """The hints, those first that say what to do."""
    return tuple(sorted(seen.hints, key=lambda hint: hint.startswith(_GENERAL)))


def counts_beside(payload: ExplainPayload) -> Iterator[str]:
    """What torch's own counts say where they are not the true one, and why: one sentence each, none where they agree."""
    said = (
        ("explain", payload.explain_break_count, "torch._dynamo.explain says"),
        ("counters", payload.counter_break_count, "dynamo's counters say"),
    )
    for beside, number, words in said:
        if number is not None and number != payload.break_count:
            yield f"{words} {number}: {_why(payload, beside)}"


def _why(payload: ExplainPayload, beside: str) -> str:
    reasons = [f"{one.events:+d} {one.reason}" for one in payload.reconciliation or () if one.beside == beside]
    if beside == "explain":
        return "; ".join((_GRAPHS, *reasons))
    return "; ".join(reasons) or "they leave out branches on values, and functions that were given up"
