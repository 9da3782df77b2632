"""What several things that were measured in turn took: the raw times, round by round."""

from __future__ import annotations

from driftgate.core.records.base import Record
from driftgate.core.records.conditions import Conditions

Block = tuple[int, ...]
"""Nanoseconds, in the order taken."""


class InTurnPayload(Record):
    """`blocks` holds for each arm one block a round, the rounds in the order taken. In even rounds (from 0) the arms took their turns in
    the order given, in odd ones the other way round."""

    arms: tuple[str, ...]
    blocks: tuple[tuple[Block, ...], ...]
    warmups: tuple[int, ...]
    conditions: Conditions | None = None
