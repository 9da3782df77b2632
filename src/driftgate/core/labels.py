"""Both sides of a drift against labels, added up over a fleet: per target, how many samples were right, one class off, or wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from driftgate.core.records import Judged, Labelled


@dataclass(frozen=True)
class LabelTotals:
    """Samples of one target over `models` models; `reference` is what the reference made of the same samples."""

    target: str
    models: int
    reference: Judged
    candidate: Judged
    agree: int
    disagree: int

    @property
    def samples(self) -> int:
        """All samples with a label."""
        return self.agree + self.disagree


def roll_up(models: Iterable[tuple[str, Labelled]]) -> tuple[LabelTotals, ...]:
    """The totals of each target, given target and result of every model that has labels, in the order in which they come."""
    found: dict[str, list[Labelled]] = {}
    for target, labelled in models:
        found.setdefault(target, []).append(labelled)
    return tuple(_totals(target, labelled) for target, labelled in found.items())


def _totals(target: str, labelled: list[Labelled]) -> LabelTotals:
    return LabelTotals(
        target=target,
        models=len(labelled),
        reference=_added(one.reference for one in labelled),
        candidate=_added(one.candidate for one in labelled),
        agree=sum(one.agree for one in labelled),
        disagree=sum(one.disagree for one in labelled),
    )


def _added(parts: Iterable[Judged]) -> Judged:
    every = tuple(parts)
    return Judged(
        correct=sum(one.correct for one in every),
        off_by_one=sum(one.off_by_one for one in every),
        wrong=sum(one.wrong for one in every),
    )
