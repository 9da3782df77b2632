import hashlib
from datetime import UTC, datetime

import pytest

from driftgate.core.records import Artifact, Cell, Failure, Lock, LockEntry, Manifest, Plan, StageRecord
from driftgate.core.verdicts import FailureKind, verdict_of
from driftgate.machine.store import RunStore
from driftgate.steps.tidy import tidy


def make_run(folder, keep, *, cached, failed=False):
    store = RunStore.create(folder)
    entry = LockEntry(ref="zoo:a", slug="a", scheme="zoo", name="a")
    cells = (Cell(model="a", stage="export"), Cell(model="a", stage="drift", target="ort-cpu"))
    now = datetime.now(UTC)
    config = {"keep": {"onnx": keep}}
    store.write_manifest(Manifest(run_id=store.run_id, fleet="f", driftgate="0", started_at=now, config=config))
    store.write_lock(Lock(models=(entry,)))
    store.write_plan(Plan(run_id=store.run_id, fleet="f", cells=cells))
    for cell in cells:
        failure = Failure.of(FailureKind.OTHER, "x") if failed and cell.stage == "drift" else None
        artifact = Artifact(name="model.onnx", bytes=4, sha256=hashlib.sha256(b"onnx").hexdigest())
        store.write_record(
            StageRecord(
                run_id=store.run_id,
                agent="x",
                model=entry.identity(),
                stage=cell.stage,
                target=cell.target,
                verdict=verdict_of(failure.kind) if failure else "passed",
                failure=failure,
                started_at=now,
                duration_s=1,
                cached=cached,
                artifacts=(artifact,) if cell.stage == "export" else (),
            )
        )
    (store.model_folder("a") / "model.onnx").write_bytes(b"onnx")
    return store


@pytest.mark.parametrize(
    ("keep", "cached", "failed", "stays"),
    [
        ("always", True, False, True),
        ("changed", True, False, False),
        ("changed", False, False, True),
        ("changed", True, True, True),
        ("never", False, True, False),
    ],
)
def test_only_what_is_unchanged_and_well_goes(tmp_path, keep, cached, failed, stays):
    store = make_run(tmp_path, keep, cached=cached, failed=failed)
    freed = tidy(store)
    assert (store.model_folder("a") / "model.onnx").is_file() is stays
    assert freed == (0 if stays else 4)
