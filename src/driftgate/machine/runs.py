"""Which runs a folder holds, as folders and as archives, and which one a name means."""

from __future__ import annotations

import re
from pathlib import Path

from driftgate.core.errors import UsageError, did_you_mean

RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
ARCHIVE_ENDING = ".tar.gz"


def find_run(run: str, output: Path) -> Path:
    """The folder of the run that `run` means: a path, an id, a unique prefix of one, or `latest`. Raises UsageError."""
    as_path = Path(run)
    if is_run(as_path):
        return as_path
    ids = run_ids(output)
    if run == "latest":
        return output / _latest(ids, output)
    matching = [run_id for run_id in ids if run_id.startswith(run)] if run else []
    if len(matching) == 1:
        return output / matching[0]
    if matching:
        raise UsageError(f"{run!r} is the beginning of {len(matching)} runs in {output}", mend="add digits")
    _refuse_an_archive(run, output)
    raise UsageError(f"no run {run[:200]!r} in {output}", mend=did_you_mean(run, [*ids, "latest"], most=5))


def run_ids(output: Path) -> list[str]:
    """The runs in a folder, oldest first."""
    if not output.is_dir():
        return []
    return sorted(path.name for path in output.iterdir() if is_run_id(path.name) and is_run(path))


def archived_ids(output: Path) -> list[str]:
    """The runs of which a folder has an archive, oldest first."""
    found = {path.name.removesuffix(ARCHIVE_ENDING): path for path in output.glob(f"*{ARCHIVE_ENDING}")}
    return sorted(name for name, path in found.items() if is_run_id(name) and path.is_file())


def archive_path(run: Path) -> Path:
    """Where the archive of a run lies if nobody says otherwise: beside it."""
    return run.with_name(run.name + ARCHIVE_ENDING)


def is_run_id(name: str) -> bool:
    """Whether a name is one that a new run may get."""
    return RUN_ID.fullmatch(name) is not None


def is_run(folder: Path) -> bool:
    """A run has a manifest from its first moment on; one that was merged from agents may have only a plan."""
    return (folder / "run.json").is_file() or (folder / "plan.json").is_file()


def _latest(ids: list[str], output: Path) -> str:
    if not ids:
        raise UsageError(f"there is no run in {output}", mend="make one with `driftgate run`, or give its --output")
    return ids[-1]


def _refuse_an_archive(run: str, output: Path) -> None:
    named = [archive_path(output / run_id) for run_id in archived_ids(output) if run and run_id.startswith(run)]
    for archive in [Path(run)] if Path(run).is_file() else named:
        raise UsageError(f"{run[:200]!r} is archived", mend=f"`driftgate open {archive}` unpacks it")
