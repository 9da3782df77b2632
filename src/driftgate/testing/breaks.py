"""Graph breaks for tests that need some: made from a line of code, given to the models of a synthetic run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from driftgate.core.fingerprints import break_fingerprint
from driftgate.core.records import ExplainPayload, GraphBreak
from driftgate.machine.store import RunStore

TYPES = {"GB0170": "Data-dependent branching", "GB0124": "Unsupported Tensor.item()", "GB0059": "Failed to trace print"}
LIBRARY = "transformers/models/led/modeling_led.py"
OWN = "/home/somebody/mine.py"


def graph_break(
    code: str, gb_id: str = "GB0170", *, file: str = LIBRARY, line: int = 10, function: str = "forward", count: int = 1
) -> GraphBreak:
    """A break at a line of code, with the identities that a real one has."""
    return GraphBreak(
        gb_id=gb_id,
        gb_type=TYPES[gb_id],
        reason=TYPES[gb_id],
        explanation=f"Dynamo cannot go on at {TYPES[gb_id]}.",
        hints=("Use `torch.cond`.",),
        url=f"https://example.org/{gb_id.lower()}.html",
        file=file,
        line=line,
        function=function,
        code=code,
        count=count,
        fingerprint=break_fingerprint(gb_id, function, code),
        site=break_fingerprint(gb_id, function),
    )


def explained(*breaks: GraphBreak) -> ExplainPayload:
    """What explain says of a model with these breaks."""
    events = sum(one.count for one in breaks)
    return ExplainPayload(
        graph_count=events + 1,
        break_count=events,
        unique_break_count=len(breaks),
        frames_skipped=0,
        explain_break_count=events,
        breaks=breaks,
        op_count=7,
        compile_s=0.5,
    )


def give_breaks(store: RunStore, breaks: Mapping[str, Sequence[GraphBreak]]) -> RunStore:
    """Write these breaks into the explain records of a run, by slug; every other model gets none."""
    for cell in store.plan().cells:
        record = store.record(cell) if cell.stage == "explain" else None
        if record is not None and record.passed:
            payload = explained(*breaks.get(cell.model, ()))
            store.write_record(record.model_copy(update={"payload": payload}))
    return store
