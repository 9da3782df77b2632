"""Failed exports over a fleet, one cluster for each fingerprint: how many models it costs, through which exporters, what would mend it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from driftgate.core.records import ExportPayload, FailureSummary, StageRecord
from driftgate.core.verdicts import SAYS_NOTHING

EXAMPLES = 5
NO_EXPORTER = "export"
"""Stands for the exporter where a cell ended without an account of its tries."""


@dataclass(frozen=True, slots=True)
class Victim:
    """A model that a cluster hits, in one cell, with what its own failure says."""

    slug: str
    cell: str
    failure: FailureSummary


@dataclass(slots=True)
class Cluster:
    """Tries that failed alike. `lost` are the models that no exporter took in a cell that failed like this; the
    others were rescued by another exporter."""

    seen: FailureSummary
    tries: Counter[str] = field(default_factory=Counter)
    models: dict[str, Victim] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)

    @property
    def examples(self) -> list[Victim]:
        """A few of the models, those first that were lost."""
        return sorted(self.models.values(), key=lambda victim: (victim.slug not in self.lost, victim.slug))[:EXAMPLES]

    @property
    def exporters(self) -> str:
        """`dynamo ×3, transformers ×1`, the most frequent first."""
        return ", ".join(f"{name} ×{tries}" for name, tries in self.tries.most_common())


@dataclass(frozen=True, slots=True)
class KindTally:
    """A failure kind over the fleet."""

    kind: str
    clusters: int
    models: int
    lost: int


class ExportClusters:
    """Takes the records of export cells one by one; other records and what does not speak of the model count nothing."""

    def __init__(self) -> None:
        self._clusters: dict[tuple[str, str], Cluster] = {}
        self.tried: set[str] = set()
        self.lost: set[str] = set()

    def add(self, record: StageRecord) -> None:
        """Count every failed try of a record."""
        if record.stage != "export" or (record.failure and record.failure.kind in SAYS_NOTHING):
            return
        slug = record.model.slug
        self.tried.add(slug)
        for exporter, failure in _failures(record):
            cluster = self._clusters.setdefault((failure.kind, failure.fingerprint), Cluster(failure))
            cluster.tries[exporter] += 1
            cluster.models.setdefault(slug, Victim(slug, record.cell.name, failure))
            if not record.passed:
                cluster.lost.add(slug)
                self.lost.add(slug)

    def clusters(self) -> list[Cluster]:
        """The clusters, those first that cost most models their export."""
        return sorted(
            self._clusters.values(),
            key=lambda c: (-len(c.lost), -len(c.models), c.seen.kind, c.seen.fingerprint),
        )

    def kinds(self) -> list[KindTally]:
        """The kinds of failure, those first that hit most models."""
        by_kind: dict[str, list[Cluster]] = {}
        for cluster in self._clusters.values():
            by_kind.setdefault(cluster.seen.kind, []).append(cluster)
        tallies = [
            KindTally(kind, len(some), len(_union(c.models.keys() for c in some)), len(_union(c.lost for c in some)))
            for kind, some in by_kind.items()
        ]
        return sorted(tallies, key=lambda tally: (-tally.lost, -tally.models, tally.kind))


def _failures(record: StageRecord) -> Iterator[tuple[str, FailureSummary]]:
    """Exporter and failure of each try; the record's own failure where no try could tell of one."""
    attempts = record.payload.attempts if isinstance(record.payload, ExportPayload) else ()
    told = [(one.exporter, one.failure) for one in attempts if one.failure]
    if not told and record.failure is not None:
        fields = record.failure.model_dump(include={"kind", "message", "fingerprint", "hint"})
        yield NO_EXPORTER, FailureSummary(**fields)
    for exporter, failure in told:
        if failure.kind not in SAYS_NOTHING:
            yield exporter, failure


def _union(sets: Iterable[Iterable[str]]) -> set[str]:
    return set().union(*sets)
