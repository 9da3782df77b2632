"""A folder as `save_pretrained` writes it: the class that its config names, in float32, from safetensors alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from driftgate.core.architectures import AUTO_CLASSES
from driftgate.core.errors import StageFailure, did_you_mean
from driftgate.core.records import LockEntry
from driftgate.core.verdicts import FailureKind
from driftgate.stages.blame import blaming, or_missing

NEWLY_MADE = "weights that are made up at every load say nothing about the model; use the architecture that was trained"


def from_folder(entry: LockEntry, folder: Path) -> tuple[nn.Module, tuple[str, ...]]:
    """The module and what was odd about its files. Raises StageFailure(`load`, `unavailable`)."""
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    config = _config(folder)
    model_class = _model_class(entry, config)
    with blaming(or_missing(FailureKind.LOAD), f"{model_class.__name__} cannot be loaded"):
        module, report = model_class.from_pretrained(
            str(folder),
            local_files_only=True,
            trust_remote_code=entry.allow_remote_code,
            use_safetensors=None if entry.allow_pickle else True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    _check(model_class.__name__, report)
    return module, _notes(report)


def _config(folder: Path) -> dict[str, Any]:
    with blaming(FailureKind.LOAD, f"{folder.name} has no readable config.json"):
        config: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
        return dict(config)


def _model_class(entry: LockEntry, config: Mapping[str, Any]) -> Any:
    import transformers

    named = [str(name) for name in config.get("architectures") or ()]
    if not named:
        return getattr(transformers, AUTO_CLASSES.get(entry.task, "AutoModel"))
    if config.get("auto_map") and entry.allow_remote_code:
        return getattr(transformers, _auto_class(named[0], config["auto_map"]))
    found = getattr(transformers, named[0], None)
    if found is None:
        raise StageFailure(
            FailureKind.LOAD,
            f"transformers {transformers.__version__} has no architecture {named[0][:80]!r}",
            hint=_mend(named[0], config, dir(transformers)),
        )
    return found


def _auto_class(name: str, auto_map: Mapping[str, Any]) -> str:
    """The auto class under which a repository's own code registered the architecture."""
    by_class = (auto for auto, place in auto_map.items() if str(place).endswith(f".{name}"))
    return next(by_class, "AutoModel")


def _mend(name: str, config: Mapping[str, Any], known: list[str]) -> str:
    if config.get("auto_map"):
        return "it brings code of its own: put the repository on hub.allow_remote_code if you trust it"
    return did_you_mean(name, (other for other in known if other[:1].isupper()))


def _check(name: str, report: Mapping[str, Any]) -> None:
    missing = sorted(report["missing_keys"])
    mismatched = sorted(str(key[0]) for key in report["mismatched_keys"])
    if missing or mismatched:
        told = [f"{len(missing)} missing ({_some(missing)})"] if missing else []
        told += [f"{len(mismatched)} of another shape ({_some(mismatched)})"] if mismatched else []
        raise StageFailure(FailureKind.LOAD, f"the files lack weights of {name}: {', '.join(told)}", hint=NEWLY_MADE)


def _notes(report: Mapping[str, Any]) -> tuple[str, ...]:
    unexpected = sorted(report["unexpected_keys"])
    return (f"{len(unexpected)} tensors of the files are not used: {_some(unexpected)}",) if unexpected else ()


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
