"""Opening an archive that came from anywhere: into a temporary folder, every byte checked against the manifest, then renamed.

Nothing of an archive is believed: names, sizes, hashes, what kind of file, how many, how much in all. Every fault is a UsageError.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from driftgate.core.errors import DamagedRecordError, MachineryError, UsageError
from driftgate.core.records import ArchivedFile, ArchiveManifest
from driftgate.core.records.upgrade import upgraded
from driftgate.core.text import human_bytes
from driftgate.machine.files import reason_of, safe_name, sha256_of
from driftgate.machine.runs import is_run, is_run_id
from driftgate.machine.store import RunStore
from driftgate.sinks.archive.tar import Member, Members
from driftgate.sinks.archive.writing import MANIFEST

MANIFEST_BYTES = 16 << 20
"""The largest manifest that is read: some 100,000 files."""

MOST_BYTES = 50 * 10**9
"""What an archive may unpack to, unless the caller allows more."""


def read_manifest(archive: Path) -> ArchiveManifest:
    """The manifest alone: the first member. Raises UsageError for what is no archive of a run."""
    with _members(archive) as members:
        return _manifest(members)


def open_archive(archive: Path, output: Path, *, most_bytes: int = MOST_BYTES) -> tuple[RunStore, ArchiveManifest]:
    """Unpack into `output`/RUN and verify. A run that is there already with the same content stays as it is.

    Raises UsageError for a fault of the archive, and for a run of that id that differs; MachineryError when the disk refuses.
    """
    with _members(archive) as members:
        manifest = _manifest(members)
        if manifest.bytes > most_bytes:
            told = f"it unpacks to {human_bytes(manifest.bytes)}, more than {human_bytes(most_bytes)}"
            raise UsageError(told, where=str(archive), mend="give a larger --max-size")
        target = output / manifest.run_id
        with _temporary(output, manifest.run_id) as folder:
            _unpack(members, manifest, folder)
            _refuse_unless_a_run(members, folder, manifest)
            if os.path.lexists(target):
                _refuse_unless_equal(target, manifest, archive)
            else:
                folder.chmod(0o755)
                folder.rename(target)
    return RunStore(target), manifest


@contextmanager
def opened(archive: Path) -> Iterator[RunStore]:
    """The run in a temporary folder, while the block lasts."""
    with tempfile.TemporaryDirectory(prefix="driftgate-archive-") as folder:
        yield open_archive(archive, Path(folder))[0]


@contextmanager
def _members(archive: Path) -> Iterator[Members]:
    try:
        stream = archive.open("rb")
    except OSError as error:
        raise UsageError(f"cannot read it: {error.strerror or error}", where=str(archive)) from error
    with stream:
        yield Members(stream, str(archive))


def _manifest(members: Members) -> ArchiveManifest:
    first = members.next()
    run_id, _, name = first.name.partition("/") if first else ("", "", "")
    if first is None or name != MANIFEST:
        raise members.refused(f"its first file is not {MANIFEST}")
    if first.size > MANIFEST_BYTES:
        raise members.refused(f"{MANIFEST} has {human_bytes(first.size)}")
    manifest = _validated(members, b"".join(members.content(first.size)))
    if not is_run_id(run_id) or manifest.run_id != run_id:
        raise members.refused(f"{MANIFEST} is of run {manifest.run_id[:80]!r}, its folder {run_id[:80]!r}")
    _refuse_bad_names(members, manifest)
    return manifest


def _validated(members: Members, raw: bytes) -> ArchiveManifest:
    try:
        return ArchiveManifest.model_validate(upgraded(raw, ArchiveManifest, MANIFEST))
    except DamagedRecordError as error:
        raise members.refused(str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise members.refused(f"{MANIFEST}: {place[:200]}: {first['msg']}") from error


def _refuse_bad_names(members: Members, manifest: ArchiveManifest) -> None:
    """Names that lead elsewhere, that are there twice, or that are one name on a disk that takes no notice of case."""
    written: dict[str, str] = {}
    files: set[str] = set()
    for file in manifest.files:
        _refuse_unsafe(members, file.name)
        path = PurePosixPath(file.name)
        for part in map(str, (path, *path.parents[:-1])):
            if written.setdefault(_folded(part), part) != part:
                raise members.refused(f"{part[:200]!r} and {written[_folded(part)][:200]!r} differ by case alone")
        files.add(file.name)
    folders = {str(folder) for name in files for folder in PurePosixPath(name).parents}
    if len(files) < len(manifest.files) or files & folders:
        raise members.refused(f"{MANIFEST} has a name twice, or as a file and a folder")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _refuse_unsafe(members: Members, name: str) -> None:
    if not safe_name(name) or name == MANIFEST:
        raise members.refused(f"{name[:200]!r} is no name for a file of a run")


def _unpack(members: Members, manifest: ArchiveManifest, folder: Path) -> None:
    waiting = {file.name: file for file in manifest.files}
    inside = f"{manifest.run_id}/"
    (folder / MANIFEST).write_text(manifest.to_json(), "utf-8")
    while (member := members.next()) is not None:
        name = member.name.removeprefix(inside)
        if not member.name.startswith(inside):
            raise members.refused(f"{member.name[:200]!r} lies outside of {inside}")
        _refuse_unsafe(members, name)
        file = waiting.pop(name, None)
        if file is None:
            twice = (folder / name).exists()
            raise members.refused(f"{name[:200]!r} is {'there twice' if twice else f'not in {MANIFEST}'}")
        _write(members, member, file, folder / name)
    if waiting:
        raise members.refused(f"{next(iter(waiting))[:200]!r} is missing")


def _write(members: Members, member: Member, file: ArchivedFile, path: Path) -> None:
    if member.size != file.bytes:
        raise members.refused(f"{file.name!r} has {member.size:,} bytes, not the {file.bytes:,} of {MANIFEST}")
    digest = hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as stream:
        for chunk in members.content(member.size):
            digest.update(chunk)
            stream.write(chunk)
    if digest.hexdigest() != file.sha256:
        raise members.refused(f"the hash of {file.name!r} is not the one of {MANIFEST}")


def _refuse_unless_a_run(members: Members, folder: Path, manifest: ArchiveManifest) -> None:
    if not is_run(folder):
        raise members.refused("it holds neither run.json nor plan.json")
    try:
        run_id = RunStore(folder).run_id
    except DamagedRecordError:
        return  # it went in as it is: whoever reads it will be told
    if run_id != manifest.run_id:
        raise members.refused(f"its documents are of run {run_id[:80]}, not of {manifest.run_id}")


def _refuse_unless_equal(target: Path, manifest: ArchiveManifest, archive: Path) -> None:
    for file in manifest.files:
        path = target / file.name
        plain = path.is_file() and not path.is_symlink() and path.stat().st_size == file.bytes
        if not plain or sha256_of(path) != file.sha256:
            told = f"{target} is there already, and its {file.name} is another"
            raise UsageError(told, where=str(archive), mend="open it into another --output")


@contextmanager
def _temporary(output: Path, run_id: str) -> Iterator[Path]:
    """A folder beside the one that is to be; what is left of it goes. A disk that refuses is a MachineryError."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{run_id}.", suffix=".tmp", dir=output))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # after the rename there is none
    except OSError as error:
        raise MachineryError(f"cannot unpack into {output}: {reason_of(error)}") from error
