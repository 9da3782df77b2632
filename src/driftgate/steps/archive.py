"""archive: a run in one file, to keep and to hand on. The last step.

Everything of the run goes in but what its own cells make again and what is large (`keep.archive_file`: weights, outputs); the manifest
says what is missing and the command that brings it back. An opened run, archived again, gives the same bytes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from driftgate.core.errors import DamagedRecordError, MachineryError, UsageError
from driftgate.core.records import ArchivedFile, ArchiveManifest, Cell, NotArchived
from driftgate.core.rules.base import repeat_command
from driftgate.core.text import human_bytes
from driftgate.machine.files import safe_name
from driftgate.machine.runs import ARCHIVE_ENDING, archive_path
from driftgate.machine.settings import KeepSettings
from driftgate.machine.store import RunStore, read_record
from driftgate.sinks.archive.writing import MANIFEST, measured, write_archive

_SECRET_NAME = re.compile(r"token|passw|secret|credential|api_?key|authorization", re.IGNORECASE)
_PASSWORD = re.compile(r"//[^/@\s]*:([^/@\s]+)@")


@dataclass(frozen=True)
class Archived:
    """An archive that was written: where, how many bytes it takes, what is inside."""

    path: Path
    bytes: int
    manifest: ArchiveManifest


def archive(store: RunStore, to: Path | None = None, *, largest: int | None = None) -> Archived:
    """Archive a run into `to` (a file, or a folder for RUN.tar.gz; None: beside the run). `largest` replaces `keep.archive_file`.

    Raises UsageError for a place inside the run, MachineryError for a file that can't be read and a disk that refuses.
    """
    root = store.root.resolve()
    target = _target(store, root, to)
    secrets = tuple(secrets_in(os.environ))
    manifest = _manifest(store, root, largest or _keep(store).archive_file, secrets)
    return Archived(target, write_archive(target, root, manifest, secrets), manifest)


def archive_if_kept(store: RunStore) -> Archived | None:
    """What `driftgate run` does: archive, unless `keep.archive_days` is 0."""
    return archive(store) if _keep(store).archive_days else None


def secrets_in(environment: Mapping[str, str]) -> Iterator[str]:
    """The values of variables that are named like a secret, and the passwords of URLs."""
    for name, value in environment.items():
        if _SECRET_NAME.search(name):
            yield value
        yield from _PASSWORD.findall(value)


def _target(store: RunStore, root: Path, to: Path | None) -> Path:
    if to is None:
        beside = store.root if store.root.name == store.run_id else root
        return archive_path(beside.with_name(store.run_id))
    target = to / f"{store.run_id}{ARCHIVE_ENDING}" if to.is_dir() else to
    if target.resolve().is_relative_to(root):
        raise UsageError(f"{target} lies inside the run", where="--to", mend="name a place outside of it")
    return target


def _keep(store: RunStore) -> KeepSettings:
    """The run's own settings; those of today for a run that has none (made of agents' parts, or by an older Driftgate)."""
    config = store.manifest().config if store.has("run.json") else {}
    try:
        return KeepSettings.model_validate(config.get("keep", {}))
    except ValidationError as error:
        raise DamagedRecordError(f"{store.root / 'run.json'}: config.keep: {error.errors()[0]['msg']}") from error


def _manifest(store: RunStore, root: Path, largest: int, secrets: tuple[str, ...]) -> ArchiveManifest:
    before = read_record(root / MANIFEST, ArchiveManifest) if store.has(MANIFEST) else None
    owners, there = dict(_owners(store)), dict(_files(root, ""))
    spelled = {name.casefold(): name for name in there}
    files: list[ArchivedFile] = []
    left_out = _still_missing(root, before)
    for name, path in there.items():
        reason = _reason(path, name, spelled) or _too_large(path, name in owners, largest)
        found = reason or measured(path, name, secrets)
        if isinstance(found, str):
            left_out[name] = _left_out(store, path, name, found, owners.get(name))
        else:
            files.append(found.model_copy(update={"hidden": found.hidden or _hidden_before(found, before)}))
    missing = tuple(left_out[name] for name in sorted(left_out))
    return ArchiveManifest(run_id=store.run_id, fleet=store.plan().fleet, files=tuple(files), left_out=missing)


def _still_missing(root: Path, before: ArchiveManifest | None) -> dict[str, NotArchived]:
    """What an opened run's own archive left out, and nobody has brought back since."""
    return {one.name: one for one in before.left_out if not (root / one.name).exists()} if before else {}


def _hidden_before(file: ArchivedFile, before: ArchiveManifest | None) -> int:
    """How many secrets became asterisks when an opened run was archived the first time."""
    return (
        sum(one.hidden for one in before.files if (one.name, one.sha256) == (file.name, file.sha256)) if before else 0
    )


def _left_out(store: RunStore, path: Path, name: str, reason: str, owner: Cell | None) -> NotArchived:
    return NotArchived(
        name=name.encode("utf-8", "backslashreplace").decode(),
        bytes=path.lstat().st_size,
        reason=reason,
        rebuild=repeat_command(store.run_id, owner) if owner is not None else None,
    )


def _reason(path: Path, name: str, spelled: Mapping[str, str]) -> str | None:
    """Why a file could not be taken out of an archive again; None if it could."""
    if path.is_symlink() or not path.is_file():
        return "it is no plain file"
    if not safe_name(name):
        return "its name is not safe everywhere"
    return None if spelled[name.casefold()] == name else "another name differs by case alone"


def _too_large(path: Path, computed: bool, largest: int) -> str | None:
    """Why a file that a cell can make again stays out; None if it goes in."""
    large = computed and path.stat().st_size > largest
    return f"larger than {human_bytes(largest)} (keep.archive_file)" if large else None


def _files(folder: Path, inside: str) -> Iterator[tuple[str, Path]]:
    """Every file under a folder by its name in the run, sorted; what begins with a dot is unfinished or at work."""
    found: list[tuple[str, Path]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{inside}{entry.name}"
            if entry.name.startswith(".") or name == MANIFEST:
                continue
            is_folder = entry.is_dir(follow_symlinks=False)
            found += _files(Path(entry.path), f"{name}/") if is_folder else [(name, Path(entry.path))]
    yield from sorted(found)


def _owners(store: RunStore) -> Iterator[tuple[str, Cell]]:
    """The files that cells left, by name in the run, each with its cell. A record that can't be read goes in as it is, and owns nothing."""
    for cell in store.plan().cells:
        try:
            record = store.record(cell)
        except MachineryError:
            continue
        for artifact in record.artifacts if record is not None else ():
            yield f"models/{cell.model}/{artifact.name}", cell
