r"""Fingerprints: the same cause gives the same short hash, on any machine and after lines have moved.

Used for failures (message), graph breaks (id, function, code) and findings (rule and cell).

The one of a graph break is short enough to be restated anywhere:

    parts = [gb_id or gb_type, function, code]            # the site: the first two alone
    text = "\x1f".join(" ".join(part.split()) for part in parts)
    hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

NORMALISE = (
    (re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]"), ""),  # terminal colours
    (re.compile(r"0x[0-9a-fA-F]+"), "ADDR"),
    (re.compile(r"""(?:[A-Za-z]:)?(?:[\\/][^\s\\/:'",)]+)+[\\/]([^\s\\/:'",)]+)"""), r"\1"),  # keep the file name
    (re.compile(r"(?:line |:)\d+\b"), "LINE"),
    (re.compile(r"\b[us]\d+\b"), "SYM"),  # u0, s17: symbols of the shape environment, numbered by order
    (re.compile(r"\b\d{4,}\b"), "N"),  # process ids, byte counts, serial numbers
    (re.compile(r"\s+"), " "),
)


def normalise(text: str) -> str:
    """Drop what differs between two occurrences of one cause: colours, paths, lines, addresses, symbols."""
    for pattern, replacement in NORMALISE:
        text = pattern.sub(replacement, text)
    return text.strip()


def fingerprint(*parts: str) -> str:
    """16 hex digits over the normalised parts."""
    return _digest(normalise(part) for part in parts)


def break_fingerprint(*parts: str | None) -> str:
    """16 hex digits over the parts of a graph break (id or else type, function, code); of the first two alone, its site.

    White space alone is folded: a number in the code (`x[:8]`) is part of the code, unlike one in a message.
    """
    return _digest(" ".join((part or "").split()) for part in parts)


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "backslashreplace")).hexdigest()[:16]
