"""The files that a job leaves behind: plain ones in its own folder, with names that are safe everywhere, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from driftgate.core.errors import StageFailure
from driftgate.core.records import Artifact
from driftgate.core.verdicts import FailureKind
from driftgate.machine.files import safe_name, sha256_of

MOST_FILES = 10_000


def artifacts_of(work: Path) -> tuple[Artifact, ...]:
    """Every file under `work`, hashed, names relative to it; names that begin with a dot are left out.

    Raises StageFailure (bad_record) for links, devices, unusable names, and too many files.
    """
    found = []
    for path in _plain_files(work):
        name = path.relative_to(work).as_posix()
        found.append(Artifact(name=name, bytes=path.stat().st_size, sha256=sha256_of(path)))
        if len(found) > MOST_FILES:
            raise _bad(f"the stage left more than {MOST_FILES} files")
    return tuple(sorted(found, key=lambda artifact: artifact.name))


def _plain_files(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith("."):
                continue
            if not safe_name(entry.name):
                raise _bad(f"the stage left a file whose name cannot be kept: {entry.name!r:.300}")
            if entry.is_dir(follow_symlinks=False):
                yield from _plain_files(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                yield Path(entry.path)
            else:
                raise _bad(f"the stage left {entry.name!r}, which is no plain file but a link or a device")


def _bad(message: str) -> StageFailure:
    return StageFailure(FailureKind.BAD_RECORD, message, hint="a stage writes plain files into its work folder")
