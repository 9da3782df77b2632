"""Numbers as people read them: bytes, seconds, counts, with few digits and the right unit."""

from __future__ import annotations


def human_bytes(number: float | None) -> str:
    """`1.5 MB`; an en dash for None."""
    if number is None:
        return "–"
    for unit in ("B", "KB", "MB", "GB"):
        if abs(number) < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.3g} TB"


def human_seconds(seconds: float | None) -> str:
    """`12 µs`, `3.4 ms`, `2.1 s`, `4 min 10 s`; an en dash for None."""
    if seconds is None:
        return "–"
    if seconds >= 60:
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns" if seconds > 0 else "0 s"


def plural(count: int, noun: str) -> str:
    """`1 model`, `2 models`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
