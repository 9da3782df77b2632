"""A sweep's cells, the inputs that each size is given, and the table that the records make."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import yaml

from driftgate.core.drift import compare
from driftgate.core.records import (
    Cell,
    DriftPayload,
    Failure,
    InferPayload,
    InputsPayload,
    InputTensor,
    LockEntry,
    Record,
    StageRecord,
    SweepRow,
    Tolerance,
)
from driftgate.core.statistics import latency_of
from driftgate.core.verdicts import FailureKind, verdict_of
from driftgate.diagnose.sweep import (
    cells_of_sizes,
    marked,
    resizable_axes,
    rows_of,
    sized_entries,
    write_sized_inputs,
)
from driftgate.machine.store import RunStore

EAGER, ORT = "torch-eager-cpu", "ort-cpu"
ENTRY = LockEntry(ref="zoo:bert", slug="zoo--bert", scheme="zoo", name="bert")
B1, B4 = {"batch": 1}, {"batch": 4}


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore.create(tmp_path)


def tensor(*shape: int, axes: Iterable[str] = ("batch", "sequence")) -> InputTensor:
    return InputTensor(name="x", dtype="int64", shape=shape, axes=tuple(axes), how="rule")


def put(store: RunStore, cell: Cell, payload: Record | None = None, failure: Failure | None = None) -> None:
    (entry,) = sized_entries(ENTRY, [{"batch": int(cell.model[1:])}])
    record = StageRecord(
        run_id=store.run_id, agent="a", model=entry.identity(), stage=cell.stage, target=cell.target, variant=cell.variant,
        verdict=verdict_of(failure.kind) if failure else "passed", failure=failure, started_at=datetime.now(UTC),
        duration_s=1, peak_rss_bytes=10**9, payload=payload,
    )  # fmt: skip
    store.write_record(record)


def ran(store: RunStore, name: str, target: str, milliseconds: float) -> None:
    latency = latency_of([int(milliseconds * 1e6)] * 50, warmup=20, stopped_by="precision")
    batch = int(name[1:])
    put(store, Cell(model=name, stage="inputs"), InputsPayload(tensors=(tensor(batch, 8),), seed=0))
    payload = InferPayload(
        device="cpu", init_s=0, first_s=0, latency=latency, batch=batch, throughput=batch / latency.mean
    )
    put(store, Cell(model=name, stage="infer", target=target, variant=name), payload)


def names(cells: Iterable[Cell]) -> list[str]:
    return [str(cell) for cell in cells]


def test_each_size_has_inputs_of_its_own_and_onnx_an_export_of_its_own():
    assert names(cells_of_sizes([B4], [EAGER, ORT], None)) == [
        "b4/pull", "b4/inputs", "b4/export@b4", "b4/infer.torch-eager-cpu@b4", "b4/infer.ort-cpu@b4",
    ]  # fmt: skip


def test_what_needs_no_onnx_is_not_exported():
    assert names(cells_of_sizes([B1], [EAGER], None)) == ["b1/pull", "b1/inputs", "b1/infer.torch-eager-cpu@b1"]


def test_with_a_reference_each_size_is_compared_with_it():
    found = names(cells_of_sizes([B1], [ORT], EAGER))
    assert found[-3:] == ["b1/infer.ort-cpu@b1", "b1/infer.torch-eager-cpu@b1", "b1/drift.ort-cpu@b1"]


def test_a_table_says_the_times_the_best_and_the_knee(store: RunStore):
    for name, milliseconds in (("b1", 1.0), ("b2", 1.1), ("b4", 2.1), ("b8", 4.4)):
        ran(store, name, EAGER, milliseconds)
    rows = rows_of(store, [{"batch": batch} for batch in (1, 2, 4, 8)], [EAGER])
    assert [round(row.throughput or 0) for row in rows] == [1000, 1818, 1905, 1818]
    assert [row.best for row in rows] == [False, False, True, False]
    assert [row.knee for row in rows] == [False, True, False, False]
    assert (rows[0].tail_ratio, rows[0].peak_rss) == (1.0, 10**9)


def test_each_size_has_a_knee_and_one_batch_has_none():
    row = SweepRow(target=EAGER, variant="v", sizes={"batch": 1, "sequence": 8}, throughput=10.0)
    alone = row.model_copy(update={"sizes": {"batch": 1, "sequence": 64}})
    larger = row.model_copy(update={"sizes": {"batch": 2, "sequence": 8}, "throughput": 10.5})
    assert [r.knee for r in marked([row, larger, alone])] == [True, False, False]


def test_a_size_that_does_not_run_says_why_at_the_root(store: RunStore):
    ran(store, "b1", ORT, 1.0)
    oom = Failure.of(FailureKind.MEMORY_LIMIT, "took more than 8 GB")
    skipped = Failure.of(FailureKind.UPSTREAM, "needs export@b4, which ended as memory_limit")
    put(store, Cell(model="b4", stage="export", variant="b4"), failure=oom)
    put(store, Cell(model="b4", stage="infer", target=ORT, variant="b4"), failure=skipped)
    small, large = rows_of(store, [B1, B4], [ORT])
    assert small.latency is not None
    assert (large.latency, large.kind) == (None, "memory_limit")
    assert large.message == "export@b4: took more than 8 GB"


def test_a_size_without_a_record_says_so(store: RunStore):
    (row,) = rows_of(store, [B1], [ORT])
    assert (row.kind, row.message) == ("not_run", "there is no record of it")


def test_inputs_that_came_out_in_another_size_are_no_row(store: RunStore):
    ran(store, "b4", EAGER, 1.0)
    put(store, Cell(model="b4", stage="inputs"), InputsPayload(tensors=(tensor(2, 8),), seed=0))
    (row,) = rows_of(store, [B4], [EAGER])
    assert row.latency is None
    assert row.message == "asked for batch 4, the model's inputs come out as 2"


def test_the_largest_difference_of_a_size_stands_beside_its_times(store: RunStore):
    ran(store, "b4", ORT, 1.0)
    tolerance = Tolerance(atol=1e-5, rtol=1e-5, reason="so small")
    drifts = [compare(name, np.zeros(3), np.full(3, worst), tolerance)[0] for name, worst in (("a", 0.5), ("b", 3.0))]
    payload = DriftPayload(reference=EAGER, candidate=ORT, tensors=tuple(drifts))
    failure = Failure.of(FailureKind.OUT_OF_TOLERANCE, "b is out of tolerance")
    put(store, Cell(model="b4", stage="drift", target=ORT, variant="b4"), payload, failure)
    (row,) = rows_of(store, [B4], [ORT])
    assert (row.max_abs, row.within_tolerance) == (3.0, False)


# -- inputs ------------------------------------------------------------------------------------------------------


def test_only_axes_whose_length_can_be_chosen_are_offered(tmp_path: Path):
    payload = InputsPayload(tensors=(tensor(1, 8, 4, axes=("batch", "sequence", "corners")),), seed=0)
    assert resizable_axes(payload, None) == ("batch", "sequence")
    own = tmp_path / "model.yaml"
    own.write_text("sizes: {corners: [4, 4]}")
    assert resizable_axes(payload, own) == ("batch", "sequence", "corners")
    assert resizable_axes(payload, tmp_path / "model.safetensors") == ()


def test_what_a_person_provides_is_kept_but_for_the_sizes(tmp_path: Path):
    own = tmp_path / "inputs"
    own.mkdir()
    (own / "zoo--bert.yaml").write_text("sizes: {batch: [1, 2], rows: [3, 4]}\narguments: {use_cache: false}\n")
    write_sized_inputs(tmp_path / "sized", own, "zoo--bert", [B4])
    assert yaml.safe_load((tmp_path / "sized" / "b4.yaml").read_text()) == {
        "sizes": {"batch": [4, 4], "rows": [3, 4]},
        "arguments": {"use_cache": False},
    }
