"""What a worker printed: the first and the last 128 KiB of it, cleaned so that a terminal or a browser may show it."""

from __future__ import annotations

import re

KEPT_BYTES = 128 * 1024

_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor movements
    r"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # titles, links and other strings
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
    r"|[\u202a-\u202e\u2066-\u2069]"  # these turn the reading direction, and so can show what is not there
)


def clean(text: str) -> str:
    """Text without terminal control codes, valid as UTF-8; of a line that was overwritten (`\\r`) the last state stays."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return "\n".join(_CONTROL.sub("", _last_state(line)) for line in text.split("\n"))


def _last_state(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2]


class BoundedLog:
    """Collects bytes in at most four times `kept` of memory, however much is fed."""

    def __init__(self, kept: int = KEPT_BYTES) -> None:
        self._kept = kept
        self._head = bytearray()
        self._tail = bytearray()
        self._cut = 0

    def feed(self, data: bytes) -> None:
        """Take what was printed next."""
        room = self._kept - len(self._head)
        self._head += data[:room]
        self._tail += data[room:] if room > 0 else data
        if len(self._tail) > 2 * self._kept:
            self._trim()

    def text(self) -> str:
        """Everything kept, cleaned; a line of its own tells how much was cut."""
        self._trim()
        if not self._cut:
            return clean((self._head + self._tail).decode("utf-8", "replace"))
        head, tail = (clean(part.decode("utf-8", "replace")) for part in (self._head, self._tail))
        return f"{head}\n[… {self._cut} bytes cut here …]\n{tail}"

    def _trim(self) -> None:
        excess = len(self._tail) - self._kept
        if excess > 0:
            del self._tail[:excess]
            self._cut += excess
