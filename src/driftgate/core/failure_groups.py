r"""What fails over a fleet, grouped by cause: the stage, the kind, and the message without what differs from model to model.

    Could not guard on data-dependent expression Eq(u7, 0)      of one model
    Could not guard on data-dependent expression …              of thirty: one group, with the lines of code beneath

Coarser than a failure's fingerprint, which also keeps the line of code apart: here the question is how many models one mend might reach.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from driftgate.core.fingerprints import normalise
from driftgate.core.records import ExportPayload, FailureSummary, StageRecord
from driftgate.core.verdicts import FailureKind

HEADLINE = 200
_ALIKE = (
    (re.compile(r"^the \w+ exporter failed: "), ""),
    (re.compile(r"(data-dependent expression) .*"), r"\1 …"),
    (re.compile(r"\b[A-Za-z]\w*?(?:Model|Config|Processor|Encoder|Decoder|Backbone|For[A-Z]\w*)\b"), "…"),  # classes of models
    (re.compile(r"'[^'.:\s]+'|`[^`.:\s]+`"), "'…'"),  # names of tensors and fields; operators have a dot
    (re.compile(r"node_\w+"), "node…"),
    (re.compile(r"\b\d+(?:[x×]\d+)+\b"), "N, …"),
    (re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])"), "N"),
    (re.compile(r"(?:N(?:, ?| ?[×x*] ?))+N\b"), "N, …"),  # shapes
    (re.compile(r"…(?:[:,;]? …)+"), "…"),
    (re.compile(r"^…: "), "… "),
)  # fmt: skip
_IN_A_TRACEBACK = re.compile(r'File "(?:.*/(?:site|dist)-packages/)?((?:transformers|timm)/models/[^"]+)", line (\d+)')


@dataclass(frozen=True, slots=True)
class Seen:
    """A cell that did not pass for a reason of its own. `place` is `file:line` in the model's code, `code` what stands there; `reason`
    says why it was expected, None where it was not."""

    cell: str
    kind: FailureKind
    headline: str
    place: str | None = None
    code: str | None = None
    reason: str | None = None


@dataclass(slots=True)
class FailureGroup:
    """Cells that failed alike. `models` are slug → where each failed; `reasons` say why some were expected."""

    seen: Seen
    models: dict[str, Seen] = field(default_factory=dict)

    @property
    def expected(self) -> int:
        """How many of the models were expected to fail so."""
        return sum(seen.reason is not None for seen in self.models.values())

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """Why they were expected, with how many of them."""
        return Counter(seen.reason for seen in self.models.values() if seen.reason is not None).most_common()

    @property
    def places(self) -> list[tuple[str, str | None, list[str]]]:
        """Line in the model's code, what stands there, and the models that fail there, the most costly first."""
        found: dict[str, tuple[str | None, list[str]]] = {}
        for slug, seen in self.models.items():
            if seen.place is not None:
                found.setdefault(seen.place, (seen.code, []))[1].append(slug)
        ordered = sorted(found.items(), key=lambda item: (-len(item[1][1]), item[0]))
        return [(place, code, slugs) for place, (code, slugs) in ordered]


def seen_in(record: StageRecord, reason: str | None = None) -> Seen | None:
    """What a record tells of a failure; None where it passed, or only hangs on another cell."""
    failure = record.failure
    if failure is None or failure.kind is FailureKind.UPSTREAM:
        return None
    told = _attempt(record)
    source = told.source if told else None
    place = f"{source.file}:{source.line}" if source else _last_place(failure.traceback or "")
    return Seen(
        cell=record.cell.name,
        kind=failure.kind,
        headline=headline(told.signature[0] if told and told.signature else failure.message),
        place=place,
        code=source.code if source else None,
        reason=reason,
    )


def headline(message: str) -> str:
    """The first paragraph of a message in one line, without names, numbers, symbols and paths.

    >>> headline("the dynamo exporter failed: GuardError: Could not guard on data-dependent expression Eq(u7, 0)")
    'GuardError: Could not guard on data-dependent expression …'
    """
    text = normalise(message.partition("\n\n")[0])
    for pattern, replacement in _ALIKE:
        text = pattern.sub(replacement, text)
    return text if len(text) <= HEADLINE else f"{text[:HEADLINE].rstrip()}…"


def failure_groups(failures: Iterable[tuple[str, Seen]]) -> list[FailureGroup]:
    """Failures with the slugs of their models, grouped, the most costly first."""
    groups: dict[tuple[str, FailureKind, str], FailureGroup] = {}
    for slug, seen in failures:
        group = groups.setdefault((seen.cell, seen.kind, seen.headline), FailureGroup(seen))
        group.models.setdefault(slug, seen)
    return sorted(
        groups.values(), key=lambda group: (-len(group.models), group.seen.cell, group.seen.kind, group.seen.headline)
    )


def _attempt(record: StageRecord) -> FailureSummary | None:
    """The try that the failure of an export tells of."""
    payload, failure = record.payload, record.failure
    tries: Iterator[FailureSummary | None] = (
        one.failure for one in (payload.attempts if isinstance(payload, ExportPayload) else ())
    )
    return next((one for one in tries if one and failure and one.fingerprint == failure.fingerprint), None)


def _last_place(traceback: str) -> str | None:
    found = _IN_A_TRACEBACK.findall(traceback)
    return f"{found[-1][0]}:{found[-1][1]}" if found else None
