"""Order statistics of measured times: percentiles, intervals for them that assume nothing about the distribution, and whether a stream
stayed the same while it was measured."""

from driftgate.core.statistics.dependence import autocorrelation_time
from driftgate.core.statistics.intervals import fewest_samples, quantile_interval, quantile_ranks
from driftgate.core.statistics.latency import PERCENTILES, latency_of, latency_of_samples
from driftgate.core.statistics.paired import PairedRatio, paired_ratio
from driftgate.core.statistics.percentiles import percentile
from driftgate.core.statistics.samples import Samples
from driftgate.core.statistics.stationarity import is_stationary, stream_tests

__all__ = [
    "PERCENTILES", "PairedRatio", "Samples", "autocorrelation_time", "fewest_samples", "is_stationary", "latency_of",
    "latency_of_samples", "paired_ratio", "percentile", "quantile_interval", "quantile_ranks", "stream_tests",
]  # fmt: skip
