"""The break ledger: every graph break of the fleet, once per place in code, with the models it hits."""

from __future__ import annotations

from dataclasses import dataclass, field

from driftgate.core.records import ExplainPayload, GraphBreak
from driftgate.steps.report.frame import ModelCells
from driftgate.steps.report.overview import EXAMPLES


@dataclass(slots=True)
class Place:
    """One fingerprint: a break as first seen, its events over the fleet, the models it was seen in."""

    seen: GraphBreak
    events: int = 0
    models: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class BreakType:
    """One reason of torch's registry over the fleet."""

    gb_id: str
    gb_type: str
    url: str | None
    events: int = 0
    places: int = 0
    models: set[str] = field(default_factory=set)


class Ledger:
    """Takes models one by one."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._types: dict[tuple[str, str], BreakType] = {}
        self.events = 0
        self.models = 0

    def add(self, model: ModelCells) -> None:
        """Count the breaks of a model's explain cells."""
        payloads = [record.payload for _, record in model.cells if record]
        found = [one for payload in payloads if isinstance(payload, ExplainPayload) for one in payload.breaks]
        self.models += bool(found)
        hit: set[str] = set()
        for one in found:
            self._count(one, model.slug, again=one.fingerprint in hit)
            hit.add(one.fingerprint)

    def _count(self, one: GraphBreak, slug: str, *, again: bool) -> None:
        new = one.fingerprint not in self._places
        place = self._places.setdefault(one.fingerprint, Place(one))
        kind = self._types.setdefault((one.gb_id or "", one.gb_type), BreakType(one.gb_id or "", one.gb_type, one.url))
        kind.places += new
        kind.models.add(slug)
        for counter in (place, kind, self):
            counter.events += one.count
        if not again:
            place.models += 1
            place.examples += [slug] if len(place.examples) < EXAMPLES else []

    def places(self) -> list[Place]:
        """The places, those first that hit most models."""
        return sorted(self._places.values(), key=lambda place: (-place.models, -place.events, place.seen.fingerprint))

    def types(self) -> list[BreakType]:
        """The reasons, those first that hit most models."""
        return sorted(self._types.values(), key=lambda kind: (-len(kind.models), -kind.events, kind.gb_type))
