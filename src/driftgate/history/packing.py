"""What is known of a night in one piece, so that months of nights are read in one sweep: `cells` holds the numbers too, a row each.

numbers    rows of `LAYOUT`, little-endian whatever the machine, sorted by series, NaN for what a cell doesn't tell
facts      each cell's facts as a line of JSON, compressed: a fleet says much the same of every model
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftgate.core.errors import MachineryError
from driftgate.core.facts import CellFacts

NUMBERS = ("p50", "compile_s", "peak_rss_bytes", "max_abs")
"""What is kept of a cell in one piece: columns of `cells`."""

LAYOUT = np.dtype([("series", "<u4"), ("passed", "?"), *((name, "<f8") for name in NUMBERS)])
MOST_BYTES = 1 << 30
"""The longest facts of one night that are unpacked."""

Packed = NDArray[np.void]


def packed_numbers(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows of `cells` as bytes."""
    told = [(row["series"], row["verdict"] == "passed", *(_number(row[name]) for name in NUMBERS)) for row in rows]
    return np.sort(np.array(told, dtype=LAYOUT), order="series").tobytes()


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def unpacked_numbers(content: bytes | None, run: str) -> Packed:
    """What `packed_numbers` made. Raises MachineryError, naming the run, where it is missing or of another length."""
    if content is None or len(content) % LAYOUT.itemsize:
        raise _damaged("numbers", run)
    return np.frombuffer(content, dtype=LAYOUT)


def packed_facts(lines: Iterable[str]) -> bytes:
    """Facts, each as a line of JSON, as bytes."""
    return zlib.compress("\n".join(lines).encode())


def unpacked_facts(content: bytes | None, run: str) -> list[CellFacts]:
    """What `packed_facts` made. Raises MachineryError, naming the run, where it is missing, cut or too long."""
    reader = zlib.decompressobj()
    try:
        text = reader.decompress(content or b"", MOST_BYTES)
    except zlib.error as error:
        raise _damaged("facts", run) from error
    if not reader.eof:
        raise _damaged("facts", run)
    return [CellFacts.model_validate_json(line) for line in text.split(b"\n") if line]


def _damaged(what: str, run: str) -> MachineryError:
    return MachineryError(
        f"the history has no whole {what} of {run}; `driftgate history import` takes the runs into a new one"
    )
