"""What travels to a worker, and what a stage may ask of it.

A cell stage is a plain function `stage(job, bench) -> payload`. It reads what came before from the run, writes its files into
`job.work` (a folder of its own, which becomes part of the run when it ends well), and either returns a payload or raises
StageFailure.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import Field

from driftgate.core.records import Cell, LockEntry, Record
from driftgate.machine.settings import Settings
from driftgate.machine.store import RunStore


class Job(Record):
    """One process's worth of work: a cell, or one part of it (`part`: an exporter of the ladder).

    `run` is the run's folder, `work` an empty folder for the job's files, `cache` where pulled models lie, `inputs` the folder with
    what people provide for a model. `in_turn` is for jobs that compare others by running them in turn, `files` for
    one that compares two ONNX files.
    """

    run: Path
    work: Path
    cache: Path
    inputs: Path
    cell: Cell
    part: str | None = None
    entry: LockEntry
    settings: Settings
    seed: int = 0
    in_turn: InTurn | None = None
    files: TwoFiles | None = None

    @property
    def store(self) -> RunStore:
        """The run that the job belongs to."""
        return RunStore(self.run)

    @property
    def folder(self) -> Path:
        """The model's folder in the run, where earlier stages left their files."""
        return self.store.model_folder(self.cell.model)


class TwoFiles(Record):
    """Two ONNX files, absolute, and the inputs of both (a safetensors file; None: drawn)."""

    reference: Path
    candidate: Path
    inputs: Path | None = None


class InTurn(Record):
    """Jobs to be measured in turn: `rounds` blocks of about `block_s` seconds each."""

    arms: Annotated[tuple[Job, ...], Field(min_length=2, max_length=8)]
    rounds: Annotated[int, Field(ge=1, le=1_000)] = 20
    block_s: Annotated[float, Field(gt=0, le=60)] = 0.1


def given_inputs(folder: Path, slug: str) -> tuple[Path, ...]:
    """The files that a person provides for a model; the first one counts: the tensors themselves, then how to draw them."""
    return tuple(path for ending in ("safetensors", "yaml") if (path := folder / f"{slug}.{ending}").is_file())


class Bench(Protocol):
    """What the worker offers to a stage."""

    def alone(self) -> AbstractContextManager[None]:
        """A block during which nothing else of Driftgate runs on this machine: for taking times."""
        ...

    def progress(self, done: int, total: int | None) -> None:
        """Tell whoever watches how far a download is, in bytes."""
        ...


StageFunction = Callable[[Job, Bench], Record]
