"""Which cells are broken in a way that a script can repeat: which template, which fingerprint, and how that one is made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from driftgate.core.records import ExplainPayload, ExportPayload, Failure, FailureSummary, GraphBreak, StageRecord
from driftgate.core.verdicts import FailureKind

AT_WORK = frozenset(
    {
        FailureKind.LOAD, FailureKind.INPUTS, FailureKind.COMPILE, FailureKind.UNSUPPORTED_OP, FailureKind.DATA_DEPENDENT,
        FailureKind.CACHE_TYPE, FailureKind.CUSTOM_OP, FailureKind.CHECKER, FailureKind.SHAPE_MISMATCH, FailureKind.OTHER,
        FailureKind.FELL_BACK,
    }
)  # fmt: skip
"""Kinds of an exception that the model, its compiler or its runtime raised."""
ENDINGS = frozenset({FailureKind.TIME_LIMIT, FailureKind.MEMORY_LIMIT, FailureKind.SIGNAL, FailureKind.EXIT_NO_RECORD})
"""Kinds of a process that did not come to its end by itself."""
_DEEPEST = re.compile(
    r"(the model fails on its inputs \(\w+ size\)|the model fails on [\w-]+|the \w+ exporter failed|"
    r"torch\._dynamo\.explain failed|torch\.compile failed at a second input size): ",
)
_TOP = re.compile(
    r"(torch\.compile|ONNX Runtime refuses the model|ONNX Runtime cannot run the model|\w+ExecutionProvider|"
    r"the ONNX checker refuses the file): "
)
_JUDGEMENTS = {
    "no_frame": re.compile(r"dynamo traced no frame of "),
    "no_tensor": re.compile(r"the model returned no tensor"),
}
"""What Driftgate itself says of a model, and a script can look at."""


@dataclass(frozen=True)
class Broken:
    """A broken cell, or one exporter's try in it. Without a failure it is an explain cell with graph breaks."""

    record: StageRecord
    failure: Failure | FailureSummary | None = None
    exporter: str | None = None

    @property
    def script(self) -> str:
        """The name of its script."""
        exporter = f".{self.exporter}" if self.exporter else ""
        return f"{self.record.cell.name}{exporter}.py"

    @property
    def kind(self) -> FailureKind | None:
        """The failure's kind."""
        return FailureKind(self.failure.kind) if self.failure else None

    @property
    def doing(self) -> str:
        """What was being done, as the message begins."""
        return self.failure.message.partition(": ")[0] if self.failure else ""

    @property
    def recipe(self) -> str | None:
        """What the fingerprint is made of: the first line of the deepest exception with the place in the model (`site`), the
        deepest exception (`deepest`), the one on top (`top`), Driftgate's own words (`own`); None where a script cannot know."""
        message = self.failure.message if self.failure else ""
        if isinstance(self.failure, FailureSummary) and self.failure.signature:
            return "site"
        if _DEEPEST.match(message):
            return "deepest"
        if _TOP.match(message):
            return "top"
        return "own" if self.judgement else None

    @property
    def judgement(self) -> str | None:
        """What the failure says of the model in Driftgate's own words, if a script can see it, too."""
        message = self.failure.message if self.failure else ""
        return next((name for name, pattern in _JUDGEMENTS.items() if pattern.match(message)), None)


def at_second_size(payload: ExplainPayload) -> tuple[GraphBreak, ...]:
    """The breaks that a second input size alone shows."""
    return payload.second_shape.found if payload.second_shape else ()


def broken_in(record: StageRecord) -> Iterator[Broken]:
    """What of a record a script may repeat; nothing for cells that passed whole, and for failures that are nobody's code."""
    match record.stage, record.payload:
        case "explain", ExplainPayload() as payload if record.passed and (payload.breaks or at_second_size(payload)):
            yield Broken(record)
        case "export", ExportPayload(attempts=attempts):
            tries = (Broken(record, attempt.failure, attempt.exporter) for attempt in attempts if attempt.failure)
            yield from (one for one in tries if _is_repeatable(one))
        case (("explain" | "infer"), _) if record.failure:
            one = Broken(record, record.failure)
            if _is_repeatable(one):
                yield one


def _is_repeatable(broken: Broken) -> bool:
    """Inputs that are missing are nobody's code; a model that fails on those it has, is."""
    if broken.kind is FailureKind.INPUTS:
        return broken.recipe is not None
    return broken.kind in AT_WORK or broken.kind in ENDINGS
