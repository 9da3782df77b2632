"""What a run measured, in a few lines: graph breaks, the largest drift within tolerance, what labels say, speed beside the reference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from driftgate.core.labels import LabelTotals, roll_up
from driftgate.core.records import DriftPayload, ExplainPayload, InferPayload, Labelled, StageRecord
from driftgate.steps.report import units


@dataclass
class Highlights:
    """Takes records one by one and keeps a few numbers. `p50` is target → model → seconds, without variants."""

    breaks: int = 0
    broken_models: set[str] = field(default_factory=set)
    most_breaks: tuple[int, str] = (0, "")
    worst_drift: tuple[float, str, str] | None = None
    labelled: list[tuple[str, Labelled]] = field(default_factory=list)
    p50: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, record: StageRecord) -> None:
        """Count a record."""
        slug = record.model.slug
        match record.payload:
            case ExplainPayload(break_count=breaks) if breaks:
                self.breaks += breaks
                self.broken_models.add(slug)
                self.most_breaks = max(self.most_breaks, (breaks, slug))
            case DriftPayload() as drift:
                self._add_drift(drift, slug, passed=record.passed)
            case InferPayload(latency=latency) if latency is not None and record.target and record.variant is None:
                self.p50[record.target][slug] = latency.p50

    def _add_drift(self, drift: DriftPayload, slug: str, *, passed: bool) -> None:
        if drift.labelled is not None:
            self.labelled.append((drift.candidate, drift.labelled))
        if passed:
            differences = [tensor.max_abs for tensor in drift.tensors if tensor.max_abs is not None]
            worst = (max(differences, default=0.0), slug, drift.candidate)
            self.worst_drift = max(self.worst_drift or worst, worst)

    @property
    def labels(self) -> tuple[LabelTotals, ...]:
        """Every target against labels, over all models that have some."""
        return roll_up(self.labelled)

    def lines(self, reference: str | None, name: Callable[[str], str] = str) -> list[str]:
        """One line each, nothing about what was not measured. `name` shows a model's slug; speeds are beside `reference`."""
        told = (self._breaks(name), self._drift(name), self._labels(reference), self._speed(reference))
        return [line for line in told if line]

    def _breaks(self, name: Callable[[str], str]) -> str:
        if not self.breaks:
            return ""
        models = units.plural(len(self.broken_models), "model")
        most, slug = self.most_breaks
        where = f"{models}, most in {name(slug)} ({most:,})" if len(self.broken_models) > 1 else name(slug)
        return f"Graph breaks: {self.breaks:,} in {where}"

    def _drift(self, name: Callable[[str], str]) -> str:
        if self.worst_drift is None:
            return ""
        difference, slug, candidate = self.worst_drift
        return f"Largest drift within tolerance: {units.error(difference)} ({name(slug)}, {candidate})"

    def _labels(self, reference: str | None) -> str:
        totals = self.labels
        if not totals:
            return ""
        most = max(totals, key=lambda one: one.samples)
        beside = (f"{one.target} {one.candidate.correct:,} ({one.agree:,} agree)" for one in totals)
        return f"Right by label: {reference or 'the reference'} {most.reference.correct:,} of {most.samples:,}; {', '.join(beside)}"

    def _speed(self, reference: str | None) -> str:
        base = self.p50.get(reference or "", {})
        told = []
        for target, times in self.p50.items():
            ratios = [base[slug] / p50 for slug, p50 in times.items() if slug in base and p50 > 0]
            if target != reference and ratios:
                told.append(f"{target} {median(ratios):.2g}×")
        return f"Median speed beside {reference}: {', '.join(told)}" if told else ""
