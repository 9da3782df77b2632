"""An exporter's exception as the failure of its cell: kind, deepest cause, what would mend it, and where in the model it sits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from driftgate.core.errors import StageFailure
from driftgate.core.export_causes import Recognised, cause_of, identity
from driftgate.core.fingerprints import fingerprint
from driftgate.core.records import FailureSummary
from driftgate.core.verdicts import FailureKind
from driftgate.stages.blame import blaming, deepest, describe
from driftgate.stages.exporting.sites import Site, raised_by_torch, site_of

UNKNOWN = "nothing is known of this cause: read the traceback from {where} down, and try another of export.exporters"


class ExportFailure(StageFailure):
    """A failure that knows its place; `summary` is what the try's record holds of it."""

    def __init__(self, failure: StageFailure, summary: FailureSummary) -> None:
        super().__init__(failure.kind, failure.message, hint=summary.hint, traceback=failure.traceback)
        self.summary = summary


@contextmanager
def explaining(root: nn.Module, exporter: str) -> Iterator[None]:
    """Turn what an exporter raises into an ExportFailure. `root` is the model: the failing module is named by its path in it."""
    try:
        with blaming(kind_of, f"the {exporter} exporter failed"):
            yield
    except StageFailure as failure:
        error = failure.__cause__
        if error is None:  # the exporter was not called at all
            raise
        raise ExportFailure(failure, _summary(failure, error, site_of(error, root))) from error


def kind_of(error: BaseException) -> FailureKind:
    """The kind of an exporter's exception. Where no row of the table knows it: `compile` if torch raised it, else `other`."""
    found = cause_of(describe(deepest(error)))
    if found is not None:
        return found.kind
    return FailureKind.COMPILE if raised_by_torch(error) else FailureKind.OTHER


def summary_of(failure: StageFailure) -> FailureSummary:
    """What a try's record holds of any failure."""
    if isinstance(failure, ExportFailure):
        return failure.summary
    return FailureSummary(
        kind=failure.kind,
        message=failure.message,
        fingerprint=fingerprint(failure.kind.value, failure.message),
        hint=failure.hint,
    )


def _summary(failure: StageFailure, error: BaseException, site: Site) -> FailureSummary:
    text = describe(deepest(error))
    found = cause_of(text)
    signature = identity(text, _place(site))
    return FailureSummary(
        kind=failure.kind,
        message=failure.message,
        fingerprint=fingerprint(failure.kind.value, *signature),
        hint=_hint(found, site),
        cause=found.cause.name if found else None,
        signature=signature,
        operator=site.operator,
        module=site.module,
        module_class=site.module_class,
        source=site.source,
    )


def _place(site: Site) -> str:
    """An operator of TorchScript (`aten::foo`) stands in the text already."""
    if site.operator:
        return "" if "::" in site.operator else site.operator
    return f"{site.source.function}: {site.source.code or ''}" if site.source else ""


def _hint(found: Recognised | None, site: Site) -> str | None:
    source = site.source
    where = f"{source.file}:{source.line}" if source else None
    return (
        found.hint(operator=site.operator, where=where) if found else UNKNOWN.format(where=where or "the model's code")
    )
