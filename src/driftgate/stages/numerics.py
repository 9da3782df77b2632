"""Outputs on disk and how they are judged: saving and loading with the order of names kept, tolerances by dtype."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save

from driftgate.core.drift import compare, is_floating, nonfinite
from driftgate.core.errors import StageFailure
from driftgate.core.records import Output, Tolerance
from driftgate.core.verdicts import FailureKind
from driftgate.machine.files import write_atomic

Arrays = Mapping[str, NDArray[Any]]
SCORE_NAMES = ("logits", "scores")
SCORE_TASKS = frozenset(
    {
        "image-classification",
        "text-classification",
        "token-classification",
        "audio-classification",
        "video-classification",
    }
)


def outputs_file(target: str, variant: str | None) -> str:
    """`outputs.TARGET[@VARIANT].safetensors`."""
    return f"outputs.{target}{f'@{variant}' if variant else ''}.safetensors"


def save_outputs(path: Path, outputs: Arrays) -> None:
    """Write named arrays; a safetensors file sorts its names, so their order goes into its metadata."""
    # not np.ascontiguousarray: it makes a one-dimensional array of a scalar
    plain = {name: np.array(array, order="C", copy=None) for name, array in outputs.items()}
    write_atomic(path, save(plain, metadata={"order": json.dumps(list(outputs))}))


def load_outputs(path: Path) -> dict[str, NDArray[Any]]:
    """Read what `save_outputs` wrote, in order. Raises StageFailure(`integrity`) for a missing or damaged file."""
    try:
        with safe_open(path, framework="numpy") as opened:
            order = json.loads((opened.metadata() or {})["order"])
        arrays = load_file(path)
        return {name: arrays[name] for name in order}
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise StageFailure(
            FailureKind.INTEGRITY, f"{path.name} cannot be read: {error}", hint="run infer for this target again"
        ) from error


def describe_outputs(outputs: Arrays) -> tuple[Output, ...]:
    """What a record says of each output: dtype, shape, the hash of its bytes, how many elements are not finite."""
    return tuple(
        Output(
            name=name,
            dtype=str(array.dtype),
            shape=array.shape,
            sha256=hashlib.sha256(array.tobytes()).hexdigest(),
            nonfinite=nonfinite(array),
        )
        for name, array in outputs.items()
    )


@cache
def tolerances() -> Mapping[str, Tolerance]:
    """dtype → tolerance, from `data/tolerances.yaml`."""
    text = (files("driftgate") / "data" / "tolerances.yaml").read_text("utf-8")
    return {dtype: Tolerance(**row) for dtype, row in yaml.safe_load(text).items()}


def tolerance_for(array: NDArray[Any]) -> Tolerance:
    """The tolerance of an array's dtype. Raises StageFailure(`other`) for a floating dtype that the table lacks."""
    name = str(array.dtype) if is_floating(array) else "exact"
    if name not in tolerances():
        raise StageFailure(FailureKind.OTHER, f"no tolerance is set for {name}", hint="add it to data/tolerances.yaml")
    return tolerances()[name]


def holds_scores(name: str, task: str) -> bool:
    """Whether the last axis of an output is one score per class or token."""
    return any(word in name.lower() for word in SCORE_NAMES) or task in SCORE_TASKS


def differences(reference: Arrays, candidate: Arrays) -> tuple[str, ...]:
    """What keeps two sets of outputs from being compared: missing, extra, of another shape or dtype. Empty: nothing."""
    return (
        *(f"{name!r} is missing" for name in reference if name not in candidate),
        *(f"{name!r} is not an output of the reference" for name in candidate if name not in reference),
        *_unlike(reference, candidate, (name for name in reference if name in candidate)),
    )


def agree(reference: Arrays, candidate: Arrays) -> bool:
    """Whether two sets of outputs are the same within tolerance."""
    return not differences(reference, candidate) and all(
        compare(name, array, candidate[name], tolerance_for(array))[0].within_tolerance
        for name, array in reference.items()
    )


def _unlike(reference: Arrays, candidate: Arrays, names: Iterable[str]) -> Iterable[str]:
    for name in names:
        left, right = reference[name], candidate[name]
        if left.shape != right.shape:
            yield f"{name!r} has shape {list(right.shape)}, the reference {list(left.shape)}"
        elif left.dtype != right.dtype:
            yield f"{name!r} is {right.dtype}, the reference {left.dtype}"
