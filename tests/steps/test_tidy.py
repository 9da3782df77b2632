import hashlib
from datetime import UTC, datetime

import pytest

from driftgate.core.records import Artifact, Cell, Failure, Lock, LockEntry, Manifest, Plan, StageRecord
from driftgate.core.verdicts import FailureKind, verdict_of
from driftgate.machine.store import RunStore
from driftgate.steps.tidy import retire, tidy


def make_run(folder, keep, *, cached, failed=False, fleet="f", now=None, days=14):
    store = RunStore.create(folder, now=now)
    entry = LockEntry(ref="zoo:a", slug="a", scheme="zoo", name="a")
    cells = (Cell(model="a", stage="export"), Cell(model="a", stage="drift", target="ort-cpu"))
    now = datetime.now(UTC)
    config = {"keep": {"onnx": keep, "days": days, "max_size": 10**9}}
    store.write_manifest(Manifest(run_id=store.run_id, fleet=fleet, driftgate="0", started_at=now, config=config))
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


def test_old_runs_of_the_same_fleet_go_and_those_of_others_stay(tmp_path):
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    old = make_run(tmp_path, "always", cached=True, now=long_ago)
    other = make_run(tmp_path, "always", cached=True, now=long_ago, fleet="other")
    newest = make_run(tmp_path, "always", cached=True)
    assert [run.run_id for run in retire(newest)] == [old.run_id]
    assert other.root.is_dir()
    assert newest.root.is_dir()
