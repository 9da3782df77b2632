"""What the cell cache holds for one run: the key of each cell, results taken and kept, files put back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from driftgate.core.records import Artifact, Cell, CellResult, LockEntry
from driftgate.executors.spec import CellStage
from driftgate.machine.cache import CellCache, cell_key
from driftgate.machine.files import sha256_of
from driftgate.machine.jobs import given_inputs
from driftgate.machine.settings import Settings
from driftgate.machine.tolerances import NAME as TOLERANCES

Files = tuple[tuple[str, str], ...]
"""Name and SHA-256 of each file that a cell left."""


@dataclass(frozen=True)
class Places:
    """The folders that jobs need: pulled models, what people provide, and the cache of cells (None: not used)."""

    models: Path
    inputs: Path
    cells: CellCache | None


@dataclass(frozen=True)
class Shelf:
    """The cache as one run sees it. Without a cache every question is answered with no."""

    places: Places
    settings: Settings
    run: Path

    def key(self, cell: Cell, stage: CellStage, entry: LockEntry, upstream: Mapping[str, Files]) -> str | None:
        """The key of a cell, given the files of the cells it needs; None if nothing of it may be cached."""
        if self.places.cells is None:
            return None
        about: dict[str, Any] = {
            "cell": (cell.stage, cell.target, cell.variant),
            "settings": stage.reads(self.settings),
            "seed": self.settings.seed,
            "upstream": dict(upstream),
        }
        if cell.stage == "inputs":
            about["override"] = [sha256_of(path) for path in given_inputs(self.places.inputs, cell.model)]
        if cell.stage == "drift" and (self.run / TOLERANCES).is_file():
            about["tolerances"] = sha256_of(self.run / TOLERANCES)
        return cell_key(entry, about)

    def take(self, key: str, stage: CellStage, entry: LockEntry, work: Path) -> CellResult | None:
        """The kept result, its files in `work`; None if there is none, or it will not do."""
        cells = self.places.cells
        if cells is None or not stage.reuse(self.settings) or not stage.there(entry, self.places.models):
            return None
        return cells.get(key, work)

    def keep(self, key: str, stage: CellStage, result: CellResult, folder: Path) -> None:
        """Keep a result whose files lie in `folder`."""
        if self.places.cells is not None:
            self.places.cells.put(key, stage.keeps(result), folder)

    def restore(self, artifacts: Sequence[Artifact], folder: Path) -> None:
        """Put files back that were tidied away; what the cache no longer has stays away, and the stage that needs it says so."""
        for artifact in artifacts:
            if self.places.cells is not None and not (folder / artifact.name).is_file():
                self.places.cells.restore(artifact, folder)
