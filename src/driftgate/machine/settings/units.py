"""Sizes and durations as people write them: `2GB`, `512MiB`, `20s`, `15m`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

_SIZE = {
    "": 1,
    "B": 1,
    "KB": 1e3,
    "MB": 1e6,
    "GB": 1e9,
    "TB": 1e12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}
_TIME = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_NUMBER = re.compile(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([A-Za-z]*)\s*")


def parse_size(value: object) -> int:
    """Bytes. Raises ValueError with the accepted forms."""
    number, unit = _split(value)
    if unit.upper() not in _SIZE:
        raise ValueError(f"{value!r} is not a size; write it like 512MB, 2GB or 8GiB")
    return int(number * _SIZE[unit.upper()])


def parse_duration(value: object) -> float:
    """Seconds. Raises ValueError with the accepted forms."""
    number, unit = _split(value)
    if unit not in _TIME:
        raise ValueError(f"{value!r} is not a duration; write it like 20s, 15m or 1h")
    return number * _TIME[unit]


def _split(value: object) -> tuple[float, str]:
    match = None if isinstance(value, bool) else _NUMBER.fullmatch(str(value))
    if match is None:
        raise ValueError(f"{str(value)[:40]!r} is not a number with a unit; write it like 2GB or 20s")
    return float(match[1]), match[2]


Size = Annotated[int, BeforeValidator(parse_size), Field(gt=0)]
Duration = Annotated[float, BeforeValidator(parse_duration), Field(gt=0)]
