"""A share of a fleet: `3/16` is every sixteenth model, from the third on. The shares of a fleet are disjoint and together the whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from driftgate.core.errors import UsageError

Item = TypeVar("Item")

MOST = 1000


@dataclass(frozen=True, slots=True)
class Shard:
    """Number `number` of `of` shares, counted from one."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def take(self, items: Sequence[Item]) -> tuple[Item, ...]:
        """This share. Neighbours go to different shares: families of costly models stand together in a fleet."""
        return tuple(items[self.number - 1 :: self.of])


def parse_shard(text: str, *, where: str | None = None) -> Shard:
    """Read `3/16`. Raises UsageError for anything else, and for a number beyond the shares."""
    match = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text.strip())
    if match is None:
        raise UsageError(f"{text[:80]!r} is no share of a fleet", where=where, mend="the form is 3/16")
    shard = Shard(int(match[1]), int(match[2]))
    if not 1 <= shard.number <= shard.of <= MOST:
        raise UsageError(f"there is no share {shard}", where=where, mend=f"from 1/{shard.of} to {shard.of}/{shard.of}")
    return shard
