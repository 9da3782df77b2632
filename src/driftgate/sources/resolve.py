"""From a configuration to the fleet: every model that the run is about, pinned, each with a slug of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from driftgate.core.errors import MachineryError, StageFailure, UsageError
from driftgate.core.records import Lock, LockEntry, Unpinned
from driftgate.core.references import Reference, parse_reference, slug_of
from driftgate.machine.settings import Settings
from driftgate.sources import SOURCES
from driftgate.sources.base import Source

Where = Callable[..., str]


def resolve(settings: Settings, where: Where) -> Lock:
    """Select the top N from the Hub, pin what is listed by hand, drop what is there twice.

    A listed model that cannot be pinned now (network, not found …) stays in the fleet with its problem. Raises UsageError for a
    reference that cannot be, and for a fleet without models; MachineryError if the Hub cannot be asked at all.
    """
    references = [parse_reference(text, where=where("models", i)) for i, text in enumerate(settings.models)]
    selection = _selected(settings)
    listed = [_pinned(reference, settings, where("models", i)) for i, reference in enumerate(references)]
    models = _with_own_slugs([*listed, *selection.models])
    if not models:
        raise UsageError(
            "the fleet has no models",
            where=where("models"),
            mend="list some under `models`, or set hub.top and hub.tasks",
        )
    return Lock(models=tuple(models), left_out=selection.left_out)


def _selected(settings: Settings) -> Lock:
    hub = settings.hub
    if not hub.top or not hub.groups:
        return Lock(models=())
    source = SOURCES.load("hf")(hub)
    try:
        selection = source.select()
    except StageFailure as failure:
        raise MachineryError(f"the Hub could not be asked for the fleet: {failure.message}") from failure
    return Lock(models=selection.models, left_out=selection.left_out)


def _pinned(reference: Reference, settings: Settings, where: str) -> LockEntry:
    source: Source = SOURCES.load(reference.scheme)(settings.hub)
    try:
        return source.pin(reference)
    except StageFailure as failure:
        return LockEntry(
            ref=str(reference),
            slug=slug_of(str(reference)),
            scheme=reference.scheme,
            name=reference.name,
            problem=Unpinned(kind=failure.kind, message=failure.message, hint=failure.hint),
        )
    except UsageError as error:
        raise error if error.where else UsageError(error.message, where=where, mend=error.mend) from error


def _with_own_slugs(entries: Iterable[LockEntry]) -> list[LockEntry]:
    models: list[LockEntry] = []
    references: set[str] = set()
    slugs: frozenset[str] = frozenset()
    for entry in entries:
        if entry.ref in references:
            continue
        references.add(entry.ref)
        slug = slug_of(entry.slug if entry.scheme == "local" else entry.ref, slugs)
        slugs |= {slug}
        models.append(entry.model_copy(update={"slug": slug}))
    return models
