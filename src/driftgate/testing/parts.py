"""A run with files beside its records, and what single machines would have computed of it.

store = leave_files(synthetic_run(tmp_path, models=2))
part = part_of(store, tmp_path / "gpu", cells, agent="gpu")
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection
from pathlib import Path

from driftgate.core.records import Artifact, Cell
from driftgate.machine.store import RunStore
from driftgate.testing.runs import synthetic_agent

DOCUMENTS = ("plan.json", "models.lock.json", "run.json", "expectations.yaml", "tolerances.yaml", "gate.yaml")


def leave_files(store: RunStore, *, size: int = 300) -> RunStore:
    """The run, each cell that passed with a file of its own and a log. `size` is what an export weighs, in bytes."""
    for record in tuple(store.records()):
        if record.passed:
            name = "model.onnx" if record.stage == "export" else f"{record.cell.name}.bin"
            content = str(record.cell).encode() * 3
            content = content.ljust(size, b"\1") if record.stage == "export" else content
            (store.model_folder(record.cell.model) / name).write_bytes(content)
            artifact = Artifact(name=name, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
            store.write_record(record.model_copy(update={"artifacts": (artifact,)}))
        store.log_path(record.cell).write_text(f"{record.cell} says hello\n")
    return store


def part_of(store: RunStore, folder: Path, cells: Collection[Cell], *, agent: str) -> RunStore:
    """What a machine named `agent` brings back: the run's documents and these cells with their files, as if computed there."""
    part = RunStore(folder / store.run_id)
    part.root.mkdir(parents=True)
    for name in DOCUMENTS:
        if store.has(name):
            shutil.copyfile(store.root / name, part.root / name)
    part.write_agent(synthetic_agent(agent))
    part.events_path(agent).write_text(f'{{"time": "2026-11-22T02:15:00+00:00", "event": "start of {agent}"}}\n')
    for cell in cells:
        record = store.record(cell)
        assert record is not None
        part.write_record(record.model_copy(update={"agent": agent}))
        for name in (f"{cell.name}.log", *(artifact.name for artifact in record.artifacts)):
            if (store.model_folder(cell.model) / name).is_file():
                shutil.copyfile(store.model_folder(cell.model) / name, part.model_folder(cell.model) / name)
    return part
