"""pull: make the files of a pinned model present and verified."""

from __future__ import annotations

from driftgate.core.errors import StageFailure
from driftgate.core.records import PullPayload
from driftgate.machine.jobs import Bench, Job
from driftgate.sources import SOURCES


def pull(job: Job, bench: Bench) -> PullPayload:
    """Fetch by the lock. Touches no network where the files are there already."""
    problem = job.entry.problem
    if problem is not None:
        raise StageFailure(problem.kind, problem.message, hint=problem.hint)
    source = SOURCES.load(job.entry.scheme)(job.settings.hub)
    fetched = source.fetch(job.entry, job.cache, bench.progress)
    cache_key = _factory_key(job.entry.name) if job.entry.scheme == "python" else None
    return PullPayload(
        files=fetched.files,
        bytes=fetched.bytes,
        downloaded_bytes=fetched.downloaded_bytes,
        source=job.entry.scheme,
        cache_key=cache_key,
    )


def _factory_key(name: str) -> str | None:
    """The `cache_key` that a factory carries: its author's word that equal keys mean an equal model."""
    from driftgate.stages.loading.factory import factory_named

    key = getattr(factory_named(name), "cache_key", None)
    return None if key is None else str(key)
