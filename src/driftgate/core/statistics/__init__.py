"""Order statistics of measured times: percentiles, and intervals for them that assume nothing about the distribution."""

from driftgate.core.statistics.intervals import quantile_interval, quantile_ranks
from driftgate.core.statistics.latency import PERCENTILES, latency_of
from driftgate.core.statistics.percentiles import percentile

__all__ = ["PERCENTILES", "latency_of", "percentile", "quantile_interval", "quantile_ranks"]
