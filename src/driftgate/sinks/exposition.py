"""Samples in Prometheus' text format, by its own client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from driftgate.core.metrics import METRICS, Group, Kind


class _Groups(Collector):
    """The samples of some groups by metric; with their grouping key written into the labels, or without it."""

    def __init__(self, groups: Iterable[Group], *, with_key: bool) -> None:
        self._groups, self._with_key = tuple(groups), with_key

    def collect(self) -> Iterator[Metric]:
        """In the order of the table; a metric without a sample is left out."""
        families: dict[str, Metric] = {}
        for group in self._groups:
            key = {"fleet": group.fleet, "model": group.model} if self._with_key else {}
            for sample in group.samples:
                family = families.get(sample.metric) or families.setdefault(sample.metric, _family(sample.metric))
                family.add_sample(sample.metric, key | dict(sample.labels), sample.value)
        yield from (families[name] for name in METRICS if name in families)


def _family(name: str) -> GaugeMetricFamily | CounterMetricFamily:
    metric = METRICS[name]
    family = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    return family(name, metric.help)


def registry_of(group: Group) -> CollectorRegistry:
    """Everything of one group, without its grouping key: the server writes that in."""
    registry = CollectorRegistry()
    registry.register(_Groups((group,), with_key=False))
    return registry


def exposition(groups: Iterable[Group]) -> str:
    """All groups in one text, as Prometheus sees them once they are pushed (but for `job`)."""
    registry = CollectorRegistry()
    registry.register(_Groups(groups, with_key=True))
    return generate_latest(registry).decode()
