"""Numbers as people read them: `1.24 ms`, `3.6 MB`, `2.4e-7`. One place, so that every page says them alike."""

from __future__ import annotations

from driftgate.core import text

plural = text.plural

_TIMES = ((1e-6, "ns", 1e-9), (1e-3, "µs", 1e-6), (1.0, "ms", 1e-3), (120.0, "s", 1.0))
_SIZES = ((1e3, "B", 1.0), (1e6, "KB", 1e3), (1e9, "MB", 1e6), (1e12, "GB", 1e9))
NONE = "–"


def seconds(value: float | None) -> str:
    """A duration in three digits: ns, µs, ms, s, then minutes and hours; a dash for None."""
    if value is None:
        return NONE
    if value == 0:
        return "0 s"
    for limit, unit, scale in _TIMES:
        if value < limit:
            return f"{_digits(value / scale)} {unit}"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def size(value: float | None) -> str:
    """Bytes in decimal units (1 MB = 1,000,000 bytes), as the configuration reads them; a dash for None."""
    if value is None:
        return NONE
    for limit, unit, scale in _SIZES:
        if value < limit:
            return f"{_digits(value / scale) if scale > 1 else int(value)} {unit}"
    return f"{_digits(value / 1e12)} TB"


def count(value: int | None) -> str:
    """Thousands apart: `12,345`; a dash for None."""
    return NONE if value is None else f"{value:,}"


def error(value: float | None) -> str:
    """A difference between outputs in two digits: `0`, `2.4e-7`, `0.013`, `5.4`; a dash for None."""
    if value is None:
        return NONE
    if value == 0:
        return "0"
    if 1e-2 <= abs(value) < 1e4:
        return f"{value:.2g}" if abs(value) < 100 else f"{value:.0f}"
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def ratio(value: float | None) -> str:
    """A similarity near 1, with enough digits to see it is not 1; a dash for None."""
    if value is None:
        return NONE
    return "1" if value == 1 else f"{value:.9f}".rstrip("0").rstrip(".") if 1e-9 < 1 - value < 1 else f"{value:.6g}"


def share(value: float | None) -> str:
    """A part of a whole: `99.8%`; a dash for None."""
    return NONE if value is None else f"{value:.1%}"


def _digits(value: float) -> str:
    if value >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
