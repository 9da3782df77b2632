"""Raw samples on disk: `samples.TARGET[@VARIANT].npz`, compressed, from which every statistic of a record can be derived again.

infer, infer.warmup, pre, pre.warmup, post, post.warmup     int64, nanoseconds, in the order taken
about                                                       JSON: per stream why warm-up and sampling ended, and what was asked

latency_of_samples(load_samples(path)["infer"]) == record.payload.latency
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from driftgate.core.errors import DamagedRecordError
from driftgate.core.statistics import Samples
from driftgate.machine.files import write_atomic

FORMAT = 1
MOST_BYTES = 1 << 26
"""Of a file when unpacked: 8 million samples."""
_DAMAGES = (
    OSError, EOFError, zipfile.BadZipFile, zlib.error, TokenError, RuntimeError, KeyError, TypeError, ValueError,
)  # fmt: skip
"""What numpy and zipfile raise for wrong bytes: a header that is no Python, a part that claims to be encrypted, …"""
_ABOUT = ("stopped_by", "precision", "p99_precision", "warmup_ended_by", "discarded")


def samples_file(target: str, variant: str | None) -> str:
    """`samples.TARGET[@VARIANT].npz`."""
    return f"samples.{target}{f'@{variant}' if variant else ''}.npz"


def save_samples(path: Path, streams: Mapping[str, Samples]) -> None:
    """Write streams by name."""
    arrays: dict[str, Any] = {}
    for name, samples in streams.items():
        arrays[name] = np.array(samples.nanoseconds, np.int64)
        arrays[f"{name}.warmup"] = np.array(samples.warmup_nanoseconds, np.int64)
    about = {name: {key: getattr(samples, key) for key in _ABOUT} for name, samples in streams.items()}
    text = json.dumps({"format": FORMAT, "unit": "nanoseconds", "streams": about}, sort_keys=True)
    content = io.BytesIO()
    np.savez_compressed(content, about=np.array(text), **arrays)
    write_atomic(path, content.getvalue())


def load_samples(path: Path) -> dict[str, Samples]:
    """Read what `save_samples` wrote. Raises DamagedRecordError for a file that is missing, damaged or too large."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
                raise DamagedRecordError(f"{path} holds more than {MOST_BYTES >> 20} MB of samples")
        with np.load(path, allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            if about["format"] != FORMAT:
                raise DamagedRecordError(f"{path} has format {about['format']}, not {FORMAT}")
            return {name: _stream(arrays, name, facts) for name, facts in about["streams"].items()}
    except _DAMAGES as error:
        raise DamagedRecordError(f"{path} holds no samples: {error}; run infer for this target again") from error


def _stream(arrays: Mapping[str, Any], name: str, facts: dict[str, Any]) -> Samples:
    warmups = tuple(arrays[f"{name}.warmup"].tolist())
    taken = tuple(arrays[name].tolist())
    return Samples(nanoseconds=taken, warmup=len(warmups), warmup_nanoseconds=warmups, **facts)
