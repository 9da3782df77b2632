"""The source of `zoo:bert[/BertForMaskedLM]`: a tiny model with seeded random weights, built once per toolchain.

Building takes torch, which this room does not import: the builder is named here and loaded in the worker that pulls.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import import_module
from pathlib import Path

from driftgate.core.records import LockEntry
from driftgate.core.references import Reference, slug_of
from driftgate.machine.provenance import package_versions
from driftgate.machine.settings import HubSettings
from driftgate.sources.base import Fetched, Progress
from driftgate.sources.zoo import parse

BUILDER = "driftgate.stages.zoo.repository"
MARK = ".complete"


class ZooSource:
    """Every architecture of the installed transformers, tiny, and of the installed timm, as small as it lets itself be made."""

    def __init__(self, hub: HubSettings) -> None:
        del hub

    def pin(self, reference: Reference) -> LockEntry:
        """Name, architecture and the versions of what builds it. Raises UsageError with the nearest valid name."""
        found = parse(reference.name, where=None)
        recipe = f"{reference.name}\0{found.architecture}\0{package_versions()}\0{builder_version()}"
        return LockEntry(
            ref=str(reference),
            slug=slug_of(str(reference)),
            scheme="zoo",
            name=reference.name,
            revision=hashlib.sha256(recipe.encode()).hexdigest()[:40],
            family=found.model_type,
            task=found.task,
            modality=found.modality,
            architecture=found.architecture,
            library=found.library,
        )

    def present(self, entry: LockEntry, cache: Path) -> bool:
        """Whether the model was built here before."""
        return (_folder(entry, cache) / MARK).is_file()

    def fetch(self, entry: LockEntry, cache: Path, progress: Progress) -> Fetched:
        """Build the model's folder if it is not there."""
        del progress
        folder = _folder(entry, cache)
        if not self.present(entry, cache):
            import_module(BUILDER).build_reference(entry, folder)
            (folder / MARK).touch()
        files = [path for path in folder.rglob("*") if path.is_file() and path.name != MARK]
        return Fetched(folder, len(files), sum(path.stat().st_size for path in files))


@cache
def builder_version() -> str:
    """A hash over the builder's source and its table: what was built by other rules is another model."""
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256((package / "sources" / "zoo_overrides.yaml").read_bytes())
    for path in sorted((package / "stages" / "zoo").glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _folder(entry: LockEntry, cache: Path) -> Path:
    return cache / "zoo" / f"{entry.slug}-{(entry.revision or '')[:16]}"
