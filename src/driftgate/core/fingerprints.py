"""Fingerprints: the same cause gives the same short hash, on any machine and after lines have moved.

Used for failures (message), graph breaks (id, function, code) and findings (rule and cell).
"""

from __future__ import annotations

import hashlib
import re

_NORMALISE = (
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
    for pattern, replacement in _NORMALISE:
        text = pattern.sub(replacement, text)
    return text.strip()


def fingerprint(*parts: str) -> str:
    """16 hex digits over the normalised parts."""
    joined = "\x1f".join(normalise(part) for part in parts)
    return hashlib.sha256(joined.encode("utf-8", "backslashreplace")).hexdigest()[:16]
