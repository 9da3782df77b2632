"""What a run leaves of its ONNX files, so that a fleet of hundreds fits on a disk (`keep.onnx`).

always   every file stays
changed  the files of models where something was computed anew or did not pass; the others are in the cache, unchanged
never    none stays
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from driftgate.core.errors import DriftgateError
from driftgate.core.records import StageRecord
from driftgate.machine.retention import OldRun, drop_files, prune_runs
from driftgate.machine.runs import archive_path, archived_ids, run_ids
from driftgate.machine.store import RunStore
from driftgate.sinks.archive.reading import read_manifest

PATTERNS = ("model*.onnx", "model*.onnx.data")


def tidy(store: RunStore) -> int:
    """Drop what need not stay; the bytes that this freed in the run (the cache may still hold the content)."""
    keep = str(store.manifest().config["keep"]["onnx"])
    if keep == "always":
        return 0
    models = groupby(store.records(), key=lambda record: record.model.slug)
    return sum(
        drop_files(onnx_files(store.model_folder(slug))) for slug, records in models if _may_go(list(records), keep)
    )


def retire(store: RunStore) -> tuple[OldRun, ...]:
    """Remove old runs of this run's fleet beside it and their archives, as `keep` says; other fleets' stay."""
    manifest = store.manifest()
    keep = manifest.config["keep"]
    output = store.root.parent
    there = {*run_ids(output), *archived_ids(output)}
    return prune_runs(
        output,
        days=keep["days"],
        max_bytes=keep["max_size"],
        archive_days=keep.get("archive_days"),
        only=frozenset(run_id for run_id in there if fleet_of(output / run_id) == manifest.fleet),
    )


def fleet_of(run: Path) -> str | None:
    """The fleet that a run's manifest names, or its archive's; None for one that cannot be read, which is left alone."""
    try:
        return RunStore(run).manifest().fleet if run.is_dir() else read_manifest(archive_path(run)).fleet
    except DriftgateError:
        return None


def onnx_files(folder: Path) -> Iterator[Path]:
    """The exported files of a model."""
    for pattern in PATTERNS:
        yield from folder.glob(pattern)


def _may_go(records: list[StageRecord], keep: str) -> bool:
    if keep == "never":
        return True
    exported = [record for record in records if record.stage == "export"]
    return all(record.cached for record in exported) and all(record.passed for record in records)
