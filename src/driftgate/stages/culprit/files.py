"""Two ONNX files at a desk: run both as people do, compare what they return, and look for the node where they begin to differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TypeProto
from safetensors import SafetensorError
from safetensors.numpy import load_file

from driftgate.core.drift import compare, is_floating
from driftgate.core.errors import StageFailure, UsageError, did_you_mean
from driftgate.core.records import DriftPayload, TensorDrift
from driftgate.core.verdicts import FailureKind
from driftgate.machine.jobs import Bench, Job, TwoFiles
from driftgate.stages.culprit.answer import culprit_of
from driftgate.stages.culprit.graphs import Arrays, Graph, dtype_of, read_graph
from driftgate.stages.culprit.own_error import drifting
from driftgate.stages.culprit.runtime import Runtime
from driftgate.stages.culprit.search import Case, search
from driftgate.stages.culprit.sources import OnnxSource
from driftgate.stages.numerics import differences, tolerance_for

SCRATCH, REPRO = ".search", "repro"
DRAWN_SIZE = 2
"""The length of an axis that a file leaves open, where inputs are drawn."""
DRAWN = "no --inputs: drawn from seed {seed}, integers 0 or 1, open axes of length 2"


def diff(job: Job, bench: Bench) -> DriftPayload:
    """The drift payload of two files, the culprit in it. Beyond tolerance it travels in a StageFailure(`out_of_tolerance`).

    Raises UsageError for what is no ONNX file and for inputs that don't fit, StageFailure(`shape_mismatch`) for outputs that
    cannot be compared, StageFailure(`nondeterministic`) for a reference that differs from itself.
    """
    del bench
    assert job.files is not None
    files, work = job.files, job.work / SCRATCH
    work.mkdir()
    reference, candidate = read_graph(files.reference, work), read_graph(files.candidate, work)
    feed = _feed(files, reference, candidate, job.seed)
    runtime = Runtime()
    left = runtime.outputs(files.reference, _of(reference, feed))
    right = runtime.outputs(files.candidate, _of(candidate, feed))
    _check_alike(files, left, right)
    payload = table(left, right, files.reference.name, files.candidate.name)
    if files.inputs is None:
        payload = payload.model_copy(update={"notes": (*payload.notes, DRAWN.format(seed=job.seed))})
    if not drifting(left, right, {}):
        return payload
    _check_steady(runtime.second_run(files.reference, _of(reference, feed)), left, files.reference, payload)
    case = Case(
        path=files.candidate,
        exported=candidate,
        source=OnnxSource(reference, runtime, _of(reference, feed)),
        runtime=runtime,
        feed=_of(candidate, feed),
        reference=left,
        work=work,
    )
    answer = search(case)
    culprit = culprit_of(case, answer, job.work / REPRO, REPRO)
    raise StageFailure(
        FailureKind.OUT_OF_TOLERANCE,
        f"{files.candidate.name} is beyond tolerance of {files.reference.name}",
        payload=payload.model_copy(update={"culprit": culprit, "culprit_note": answer.note}),
    )


def table(left: Arrays, right: Arrays, first: str, second: str) -> DriftPayload:
    """The drifts of outputs that have equal names, shapes and dtypes."""
    tensors: list[TensorDrift] = []
    buckets: Counter[str] = Counter()
    for name, array in left.items():
        reference, candidate = (array, right[name]) if array.dtype.kind not in "OSU" else _unequal(array, right[name])
        tensor, counted = compare(name, reference, candidate, tolerance_for(reference))
        tensors.append(tensor)
        buckets.update(counted)
    return DriftPayload(reference=first, candidate=second, tensors=tuple(tensors), buckets=dict(buckets))


def _unequal(left: NDArray[Any], right: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Strings have no distance: where they differ, as a tensor of booleans that should all be false."""
    return np.zeros(left.shape, np.bool_), np.asarray(left != right)


def _check_alike(files: TwoFiles, left: Arrays, right: Arrays) -> None:
    unlike = differences(left, right)
    if unlike:
        raise StageFailure(
            FailureKind.SHAPE_MISMATCH,
            f"{files.candidate.name} returns other outputs than {files.reference.name}: {'; '.join(unlike[:6])}",
            hint=f"{len(unlike)} differences in all" if len(unlike) > 6 else None,
        )


def _check_steady(again: Arrays, first: Arrays, path: Path, payload: DriftPayload) -> None:
    if drifting(first, again, {}):
        raise StageFailure(
            FailureKind.NONDETERMINISTIC,
            f"{path.name} differs from itself from one run to the next",
            hint="it draws random numbers, and a comparison with another file says nothing",
            payload=payload,
        )


def _of(graph: Graph, feed: Arrays) -> dict[str, NDArray[Any]]:
    return {name: feed[name] for name in graph.inputs}


def _feed(files: TwoFiles, reference: Graph, candidate: Graph, seed: int) -> dict[str, NDArray[Any]]:
    """What both files are fed, by name, checked against what they take."""
    types = {name: graph.types[name] for graph in (candidate, reference) for name in graph.inputs}
    feed = _drawn(types, seed) if files.inputs is None else _read(files.inputs)
    for name, kind in types.items():
        if name not in feed:
            raise UsageError(f"the inputs lack {name!r}", where=_place(files), mend=did_you_mean(name, feed))
        _check_fits(name, feed[name], kind, _place(files))
    return feed


def _place(files: TwoFiles) -> str:
    return str(files.inputs) if files.inputs is not None else "the drawn inputs"


def _check_fits(name: str, array: NDArray[Any], kind: TypeProto, where: str) -> None:
    dtype = dtype_of(kind)
    if dtype is not None and dtype != array.dtype:
        raise UsageError(f"{name!r} is {array.dtype}, and the file takes {dtype}", where=where)
    sizes = _sizes(kind)
    if sizes is None:
        return
    if len(sizes) != array.ndim or any(
        want is not None and want != have for want, have in zip(sizes, array.shape, strict=True)
    ):
        shown = [size if size is not None else "any" for size in sizes]
        raise UsageError(f"{name!r} has shape {list(array.shape)}, and the file takes {shown}", where=where)


def _sizes(kind: TypeProto) -> list[int | None] | None:
    """The lengths of the axes, None for open ones; None where the file does not tell how many axes there are."""
    tensor = kind.tensor_type
    if not tensor.HasField("shape"):
        return None
    return [axis.dim_value if axis.HasField("dim_value") else None for axis in tensor.shape.dim]


def _read(path: Path) -> dict[str, NDArray[Any]]:
    try:
        found: dict[str, NDArray[Any]] = load_file(path)
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}", where="--inputs") from None
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise UsageError(f"{path} is no safetensors file: {error}", where="--inputs") from error
    return found


def _drawn(types: Mapping[str, TypeProto], seed: int) -> dict[str, NDArray[Any]]:
    """Standard normal numbers, integers that are 0 or 1: any table has two rows."""
    generator = np.random.default_rng(seed)
    return {name: _draw(name, kind, generator) for name, kind in types.items()}


def _draw(name: str, kind: TypeProto, generator: np.random.Generator) -> NDArray[Any]:
    dtype, sizes = dtype_of(kind), _sizes(kind)
    if dtype is None or sizes is None or dtype.kind not in "fViub":
        raise UsageError(f"nobody can draw {name!r}, whose type or shape the file leaves open", mend="give --inputs")
    shape = [DRAWN_SIZE if size is None else size for size in sizes]
    if is_floating(np.empty(0, dtype)):
        return generator.standard_normal(shape).astype(dtype)
    return generator.integers(0, 2, shape).astype(dtype)
