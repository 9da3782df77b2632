"""Reading `owners.yaml`, with file, line and key for every mistake."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase
from pathlib import Path

from driftgate.core.errors import UsageError, did_you_mean
from driftgate.core.owners import Owners
from driftgate.machine.settings.load import load_rows, read_text
from driftgate.machine.store import RunStore

NAME = "owners.yaml"
"""The copy that a run carries, so that judging it again elsewhere names the same people."""


def owners_in(store: RunStore) -> Owners:
    """The rows that were put into the run when it began; none if there were none."""
    return load_owners(store.root / NAME) if store.has(NAME) else Owners()


def load_owners(path: Path, targets: Collection[str] | None = None) -> Owners:
    """The rows of the file, a list or a mapping with the key `owners`. `targets` are those that there are; None where that is not
    asked. Raises UsageError."""
    document, owners = load_rows(Owners, "owners", read_text(path), str(path))
    idle = owners.idle()
    if idle is not None:
        problem = f"row {idle[1] + 1} is about the same, so that this one never wins"
        raise UsageError(problem, where=document.where("owners", idle[0]), mend="keep one of them")
    for number, row in enumerate(owners.owners):
        if targets is not None and row.target and not any(fnmatchcase(name, row.target) for name in targets):
            where = document.where("owners", number, "target")
            raise UsageError(
                f"there is no target {row.target[:80]!r}", where=where, mend=did_you_mean(row.target, targets)
            )
    return owners
