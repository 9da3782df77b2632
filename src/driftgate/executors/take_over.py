"""A cell of one run brought into another, so that what is asked there is about the very same files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from driftgate.core.records import Cell
from driftgate.machine.files import safe_name
from driftgate.machine.store import RunStore


def take_over(origin: RunStore, store: RunStore, cell: Cell) -> bool:
    """Bring a cell that passed, with its files. False where there is none, or where a file of it is gone."""
    record = origin.record(cell)
    source, folder = origin.model_folder(cell.model), store.model_folder(cell.model)
    files = record.artifacts if record is not None and record.passed else ()
    if record is None or not record.passed or not all(_is_plain(source, file.name) for file in files):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        _link_or_copy(source / file.name, folder / file.name)
    store.write_record(record.model_copy(update={"run_id": store.run_id}))
    return True


def _is_plain(folder: Path, name: str) -> bool:
    """A file of the folder itself: a record may come from anywhere, and names what it likes."""
    path = folder / name
    return safe_name(name) and path.is_file() and not path.is_symlink()


def _link_or_copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
