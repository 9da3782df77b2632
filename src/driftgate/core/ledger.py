"""The ledger of graph breaks over a fleet: what each reason, family, function and line of code costs, and what its fix would free.

A group (a reason, say) *touches* a model that has a break in it, and *frees* a model that has no break anywhere else: were
the group mended, that model would be one graph. Models are added one by one; of a break the first one seen is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from driftgate.core.records import ExplainPayload, GraphBreak, ModelIdentity

Key = tuple[str, ...]
LEVERS = 10


@dataclass(slots=True)
class Group:
    """Breaks that have `key` in common. `seen` is the first of them, `models` the slugs that it touches, `frees` how many of these
    have no other break; `places` are the places in code, `events` the break events over the fleet."""

    key: Key
    seen: GraphBreak
    models: list[str] = field(default_factory=list)
    frees: int = 0
    places: int = 0
    events: int = 0


@dataclass(frozen=True, slots=True)
class Lever:
    """A line of library code worth mending. `together` is how many models are free once this line and all before it are mended."""

    group: Group
    together: int


@dataclass(slots=True)
class _Model:
    family: str
    events: dict[Key, int] = field(default_factory=dict)


def place_key(seen: GraphBreak) -> Key:
    """What makes breaks of two models the same place: the fingerprint, in the same file."""
    return (seen.fingerprint, seen.file or "")


def line_key(seen: GraphBreak) -> Key:
    """A line of code, wherever it moves in its file; whatever breaks on it is mended with it."""
    return (seen.file or "", seen.function or "", seen.code or str(seen.line or ""))


_Grouping = Callable[[str, str, GraphBreak], Key]
GROUPINGS: Mapping[str, _Grouping] = MappingProxyType(
    {
        "reason": lambda slug, family, seen: (seen.gb_id or "", seen.gb_type),
        "family": lambda slug, family, seen: (family,),
        "frame": lambda slug, family, seen: (seen.file or "", seen.function or ""),
        "model": lambda slug, family, seen: (slug,),
        "place": lambda slug, family, seen: place_key(seen),
        "line": lambda slug, family, seen: line_key(seen),
    }
)
"""Name → the key of a break (of the model `slug`, of `family`) in that grouping."""


class Ledger:
    """Takes models one by one. `explained` counts the models that were explained, with breaks or without.

    What breaks at a second input size alone is in no group; `second` is slug → how many such places.
    """

    def __init__(self) -> None:
        self.second: dict[str, int] = {}
        self._seen: dict[Key, GraphBreak] = {}
        self._models: dict[str, _Model] = {}

    def add(self, model: ModelIdentity, payload: ExplainPayload) -> None:
        """Count the breaks of a model; what several cells of a model say is taken together."""
        about = self._models.setdefault(model.slug, _Model(model.family))
        for one in payload.breaks:
            key = place_key(one)
            self._seen.setdefault(key, one)
            about.events[key] = about.events.get(key, 0) + one.count
        if payload.second_shape and payload.second_shape.found:
            self.second[model.slug] = self.second.get(model.slug, 0) + len(payload.second_shape.found)

    @property
    def explained(self) -> int:
        """Models that were explained."""
        return len(self._models)

    @property
    def models(self) -> int:
        """Models with a break."""
        return sum(bool(model.events) for model in self._models.values())

    @property
    def events(self) -> int:
        """Break events over the fleet."""
        return sum(sum(model.events.values()) for model in self._models.values())

    @property
    def places(self) -> int:
        """Places in code."""
        return len(self._seen)

    def by(self, grouping: str) -> list[Group]:
        """The groups of a grouping of `GROUPINGS`, those first that touch most models."""
        key_of = GROUPINGS[grouping]
        groups: dict[Key, Group] = {}
        places: dict[Key, set[Key]] = {}
        for slug, model in self._models.items():
            hit: set[Key] = set()
            for place, events in model.events.items():
                seen = self._seen[place]
                key = key_of(slug, model.family, seen)
                group = groups.setdefault(key, Group(key, seen))
                group.events += events
                places.setdefault(key, set()).add(place)
                hit.add(key)
            for key in hit:
                groups[key].models.append(slug)
                groups[key].frees += len(hit) == 1
        for key, group in groups.items():
            group.places = len(places[key])
        return sorted(groups.values(), key=_cost)

    def levers(self, most: int = LEVERS) -> list[Lever]:
        """The lines of library code whose mending would free most models, the best first."""
        lines = [group for group in self.by("line") if in_library(group.seen.file)]
        best = sorted(lines, key=lambda group: (-group.frees, *_cost(group)))[:most]
        return [Lever(group, self._freed(best[: index + 1])) for index, group in enumerate(best)]

    def _freed(self, mended: list[Group]) -> int:
        """Models with breaks, all of them on these lines."""
        keys = {group.key for group in mended}
        broken = (model.events for model in self._models.values() if model.events)
        return sum(all(line_key(self._seen[place]) in keys for place in events) for events in broken)


def _cost(group: Group) -> tuple[int, int, Key]:
    return -len(group.models), -group.events, group.key


def in_library(file: str | None) -> bool:
    """Whether a break's file lies below site-packages: there its path was cut, so that it is relative."""
    # dynamo's own wrapper stands for a function that somebody switched off: there is nothing to mend in it
    return bool(file) and not str(file).startswith(("/", "<", "torch/_dynamo/")) and str(file)[1:2] != ":"
