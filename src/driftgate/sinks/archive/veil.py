"""Keeping secrets out of what leaves the machine: they become asterisks, as many as they had bytes, so that sizes stay.

What counts as one: the values that the caller names, tokens of the Hub, and what stands before the `@` of a URL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from driftgate.machine.files import CHUNK

LONGEST = 4096
"""A secret that is longer is not recognised where it lies across two chunks."""

SHORTEST = 8
"""Shorter values would blacken ordinary words."""

_SHAPES = rb"hf_[A-Za-z0-9]{30,200}|//[^/@\s\"'<>*]{1,400}(?=@)"


class Veil:
    """Secrets of which each has at least `SHORTEST` bytes."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({s.encode() for s in secrets if SHORTEST <= len(s.encode()) <= LONGEST}, key=len, reverse=True)
        self._known = tuple(known)
        self._all = re.compile(b"|".join((*map(re.escape, known), _SHAPES)))
        self.hidden = 0

    def over(self, stream: BinaryIO) -> Iterator[bytes]:
        """The text of a stream with asterisks for secrets; `hidden` counts them."""
        held = b""
        while chunk := stream.read(CHUNK):
            held, ready = self._covered(held + chunk, last=False)
            yield ready
        yield self._covered(held, last=True)[1]

    def _covered(self, data: bytes, *, last: bool) -> tuple[bytes, bytes]:
        """What has to wait for more, and what is ready. A match that begins late may still grow, so it waits."""
        cut = len(data) if last else max(0, len(data) - LONGEST - 2)
        ready, position = [], 0
        for match in self._all.finditer(data):
            if match.start() >= cut:
                break
            ready += [data[position : match.start()], _asterisks(match[0])]
            position = match.end()
            self.hidden += 1
        cut = max(cut, position)
        return data[cut:], b"".join((*ready, data[position:cut]))

    def is_in(self, stream: BinaryIO) -> bool:
        """Whether one of the named secrets stands in a stream that is no text."""
        held = b""
        while self._known and (chunk := stream.read(CHUNK)):
            held += chunk
            if any(secret in held for secret in self._known):
                return True
            held = held[-LONGEST:]
        return False


def _asterisks(secret: bytes) -> bytes:
    return b"//".ljust(len(secret), b"*") if secret.startswith(b"//") else b"*" * len(secret)
