"""Raw samples of one stream: what every statistic is derived from, and derived again."""

from __future__ import annotations

from dataclasses import dataclass

from driftgate.core.statistics.intervals import CONFIDENCE, REPEATED


@dataclass(frozen=True)
class Samples:
    """Times in nanoseconds, in the order taken; `stopped_by` is precision, budget or iterations.

    `warmup` runs came before, their times in `warmup_nanoseconds`; they ended because times were `steady`, or by the `ceiling`
    or the `budget`. `discarded` runs followed a look at the samples, which leaves the processor's caches full of them.
    `precision` is what was asked for, relative to p50, `p99_precision` relative to p99 where that was.
    """

    nanoseconds: tuple[int, ...]
    warmup: int
    stopped_by: str
    precision: float = 0.02
    p99_precision: float | None = None
    warmup_nanoseconds: tuple[int, ...] = ()
    warmup_ended_by: str = ""
    discarded: int = 0

    def confidence(self, percentile: str) -> float:
        """What the interval of a percentile must be made with to hold the truth in 95 of 100 cases: more, if the samples were stopped
        by a look at it that was not the first."""
        decisive = percentile == "p50" or (percentile == "p99" and self.p99_precision is not None)
        return REPEATED if decisive and self.discarded else CONFIDENCE
