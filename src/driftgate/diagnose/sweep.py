"""A sweep over sizes: the cells to run, the inputs that each is given, and the table that their records make.

Each size is a model of its own in a scratch run: its slug and its variant are the size (`models/b4-s64/infer.ort-cpu@b4-s64.json`), its
inputs are made at that size, and what reads ONNX gets an export of its own at that size: the file that a deployment at this size
would use, with nothing left dynamic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from driftgate.core.errors import UsageError
from driftgate.core.needs import reads_onnx
from driftgate.core.records import Cell, DriftPayload, InferPayload, InputsPayload, LockEntry, StageRecord, SweepRow
from driftgate.core.sizes import BATCH, Sizes, variant_of
from driftgate.machine.jobs import given_inputs
from driftgate.machine.store import RunStore

RESIZABLE = ("batch", "sequence", "decoder_sequence", "samples", "height", "width")
"""The axes whose lengths the inputs maker can choose."""
KNEE = 0.9
MOST_YAML = 1 << 20


def resizable_axes(payload: InputsPayload, given: Path | None) -> tuple[str, ...]:
    """The axes of a model's inputs whose length can be asked for: the maker's own, and those of a person's `sizes`."""
    if given is not None and given.suffix == ".safetensors":
        return ()
    there = dict.fromkeys(axis for tensor in payload.tensors for axis in tensor.axes)
    ordered = _own_document(given).get("sizes") or {}
    return tuple(axis for axis in there if axis in ordered or axis in RESIZABLE)


def sized_entries(entry: LockEntry, sizes: Iterable[Sizes]) -> tuple[LockEntry, ...]:
    """The model once per size, called after it."""
    return tuple(entry.model_copy(update={"slug": variant_of(size)}) for size in sizes)


def write_sized_inputs(folder: Path, inputs: Path, slug: str, sizes: Iterable[Sizes]) -> None:
    """One `SLUG.yaml` per size: what a person provides for the model, with these sizes on top."""
    folder.mkdir(parents=True, exist_ok=True)
    own = _own_document(given_file(inputs, slug))
    for size in sizes:
        chosen = {axis: [length, length] for axis, length in size.items()}
        document = own | {"sizes": (own.get("sizes") or {}) | chosen}
        (folder / f"{variant_of(size)}.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")


def given_file(inputs: Path, slug: str) -> Path | None:
    """What a person provides for the model, if anything."""
    return next(iter(given_inputs(inputs, slug)), None)


def _own_document(given: Path | None) -> dict[str, Any]:
    """A person's file as it stands; the inputs stage has checked it by now."""
    if given is None or given.suffix == ".safetensors":
        return {}
    if given.stat().st_size > MOST_YAML:
        raise UsageError("the file is larger than 1 MB", where=str(given))
    document = yaml.safe_load(given.read_text(encoding="utf-8"))
    return document if isinstance(document, dict) else {}


def cells_of_sizes(sizes: Iterable[Sizes], targets: Sequence[str], reference: str | None) -> tuple[Cell, ...]:
    """Every cell of a sweep; with a reference, its runs and the comparisons too."""
    return tuple(cell for size in sizes for cell in _cells_of_size(variant_of(size), targets, reference))


def _cells_of_size(name: str, targets: Sequence[str], reference: str | None) -> Iterable[Cell]:
    runs = dict.fromkeys([*targets, *([reference] if reference else [])])
    yield Cell(model=name, stage="pull")
    yield Cell(model=name, stage="inputs")
    if any(map(reads_onnx, runs)):
        yield Cell(model=name, stage="export", variant=name)
    for target in runs:
        yield Cell(model=name, stage="infer", target=target, variant=name)
    for target in targets:
        if reference and target != reference:
            yield Cell(model=name, stage="drift", target=target, variant=name)


def rows_of(store: RunStore, sizes: Iterable[Sizes], targets: Sequence[str]) -> tuple[SweepRow, ...]:
    """The table: per target, the sizes in the order asked, the best throughput and the knees marked."""
    table = {target: [_row(store, size, target) for size in sizes] for target in targets}
    return tuple(row for rows in table.values() for row in marked(rows))


