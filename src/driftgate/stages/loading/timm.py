"""timm models: pretrained from pulled files, or random from the zoo. timm is an optional extra."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from torch import nn

from driftgate.core.errors import StageFailure, did_you_mean
from driftgate.core.records import LockEntry
from driftgate.core.verdicts import FailureKind
from driftgate.stages.blame import blaming, or_missing


def import_timm(wanted_by: str) -> Any:
    """The package. Raises StageFailure(`unavailable`) where it, or one that it imports, isn't installed."""
    if importlib.util.find_spec("timm") is None:
        raise StageFailure(
            FailureKind.UNAVAILABLE, f"{wanted_by} needs the package timm", hint="pip install 'driftgate[timm]'"
        )
    with blaming(or_missing(FailureKind.LOAD), "timm cannot be imported"):
        return importlib.import_module("timm")


def from_timm(entry: LockEntry, folder: Path | None) -> nn.Module:
    """The module, with the weights of `folder/model.safetensors`. Raises StageFailure(`unavailable`) without timm."""
    timm = import_timm(entry.ref)
    weights = folder / "model.safetensors" if folder else None
    if weights is None or not weights.is_file():
        raise StageFailure(
            FailureKind.LOAD, f"{entry.ref} has no model.safetensors", hint="choose a repository that has"
        )
    name = _architecture(entry, timm)
    with blaming(FailureKind.LOAD, f"timm cannot build {name}"):
        arguments = _arguments(weights.with_name("config.json"))
        module: nn.Module = timm.create_model(name, pretrained=False, checkpoint_path=str(weights), **arguments).float()
    return module


def _arguments(config: Path) -> dict[str, Any]:
    """With which the architecture was built: `model_args`, as timm itself writes and reads them."""
    said = json.loads(config.read_text("utf-8")) if config.is_file() else {}
    return dict(said.get("model_args") or {})


def check_known(name: str, timm: Any) -> None:
    """Raises StageFailure(`load`) with the nearest name for what is no architecture: timm takes places to load from, too."""
    if not timm.is_model(name):
        hint = did_you_mean(name.partition(".")[0], timm.list_models())
        raise StageFailure(FailureKind.LOAD, f"timm has no architecture {name[:80]!r}", hint=hint)


def _architecture(entry: LockEntry, timm: Any) -> str:
    """`resnet18.a1_in1k` is the architecture resnet18 with certain weights."""
    name = entry.architecture if timm.is_model(entry.architecture) else entry.name.rpartition("/")[2]
    check_known(name, timm)
    return name
