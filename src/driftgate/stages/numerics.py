"""Outputs on disk and how they are judged: saving and loading with the order of names kept, tolerances by dtype."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save

from driftgate.core.drift import compare, is_floating, max_abs_difference, nan_count, nonfinite
from driftgate.core.errors import StageFailure
from driftgate.core.records import Output, Tolerance
from driftgate.core.tolerances import EXACT, ToleranceTable
from driftgate.core.verdicts import FailureKind
from driftgate.machine.files import write_atomic
from driftgate.machine.tolerances import packaged_tolerances

Array = NDArray[Any]
Arrays = Mapping[str, Array]
SCORE_NAMES = ("logits", "scores", "prob")
NO_SCORES = ("mask", "box", "hidden", "loss")
"""Words in the names of outputs whose axes are places and features, whatever else they are called."""
SCORE_TASKS = frozenset(
    {
        "image-classification",
        "text-classification",
        "token-classification",
        "audio-classification",
        "video-classification",
        "zero-shot-image-classification",
    }
)
UNNAMED = "output"
"""How `core.nesting` calls the outputs of a model that gives them no names."""


def outputs_file(target: str, variant: str | None) -> str:
    """`outputs.TARGET[@VARIANT].safetensors`."""
    return f"outputs.{target}{f'@{variant}' if variant else ''}.safetensors"


def float64_file(variant: str | None) -> str:
    """`reference.float64[@VARIANT].safetensors`: what the reference returns when it runs in float64."""
    return f"reference.float64{f'@{variant}' if variant else ''}.safetensors"


def save_outputs(path: Path, outputs: Arrays) -> None:
    """Write named arrays; a safetensors file sorts its names, so their order goes into its metadata."""
    # not np.ascontiguousarray: it makes a one-dimensional array of a scalar
    plain = {name: np.array(array, order="C", copy=None) for name, array in outputs.items()}
    write_atomic(path, save(plain, metadata={"order": json.dumps(list(outputs))}))


def load_outputs(path: Path) -> dict[str, Array]:
    """Read what `save_outputs` wrote, in order. Raises StageFailure(`integrity`) for a missing or damaged file."""
    try:
        with safe_open(path, framework="numpy") as opened:
            order = json.loads((opened.metadata() or {})["order"])
        arrays = load_file(path)
        if not isinstance(order, list) or sorted(map(str, order)) != sorted(arrays):
            raise ValueError(f"its order names {order!r:.200}, and it holds {sorted(arrays)!r:.200}")
        return {name: arrays[name] for name in order}
    except (SafetensorError, OSError, KeyError, ValueError, RecursionError) as error:
        raise StageFailure(
            FailureKind.INTEGRITY, f"{path.name} cannot be read: {error}", hint="run infer for this target again"
        ) from error


def describe_outputs(outputs: Arrays, second: Arrays | None = None) -> tuple[Output, ...]:
    """What a record says of each output: dtype, shape, the hash of its bytes, how many elements are not finite, and how far a
    second run was from it."""
    return tuple(
        Output(
            name=name,
            dtype=str(array.dtype),
            shape=array.shape,
            sha256=hashlib.sha256(array.tobytes()).hexdigest(),
            nonfinite=nonfinite(array),
            nan=nan_count(array),
            self_max_abs=max_abs_difference(array, second[name]) if second and name in second else None,
        )
        for name, array in outputs.items()
    )


def tolerance_for(
    array: Array, table: ToleranceTable | None = None, task: str | None = None, target: str | None = None
) -> Tolerance:
    """The tolerance of an array, by Driftgate's own table if none is given. Raises StageFailure(`other`) for a floating dtype that
    the table lacks."""
    if not is_floating(array):
        return EXACT
    found = (table or packaged_tolerances()).tolerance(str(array.dtype), task, target)
    if found is None:
        raise StageFailure(
            FailureKind.OTHER, f"no tolerance is kept for {array.dtype}", hint="return this output in another dtype"
        )
    return found


def class_axis(name: str, task: str, dimensions: int) -> int | None:
    """The axis of an output along which its class or token scores lie; None for one that holds no scores.

    The last one, but the second of four: images of scores (segmentation) have their classes before height and width.
    """
    lower = name.lower()
    if dimensions == 0 or any(word in lower for word in NO_SCORES):
        return None
    known = any(word in lower for word in SCORE_NAMES) or (task in SCORE_TASKS and lower.startswith(UNNAMED))
    if not known:
        return None
    return 1 if dimensions == 4 else -1


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
