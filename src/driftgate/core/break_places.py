"""Break events as a record holds them: one entry per place in the code, with its number of events and the submodule at work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from driftgate.core.breaks import BreakEvent, Cut, Frame, shorten, unresumed
from driftgate.core.fingerprints import break_fingerprint
from driftgate.core.records import GraphBreak

_CONSEQUENCES = {Cut.FRAME: " (the whole frame is skipped)", Cut.REST: " (what follows in the frame runs in eager)"}
MOST_MODULES = 20


@dataclass(frozen=True)
class Owner:
    """A frame of the stack at a break, and the submodule it belongs to: its path, None for code of no submodule. `hidden`: it has
    a `self` that could not be read."""

    file: str
    function: str
    module: str | None
    hidden: bool = False


def module_of(frame: Frame | None, owners: Sequence[Owner]) -> str | None:
    """The submodule at work in a frame: its own, or that of the nearest frame around it; None where none is known."""
    if frame is None:
        return None
    names = [(shorten(owner.file), unresumed(owner.function)) for owner in owners]
    if (frame.file, frame.function) not in names:
        return None
    around = owners[names.index((frame.file, frame.function)) :]
    return next((owner.module for owner in around if owner.module is not None or owner.hidden), None)


def fold_events(events: Iterable[BreakEvent]) -> tuple[GraphBreak, ...]:
    """One entry per place, in the order of first occurrence, with the number of events there."""
    places: dict[tuple[object, ...], list[BreakEvent]] = {}
    for event in events:
        places.setdefault(event.place, []).append(event)
    return tuple(_graph_break(events) for events in places.values())


def common_path(paths: Sequence[str | None]) -> str | None:
    """One path for several: `*` for the parts in which they differ (`layer.0.mlp`, `layer.1.mlp` → `layer.*.mlp`). None if one
    is unknown or they are not alike."""
    distinct = list(dict.fromkeys(paths))
    parts = [path.split(".") for path in distinct if path is not None]
    if len(distinct) == 1:
        return distinct[0]
    if len(parts) < len(distinct) or len({len(names) for names in parts}) > 1:
        return None
    return ".".join(names[0] if len(set(names)) == 1 else "*" for names in zip(*parts, strict=True))


def _graph_break(events: Sequence[BreakEvent]) -> GraphBreak:
    """The record of one place, told by its first event."""
    event, paths = events[0], [one.module for one in events]
    frame = event.frame
    reason = f"{event.gb_type}: {event.context}" if event.context else event.gb_type
    identity = (event.gb_id or event.gb_type, frame.function if frame else None)
    if event.gave_up:
        reason += f"; then: {event.gave_up}"
    reason += _CONSEQUENCES.get(event.cut, "")
    return GraphBreak(
        gb_id=event.gb_id,
        gb_type=event.gb_type,
        reason=reason,
        explanation=event.explanation,
        hints=event.hints,
        url=event.url,
        file=frame and frame.file,
        line=frame and frame.line,
        function=frame and frame.function,
        code=frame and frame.code,
        count=len(events),
        fingerprint=break_fingerprint(*identity, frame.code if frame else None),
        site=break_fingerprint(*identity),
        module=common_path(paths),
        modules=tuple(dict.fromkeys(path for path in paths if path is not None))[:MOST_MODULES],
    )
