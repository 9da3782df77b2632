"""How a script builds the model without Driftgate: the same call to the same library, with the files it needs beside it.

A model of the public Hub comes from there at its commit; one of the zoo, or of a Hub that is gone after the run, from its
`config.json` and, where they are small, its weights; `local:` from its folder, `python:` from its factory.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from driftgate.core.architectures import AUTO_CLASSES
from driftgate.core.errors import DriftgateError
from driftgate.core.records import LockEntry
from driftgate.diagnose.repro.render import NoRepro
from driftgate.machine.settings import HubSettings
from driftgate.sources import SOURCES

MOST_WEIGHTS = 5_000_000
"""Bytes of weights that are copied; what is larger is stood in for by random ones."""
MOST_CONFIG = 5_000_000
EMBEDDED = "embedded"
UNKNOWN = "unknown"
_GENERAL = "AutoModel"


@dataclass(frozen=True)
class Building:
    """What the template of the model needs: `kind` chooses its branch, `values` fill it; `files` are copied beside the script under
    these names, `notes` are for the reader, `endpoint` is the Hub to ask, None for the public one."""

    kind: str
    values: dict[str, Any]
    files: dict[str, Path] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    endpoint: str | None = None


def building_of(entry: LockEntry, models: Path, python_path: Path) -> Building:
    """How to build a pinned model. `models` is the cache of pulled models, `python_path` the folder that `python:` references
    are imported from. Raises NoRepro for a model whose files are not on this machine."""
    if entry.scheme == "python":
        return _factory(entry, python_path)
    if entry.scheme == "local" and entry.library != "timm":
        return _path(entry)
    of_timm = entry.scheme == "timm" or entry.library == "timm"
    if entry.scheme in {"hf", "timm"} and entry.endpoint != EMBEDDED:
        return _timm_repository(entry) if of_timm else _repository(entry)
    folder = _pulled(entry, models)
    return _timm_folder(entry, folder) if of_timm else _folder(entry, folder)


def _factory(entry: LockEntry, python_path: Path) -> Building:
    module, _, attributes = entry.name.partition(":")
    top = module.partition(".")[0]
    here = (python_path / f"{top}.py").is_file() or (python_path / top).is_dir()
    if not here and find_spec(top) is None:
        raise NoRepro(
            f"there is no module {top} in {python_path}; call `driftgate repro` from the folder that holds it"
        )
    values = {"path": os.fspath(python_path.resolve()), "module": module, "attributes": attributes.split(".")}
    return Building("factory", values, notes=("the factory needs whatever it imports itself",))


def _path(entry: LockEntry) -> Building:
    location = Path(entry.location or "")
    values = {
        "location": os.fspath(location),
        "architecture": _class_name(entry, _config(location)),
        "safetensors": None if entry.allow_pickle else True,
    }
    return Building("path", values)


def _repository(entry: LockEntry) -> Building:
    values = {
        "repository": entry.name,
        "revision": entry.revision,
        "architecture": _class_name(entry, {"architectures": [entry.architecture]}),
        "remote_code": entry.allow_remote_code,
        "safetensors": None if entry.allow_pickle else True,
    }
    notes = ("it runs code that the repository brings",) if entry.allow_remote_code else ()
    return Building("repository", values, notes=notes, endpoint=entry.endpoint)


def _timm_repository(entry: LockEntry) -> Building:
    values = _timm(entry) | {"weights": "repository", "repository": entry.name, "revision": entry.revision}
    return Building("timm", values, endpoint=entry.endpoint)


def _timm_folder(entry: LockEntry, folder: Path) -> Building:
    weights = _weights(folder)
    said = _config(folder) if (folder / "config.json").is_file() else {}
    values = _timm(entry) | {"weights": "beside" if weights else "none", "arguments": said.get("model_args") or {}}
    return Building("timm", values, weights, notes=_made(entry))


def _timm(entry: LockEntry) -> dict[str, Any]:
    return {"architecture": entry.architecture, "other_name": entry.name.rpartition("/")[2]}


def _folder(entry: LockEntry, folder: Path) -> Building:
    architecture = _class_name(entry, _config(folder))
    files = {"config.json": folder / "config.json"}
    weights = _weights(folder)
    if weights:
        return Building("folder", {"architecture": architecture}, files | weights, notes=_made(entry))
    values = {"architecture": architecture, "auto": architecture.startswith("Auto")}
    return Building("random", values, files, notes=_made(entry))


def _made(entry: LockEntry) -> tuple[str, ...]:
    """Why there is nothing to download."""
    return (f"{entry.ref} is no published model: Driftgate makes it, tiny and random",) if _is_made(entry) else ()


def _is_made(entry: LockEntry) -> bool:
    return entry.scheme == "zoo" or entry.endpoint == EMBEDDED


def _weights(folder: Path) -> dict[str, Path]:
    """The weight files and their index; none of them if they are too large together."""
    found = sorted(path for path in folder.glob("*.safetensors*") if path.is_file())
    small = sum(path.stat().st_size for path in found) <= MOST_WEIGHTS
    return {path.name: path for path in found} if small else {}


def _pulled(entry: LockEntry, models: Path) -> Path:
    """The folder of a model that was pulled here; nothing is downloaded or built."""
    source = SOURCES.load(entry.scheme)(HubSettings())
    try:
        folder = source.fetch(entry, models, lambda done, total: None).folder if source.present(entry, models) else None
    except DriftgateError as error:
        raise NoRepro(f"the files of {entry.ref} cannot be used: {error}") from error
    if folder is None:
        raise NoRepro(f"the files of {entry.ref} are not on this machine; `driftgate pull --run` fetches them")
    return Path(folder)


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        if path.stat().st_size > MOST_CONFIG:
            raise NoRepro(f"{path} is too large for a configuration")
        config = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise NoRepro(f"{path} cannot be read: {str(error)[:200]}") from error
    return config if isinstance(config, dict) else {}


def _class_name(entry: LockEntry, config: dict[str, Any]) -> str:
    """The class as the configuration names it, else the one of transformers for the task."""
    named = [str(name) for name in config.get("architectures") or () if name != UNKNOWN]
    return named[0] if named else AUTO_CLASSES.get(entry.task, _GENERAL)
