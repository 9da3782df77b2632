"""What each cell stage has to say: one payload per stage, all sizes in bytes and all times in seconds."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from driftgate.core.records.base import Record
from driftgate.core.records.drift import DriftPayload
from driftgate.core.records.explain import ExplainPayload
from driftgate.core.records.export import ExportPayload
from driftgate.core.records.infer import InferPayload
from driftgate.core.records.tuning import ProfilePayload


class PullPayload(Record):
    """A model's files are here, complete and verified. `cache_key` is what a `python:` factory says of itself: without one
    nothing of that model is cached."""

    files: int
    bytes: int
    downloaded_bytes: int
    source: str
    cache_key: str | None = None


class InputTensor(Record):
    """One generated or given input: where it came from and what each axis means."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    how: str


class InputsPayload(Record):
    """The inputs of a model, at the first and (if the model's axes allow it) a second size."""

    tensors: tuple[InputTensor, ...]
    second_shapes: dict[str, tuple[int, ...]] = {}
    arguments: dict[str, Any] = {}
    seed: int
    override: str | None = None
    parameters: int | None = None
    notes: tuple[str, ...] = ()


PAYLOADS: MappingProxyType[str, type[Record]] = MappingProxyType(
    {
        "pull": PullPayload,
        "inputs": InputsPayload,
        "explain": ExplainPayload,
        "export": ExportPayload,
        "infer": InferPayload,
        "drift": DriftPayload,
        "profile": ProfilePayload,
    }
)
"""Stage → the class of its payload."""
