"""What became of the graph breaks of a model between two runs: appeared, gone, changed, moved, more or fewer events.

A break has two identities. Its `fingerprint` (id, function, code) says that it is the same break wherever it stands; its `site`
(id and function alone) that it is the same trouble with other code around it. So a break whose code was rewritten is *changed*,
and not one *gone* and another *appeared*.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from driftgate.core.fingerprints import break_fingerprint
from driftgate.core.records.explain import GraphBreak

Key = Callable[[GraphBreak], Hashable]


class Change(StrEnum):
    """What became of one break."""

    APPEARED = "appeared"
    GONE = "gone"
    CHANGED = "changed"
    MOVED = "moved"
    MORE = "more"
    FEWER = "fewer"


@dataclass(frozen=True)
class BreakChange:
    """One break that is not as it was. `before` is None if it appeared, `after` if it is gone."""

    change: Change
    before: GraphBreak | None
    after: GraphBreak | None

    @property
    def seen(self) -> GraphBreak:
        """The break as it is now, or as it was last."""
        found = self.after or self.before
        assert found is not None
        return found

    @property
    def events(self) -> int:
        """Break events won (positive) or lost by this change."""
        return (self.after.count if self.after else 0) - (self.before.count if self.before else 0)

    @property
    def moved(self) -> bool:
        """Whether file or line differ: of a break with more or fewer events too."""
        return bool(self.before and self.after) and place_of(self.before) != place_of(self.after)


def site_of(seen: GraphBreak) -> str:
    """The break's site; worked out for a record that was written before sites were kept."""
    return seen.site or break_fingerprint(seen.gb_id or seen.gb_type, seen.function)


def place_of(seen: GraphBreak | None) -> tuple[str | None, int | None]:
    """File and line, as the traceback says them."""
    return (seen.file, seen.line) if seen else (None, None)


# How the breaks of two runs are paired: what agrees in most first, each break used once.
_SAME: tuple[Key, ...] = (
    lambda b: (b.fingerprint, b.file, b.line, b.count),
    lambda b: (b.fingerprint, b.file, b.line),
    lambda b: (b.fingerprint, b.file, b.module),
    lambda b: (b.fingerprint, b.file),
    lambda b: b.fingerprint,
    lambda b: (site_of(b), b.file, b.line),
    lambda b: (site_of(b), b.file),
    site_of,
)


def changes(before: Sequence[GraphBreak], after: Sequence[GraphBreak]) -> tuple[BreakChange, ...]:
    """Every break of one model that is not as it was, in the order of `after`, then what is gone in the order of `before`.

    Each break stands in one change at most. A break that moved and has other events too is told as `more` or `fewer`, with
    `moved` true; one that differs in nothing but its module path, hints or explanation is no change.
    """
    partners = pair(before, after)
    kept = set(partners.values())
    there = [_change(before[partners[i]] if i in partners else None, now) for i, now in enumerate(after)]
    gone = [BreakChange(Change.GONE, was, None) for i, was in enumerate(before) if i not in kept]
    return (*(change for change in there if change), *gone)


def pair(before: Sequence[GraphBreak], after: Sequence[GraphBreak]) -> dict[int, int]:
    """Index in `after` → index in `before` of the break that it was."""
    partners: dict[int, int] = {}
    for key in _SAME:
        free: dict[Hashable, deque[int]] = {}
        taken = set(partners.values())
        for index, was in enumerate(before):
            if index not in taken:
                free.setdefault(key(was), deque()).append(index)
        for index, now in enumerate(after):
            if index not in partners and free.get(key(now)):
                partners[index] = free[key(now)].popleft()
    return partners


def _change(before: GraphBreak | None, after: GraphBreak) -> BreakChange | None:
    if before is None:
        return BreakChange(Change.APPEARED, None, after)
    if before.fingerprint != after.fingerprint:
        return BreakChange(Change.CHANGED, before, after)
    if before.count != after.count:
        return BreakChange(Change.MORE if after.count > before.count else Change.FEWER, before, after)
    return BreakChange(Change.MOVED, before, after) if place_of(before) != place_of(after) else None
