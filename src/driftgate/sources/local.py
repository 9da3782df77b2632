"""`local:PATH`: a folder of a saved model, as `save_pretrained` writes it. Pinned by the hashes of its files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from driftgate.core.architectures import task_of_architecture
from driftgate.core.errors import StageFailure, UsageError, did_you_mean
from driftgate.core.records import LockedFile, LockEntry
from driftgate.core.references import Reference, slug_of
from driftgate.core.tasks import modality_of
from driftgate.core.verdicts import FailureKind
from driftgate.machine.files import sha256_of
from driftgate.machine.settings import HubSettings
from driftgate.sources.base import Fetched, Progress

MAX_FILES = 2_000
MAX_CONFIG_BYTES = 5_000_000
MAX_WORD = 200
UNKNOWN = "unknown"


class LocalSource:
    """Models in a folder of this machine."""

    def __init__(self, hub: HubSettings) -> None:
        self.allow_pickle = hub.allow_pickle

    def pin(self, reference: Reference) -> LockEntry:
        """Hash every file of the folder. Raises UsageError if it is no folder of a model."""
        folder = _folder(reference)
        config = _config(folder)
        files = tuple(
            LockedFile(path=str(path.relative_to(folder)), size=path.stat().st_size, sha256=sha256_of(path))
            for path in _model_files(folder)
        )
        named = config.get("architectures")
        architecture = _word(named[0]) if isinstance(named, list) and named else UNKNOWN
        task = task_of_architecture(architecture)
        return LockEntry(
            ref=str(reference),
            slug=slug_of(f"local:{folder.parent.name}/{folder.name}"),
            scheme="local",
            name=reference.name,
            location=str(folder),
            revision=hashlib.sha256("".join(f"{f.path}{f.sha256}" for f in files).encode()).hexdigest()[:40],
            family=_word(config.get("model_type")),
            task=task,
            modality=modality_of(task),
            architecture=architecture,
            size_bytes=sum(file.size for file in files),
            files=files,
            allow_pickle=self.allow_pickle,
        )

    def present(self, entry: LockEntry, cache: Path) -> bool:
        """Whether every file is there with its size."""
        del cache
        folder = Path(entry.location or "")
        return all((folder / f.path).is_file() and (folder / f.path).stat().st_size == f.size for f in entry.files)

    def fetch(self, entry: LockEntry, cache: Path, progress: Progress) -> Fetched:
        """Check that the files are still the pinned ones."""
        del cache
        folder, done = Path(entry.location or ""), 0
        for file in entry.files:
            path = folder / file.path
            if not path.is_file():
                raise StageFailure(
                    FailureKind.NOT_FOUND, f"{path} is gone", hint="it was there when the run was planned"
                )
            if sha256_of(path) != file.sha256:
                raise StageFailure(FailureKind.INTEGRITY, f"{path} changed since the run was planned", hint="run again")
            done += file.size
            progress(done, entry.size_bytes)
        return Fetched(folder, files=len(entry.files), bytes=done)


def _folder(reference: Reference) -> Path:
    try:
        folder = Path(reference.name).expanduser().resolve()
        if folder.is_dir():
            return folder
        beside = [p.name for p in folder.parent.iterdir() if p.is_dir()] if folder.parent.is_dir() else []
    except (OSError, RuntimeError) as error:  # a name too long, a folder not ours to read, a user without a home
        raise UsageError(
            f"{str(reference)[:200]}: {error}", mend="give the path of a folder that can be read"
        ) from error
    raise UsageError(f"there is no folder {folder}", mend=did_you_mean(folder.name, beside, most=5))


def _model_files(folder: Path) -> list[Path]:
    files = sorted(
        p for p in folder.rglob("*") if p.is_file() and not any(q.startswith(".") for q in p.relative_to(folder).parts)
    )
    if len(files) > MAX_FILES:
        raise UsageError(f"{folder} holds more than {MAX_FILES} files", mend="name the folder of the model itself")
    return files


def _word(value: object) -> str:
    """A name from somebody's file, if it is one that records and pages can carry."""
    return value if isinstance(value, str) and value.isprintable() and 0 < len(value) <= MAX_WORD else UNKNOWN


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        raise UsageError(f"{folder} has no config.json", mend="give a folder that `save_pretrained` wrote")
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise UsageError(f"{path} is too large for a configuration")
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {str(error)[:200]}") from error
    if not isinstance(config, dict):
        raise UsageError(f"{path} is not a JSON object")
    return config
