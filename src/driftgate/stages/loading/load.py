"""Choose the loader, make it repeatable, put the module into the state in which it is judged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from driftgate.core.errors import StageFailure
from driftgate.core.records import LockEntry
from driftgate.core.verdicts import FailureKind
from driftgate.machine.jobs import Job
from driftgate.sources import SOURCES
from driftgate.stages.blame import blaming
from driftgate.stages.inputs.contents import ModelInputs, Which, load_inputs
from driftgate.stages.inputs.settle import settle
from driftgate.stages.loading.factory import from_factory
from driftgate.stages.loading.timm import from_timm
from driftgate.stages.loading.transformers import from_folder
from driftgate.stages.torchvision import make_importable


@dataclass(frozen=True)
class Loaded:
    """A module, what its factory gave as inputs (`python:` alone), and what a reader may want to know."""

    module: nn.Module
    inputs: Any = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ready:
    """A module and the inputs that the run has for it."""

    module: nn.Module
    inputs: ModelInputs

    def eager(self, which: Which = "first") -> Any:
        """One plain forward pass. Raises StageFailure(`inputs`) with the model's traceback if it fails."""
        with blaming(FailureKind.INPUTS, f"the model fails on its inputs ({which} size)"), torch.no_grad():
            return self.call(self.module, which)

    def call(self, function: Any, which: Which = "first") -> Any:
        """Call what stands for the module on a copy of the inputs: a model may write into what it is given."""
        copies = {name: tensor.clone() for name, tensor in self.inputs.tensors(which).items()}
        inputs = replace(self.inputs, first=copies) if which == "first" else replace(self.inputs, second=copies)
        return inputs.call(function, which)


def ready(job: Job) -> Ready:
    """The job's model and inputs, random state seeded after loading, so that every stage starts from the same state."""
    loaded = load_job(job)
    inputs = load_inputs(job.folder)
    torch.manual_seed(job.seed)
    return Ready(loaded.module, inputs)


def load_job(job: Job) -> Loaded:
    """The model of a job, from the files that were pulled."""
    return load(job.entry, pulled_folder(job), seed=job.seed)


def pulled_folder(job: Job) -> Path | None:
    """Where the model's files lie; fetched again by the lock on a machine that did not pull them. None for `python:`."""
    source = SOURCES.load(job.entry.scheme)(job.settings.hub)
    folder: Path | None = source.fetch(job.entry, job.cache, lambda done, total: None).folder
    return folder


def load(entry: LockEntry, folder: Path | None, *, seed: int = 0) -> Loaded:
    """Load a model from its folder (`python:` models have none), settle it, and leave one seed behind.

    Raises StageFailure: `load` with the deepest cause, `unavailable` for a package that is not installed.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    loaded = _load(entry, folder)
    with blaming(FailureKind.LOAD, "the model cannot be put into inference mode"):
        settle(loaded.module)
    return replace(loaded, notes=(*loaded.notes, *make_importable()))


def _load(entry: LockEntry, folder: Path | None) -> Loaded:
    if entry.scheme == "python":
        module, inputs = from_factory(entry.name)
        return Loaded(module, inputs)
    if entry.scheme == "timm" or entry.library == "timm":
        return Loaded(from_timm(entry, folder))
    if folder is None:
        raise StageFailure(FailureKind.LOAD, f"{entry.ref} has no files to load", hint="pull it again")
    module, notes = from_folder(entry, folder)
    return Loaded(module, notes=notes)
