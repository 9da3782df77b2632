"""`python:package.module:factory`: one's own model (or IBM's Foundation Model Stack) from the current folder or environment.

A factory takes nothing and returns a Module, or `(Module, inputs)`. It cannot be pinned: nothing of it is cached unless the
factory carries a `cache_key` attribute, which is read in the worker that imports it, never here.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from driftgate.core.errors import UsageError
from driftgate.core.records import LockEntry
from driftgate.core.references import Reference, slug_of
from driftgate.machine.settings import HubSettings
from driftgate.sources.base import Fetched, Progress


class PythonSource:
    """Models given by a factory function."""

    def __init__(self, hub: HubSettings) -> None:
        del hub

    def pin(self, reference: Reference) -> LockEntry:
        """Name the factory; that its top-level module exists is checked without importing anything."""
        module, _, factory = reference.name.partition(":")
        top = module.partition(".")[0]
        if not _importable(top):
            raise UsageError(
                f"there is no module {top!r} for {reference}",
                mend="run from the folder that holds it, or install it into this environment",
            )
        return LockEntry(
            ref=str(reference),
            slug=slug_of(str(reference)),
            scheme="python",
            name=reference.name,
            family=top,
            architecture=factory,
        )

    def present(self, entry: LockEntry, cache: Path) -> bool:
        """Code has no files to pull."""
        del entry, cache
        return True

    def fetch(self, entry: LockEntry, cache: Path, progress: Progress) -> Fetched:
        """Nothing to fetch."""
        del entry, cache, progress
        return Fetched(folder=None)


def _importable(name: str) -> bool:
    """Whether a worker would find the module: it has the current folder first on its path."""
    here = Path.cwd()
    if (here / f"{name}.py").is_file() or (here / name).is_dir():
        return True
    return name in sys.modules or importlib.util.find_spec(name) is not None
