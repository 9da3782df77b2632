"""From a configuration to the fleet: every model that the run is about, pinned, each with a slug of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from driftgate.core.errors import MachineryError, StageFailure, UsageError, did_you_mean
from driftgate.core.records import Lock, LockEntry, Unpinned
from driftgate.core.references import Reference, parse_reference, slug_of
from driftgate.core.shards import parse_shard
from driftgate.core.tasks import MODALITY_OF
from driftgate.machine.settings import HubSettings, Settings
from driftgate.sources import SOURCES, python, zoo
from driftgate.sources.base import Source

if TYPE_CHECKING:
    from driftgate.sources.hub import HubSource

Where = Callable[..., str]


def resolve(settings: Settings, where: Where) -> Lock:
    """Select the top N from the Hub, pin what is listed by hand, drop what is there twice.

    A listed model that cannot be pinned now (network, not found …) stays in the fleet with its problem. Raises UsageError for a
    reference that cannot be, and for a fleet without models; MachineryError if the Hub cannot be asked at all.
    """
    references = [
        (reference, i) for i, text in enumerate(settings.models) for reference in _named(text, where("models", i))
    ]
    selection = _selected(settings, where)
    listed = [_pinned(reference, settings, where, i) for reference, i in references]
    models = _with_own_slugs([*listed, *selection.models])
    if not models:
        if settings.hub.top and settings.hub.groups:
            raise _nothing_selected(settings.hub, selection, where)
        raise UsageError(
            "the fleet has no models",
            where=where("models"),
            mend="list some under `models`, or set hub.top and hub.tasks",
        )
    share = tuple(models) if settings.shard is None else parse_shard(settings.shard).take(models)
    if not share:
        raise UsageError(f"the fleet has {len(models)} models: none is left for the share {settings.shard}")
    return Lock(models=share, left_out=selection.left_out)


def _named(text: str, where: str) -> list[Reference]:
    """One reference, or all those that a pattern stands for."""
    reference = parse_reference(text, where=where)
    if not reference.is_pattern:
        return [reference]
    matching = zoo.matching if reference.scheme == "zoo" else python.matching
    return [parse_reference(each) for each in matching(str(reference), where=where)]


def _nothing_selected(hub: HubSettings, selection: Lock, where: Where) -> UsageError:
    """A misspelt task if there is one; else why the first candidate was left out."""
    key = {"task": "tasks", "family": "families", "author": "authors"}[hub.per]
    unknown = [task for task in hub.tasks if task not in MODALITY_OF] if hub.per == "task" else []
    left_out = next((f"left out: {left.ref}: {left.reason}" for left in selection.left_out), None)
    mend = did_you_mean(unknown[0], MODALITY_OF) if unknown else left_out
    return UsageError(
        f"the Hub has no model for hub.{key} [{', '.join(hub.groups)}]", where=where("hub", key), mend=mend
    )


def _selected(settings: Settings, where: Where) -> Lock:
    hub = settings.hub
    if not hub.top or not hub.groups:
        return Lock(models=())
    source: HubSource = _source("hf", hub, where)
    try:
        selection = source.select()
    except StageFailure as failure:
        raise MachineryError(f"the Hub could not be asked for the fleet: {failure.message}") from failure
    return Lock(models=selection.models, left_out=selection.left_out)


def _source(scheme: str, hub: HubSettings, where: Where) -> Any:
    """The source of a scheme. Making one checks the Hub's endpoint, whose place is known here alone."""
    try:
        return SOURCES.load(scheme)(hub)
    except UsageError as error:
        place = where("hub", "endpoint") if hub.endpoint else error.where
        raise UsageError(error.message, where=place, mend=error.mend) from error


def _pinned(reference: Reference, settings: Settings, where: Where, index: int) -> LockEntry:
    source: Source = _source(reference.scheme, settings.hub, where)
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
        place = error.where or where("models", index)
        raise UsageError(error.message, where=place, mend=error.mend) from error


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