def _row(store: RunStore, size: Sizes, target: str) -> SweepRow:
    name = variant_of(size)
    row = SweepRow(target=target, variant=name, sizes=size)
    record = store.record(Cell(model=name, stage="infer", target=target, variant=name))
    other = _other_size(store.record(Cell(model=name, stage="inputs")), size)
    if other is not None:
        return row.model_copy(update={"kind": "inputs", "message": other})
    if record is None or not isinstance(record.payload, InferPayload) or record.payload.latency is None:
        return row.model_copy(update=_why(store, record))
    latency = record.payload.latency
    drift = _worst_drift(store.record(Cell(model=name, stage="drift", target=target, variant=name)))
    return row.model_copy(
        update=drift
        | {
            "latency": latency,
            "throughput": record.payload.throughput,
            "tail_ratio": latency.p99 / latency.p50 if latency.p50 else None,
            "peak_rss": record.peak_rss_bytes,
        }
    )


def _why(store: RunStore, record: StageRecord | None) -> dict[str, Any]:
    """The failure at its root: of the cell itself, or of the first of its model that did not pass."""
    if record is None:
        return {"kind": "not_run", "message": "there is no record of it"}
    failed = [other for other in _earlier(store, record) if other.failure is not None]
    root = failed[0] if failed and record.failure is not None and record.failure.kind.value == "upstream" else record
    failure = root.failure
    if failure is None:
        return {"kind": "other", "message": f"{root.cell.name} passed and took no times"}
    before = f"{root.cell.name}: " if root is not record else ""
    return {"kind": failure.kind.value, "message": f"{before}{failure.message}"}


def _earlier(store: RunStore, record: StageRecord) -> Iterable[StageRecord]:
    model, variant = record.model.slug, record.variant
    for cell in (
        Cell(model=model, stage="pull"),
        Cell(model=model, stage="inputs"),
        Cell(model=model, stage="export", variant=variant),
    ):
        found = store.record(cell)
        if found is not None:
            yield found


def _other_size(record: StageRecord | None, size: Mapping[str, int]) -> str | None:
    """Why inputs don't have the size that was asked for, or None if they do: a rule may not be able to choose it."""
    if record is None or not isinstance(record.payload, InputsPayload):
        return None
    for axis, length in size.items():
        found = {tensor.shape[tensor.axes.index(axis)] for tensor in record.payload.tensors if axis in tensor.axes}
        if length not in found:
            have = f"come out as {', '.join(map(str, sorted(found)))}" if found else "have no such axis"
            return f"asked for {axis} {length}, the model's inputs {have}"
    return None


def _worst_drift(record: StageRecord | None) -> dict[str, Any]:
    if record is None or not isinstance(record.payload, DriftPayload):
        return {}
    known = [tensor.max_abs for tensor in record.payload.tensors if tensor.max_abs is not None]
    return {"max_abs": max(known, default=None), "within_tolerance": record.passed}


def marked(rows: Sequence[SweepRow]) -> list[SweepRow]:
    """The rows of one target with the best throughput and, for each size but the batch, the knee pointed out."""
    running = [row for row in rows if row.throughput is not None]
    best = max(running, key=lambda row: row.throughput or 0.0, default=None)
    groups: dict[tuple[tuple[str, int], ...], list[SweepRow]] = {}
    for row in running:
        groups.setdefault(_without_batch(row), []).append(row)
    knees = [knee for group in groups.values() if (knee := _knee(group)) is not None]
    return [row.model_copy(update={"best": row is best and len(running) > 1, "knee": row in knees}) for row in rows]


def _without_batch(row: SweepRow) -> tuple[tuple[str, int], ...]:
    return tuple((axis, length) for axis, length in row.sizes.items() if axis != BATCH)


def _knee(group: Sequence[SweepRow]) -> SweepRow | None:
    """The smallest batch with 90 % of the best throughput: beyond it a larger batch buys latency, not throughput."""
    if len(group) < 2 or not all(BATCH in row.sizes for row in group):
        return None
    enough = KNEE * max(row.throughput or 0.0 for row in group)
    return min((row for row in group if (row.throughput or 0.0) >= enough), key=lambda row: row.sizes[BATCH])
