"""timm models: pretrained from pulled files, or random from the zoo. timm is an optional extra."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from torch import nn

from driftgate.core.errors import StageFailure, did_you_mean
from driftgate.core.records import LockEntry
from driftgate.core.verdicts import FailureKind
from driftgate.stages.blame import blaming


def from_timm(entry: LockEntry, folder: Path | None) -> nn.Module:
    """The module, with the weights of `folder/model.safetensors`. Raises StageFailure(`unavailable`) without timm."""
    if importlib.util.find_spec("timm") is None:
        raise StageFailure(
            FailureKind.UNAVAILABLE, f"{entry.ref} needs the package timm", hint="pip install 'driftgate[timm]'"
        )
    import timm

    weights = folder / "model.safetensors" if folder else None
    if weights is None or not weights.is_file():
        raise StageFailure(
            FailureKind.LOAD, f"{entry.ref} has no model.safetensors", hint="choose a repository that has"
        )
    name = _architecture(entry, timm)
    with blaming(FailureKind.LOAD, f"timm cannot build {name}"):
        module: nn.Module = timm.create_model(name, pretrained=False, checkpoint_path=str(weights)).float()
    return module


def _architecture(entry: LockEntry, timm: Any) -> str:
    """`resnet18.a1_in1k` is the architecture resnet18 with certain weights."""
    name = entry.architecture if timm.is_model(entry.architecture) else entry.name.rpartition("/")[2]
    if not timm.is_model(name):
        hint = did_you_mean(name.partition(".")[0], timm.list_models())
        raise StageFailure(FailureKind.LOAD, f"timm has no architecture {name[:80]!r}", hint=hint)
    return name
