"""Names and messages for narrow places: one line, nothing a terminal would obey, cut where they say least."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from rich.cells import cell_len, set_cell_size

LEAST_PREFIX = 6


def plain(text: str) -> str:
    """One line of printable characters: a message may carry line breaks, or sequences that move a cursor."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def cut(text: str, width: int) -> str:
    """At most `width` columns, the end left out."""
    return text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + "…"


def cut_middle(text: str, width: int) -> str:
    """At most `width` columns, the middle left out: names differ at their ends."""
    if cell_len(text) <= width:
        return text
    head = (width - 1) // 3
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def common_prefix(names: Sequence[str]) -> str:
    """What all names begin with, up to a `-`; empty where it is too short to be worth leaving out."""
    if len(names) < 2:
        return ""
    pairs = zip(min(names), max(names), strict=False)
    shared = "".join(first for first, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    prefix = shared[: shared.rfind("-") + 1]
    return prefix if len(prefix) >= LEAST_PREFIX else ""
