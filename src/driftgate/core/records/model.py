"""Which model: its identity in every record, and its pin in `models.lock.json`."""

from __future__ import annotations

from driftgate.core.records.base import SCHEMA_VERSION, Record, Sha256
from driftgate.core.verdicts import FailureKind


class ModelIdentity(Record):
    """What a record says of the model it is about.

    `family` is `config.model_type`, `task` the Hub's pipeline tag, `architecture` the class name.
    """

    ref: str
    slug: str
    family: str
    task: str
    modality: str
    architecture: str
    revision: str | None = None


class LockedFile(Record):
    """One file of a model. `sha256` is None where the source does not know it before the download."""

    path: str
    size: int
    sha256: Sha256 | None = None


class Unpinned(Record):
    """Why a model of the fleet could not be pinned. It stays in the plan, and its pull fails with this."""

    kind: FailureKind
    message: str
    hint: str | None = None


class LockEntry(Record):
    """A model pinned exactly: pulling it again, anywhere, gives the same bytes.

    `scheme` names the source (hf, zoo, timm, local, python). `revision` is the Hub's commit, or a hash of the content,
    or None for `python:`, which cannot be pinned. `endpoint` is the Hub it came from, None for the public one.
    `location` is the folder of a `local:` model. `cache_key` is what the factory of a `python:` model says
    about itself; without it nothing of that model is cached.
    """

    ref: str
    slug: str
    scheme: str
    name: str
    revision: str | None = None
    endpoint: str | None = None
    location: str | None = None
    family: str = "unknown"
    task: str = "other"
    modality: str = "other"
    architecture: str = "unknown"
    library: str | None = None
    licence: str | None = None
    size_bytes: int | None = None
    files: tuple[LockedFile, ...] = ()
    allow_pickle: bool = False
    allow_remote_code: bool = False
    cache_key: str | None = None
    problem: Unpinned | None = None

    def identity(self) -> ModelIdentity:
        """The part of the pin that goes into every record."""
        return ModelIdentity(
            ref=self.ref,
            slug=self.slug,
            family=self.family,
            task=self.task,
            modality=self.modality,
            architecture=self.architecture,
            revision=self.revision,
        )


class LeftOut(Record):
    """A candidate of the fleet's selection that was not taken, and why."""

    ref: str
    reason: str


class Lock(Record):
    """`models.lock.json`: every model of the run, pinned."""

    schema_version: int = SCHEMA_VERSION
    models: tuple[LockEntry, ...]
    left_out: tuple[LeftOut, ...] = ()
