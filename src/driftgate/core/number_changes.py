"""Numbers of two records of one cell side by side: how far outputs drift, and how long a call takes.

A drift that grew tenfold is worse, within its tolerance too. A time that moved is not: two launches of one and the same thing differ
by that much, so that a slowdown is worse only where launching anew has confirmed it (the gate does, `docs/gate.md`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from driftgate.core.comparison import Difference, Pair, Sense, outcome
from driftgate.core.gate_settings import DriftGrewSettings
from driftgate.core.records import DriftPayload, InferPayload, Latency, TensorDrift
from driftgate.core.text import human_seconds, plural

LEAST_RATIO = 1.1
"""A smaller change of p50 is not told."""


def drift_differences(pair: Pair) -> Iterator[Difference]:
    """A drift that is ten times what it was, or a tenth. One that left its tolerance is told as a verdict."""
    before, after = pair.before.payload, pair.after.payload
    if not (isinstance(before, DriftPayload) and isinstance(after, DriftPayload)):
        return
    was, now = _worst(before), _worst(after)
    if outcome(pair.before) != outcome(pair.after) or was is None or now is None:
        return
    grew = _grew(was, now)
    if not grew and not _grew(now, was):
        return
    told, worst = (after, now) if grew else (before, was)
    yield Difference(
        "grew" if grew else "shrank",
        Sense.WORSE if grew else Sense.BETTER,
        f"{pair.cell.name}: {was.max_abs:.2g} → {now.max_abs:.2g}",
        pair.cell,
        lines=tuple(_where(told, worst)),
        key=(pair.cell.model, pair.cell.name),
        detail={"before": was.max_abs, "after": now.max_abs, "output": worst.name},
        weight=worst.max_abs or 0.0,
    )


def _worst(payload: DriftPayload) -> TensorDrift | None:
    known = [tensor for tensor in payload.tensors if tensor.max_abs is not None]
    return max(known, key=lambda tensor: tensor.max_abs or 0.0, default=None)


def _grew(was: TensorDrift, now: TensorDrift) -> bool:
    """As the gate's rule has it: ten times, and large enough to count."""
    limits = DriftGrewSettings()
    first, second = was.max_abs or 0.0, now.max_abs or 0.0
    return second >= limits.floor and second >= limits.factor * max(first, limits.floor / limits.factor)


def _where(payload: DriftPayload, worst: TensorDrift) -> Iterator[str]:
    allowed = worst.tolerance
    yield f"output {worst.name}, allowed {allowed.atol:g} + {allowed.rtol:g}·|value|"
    if payload.culprit is not None:
        yield f"begins at {payload.culprit.op_type} {payload.culprit.node}"


def times_of(pair: Pair) -> tuple[Latency, Latency] | None:
    """The latencies of both records; None where one of them took none, or took it from the cache: that is of an earlier night."""
    before, after = pair.before.payload, pair.after.payload
    if not (isinstance(before, InferPayload) and isinstance(after, InferPayload)):
        return None
    if before.latency is None or after.latency is None or pair.before.cached or pair.after.cached:
        return None
    known = before.latency.p50 > 0 and after.latency.p50 > 0
    return (before.latency, after.latency) if known else None


def latency_differences(pair: Pair) -> Iterator[Difference]:
    """A p50 that moved by a tenth or more. Nothing where the two machines are not alike: those times are of two experiments."""
    times = times_of(pair)
    if times is None or not pair.alike:
        return
    was, now = times
    ratio = now.p50 / was.p50
    confirmed = pair.confirmed is not None and ratio > 1
    if 1 / LEAST_RATIO < ratio < LEAST_RATIO and not confirmed:
        return
    yield Difference(
        "slower" if ratio > 1 else "faster",
        Sense.WORSE if confirmed else Sense.OTHER,
        f"{pair.cell.name}: p50 {human_seconds(was.p50)} → {human_seconds(now.p50)} (×{ratio:.2f})",
        pair.cell,
        lines=(pair.confirmed,) if confirmed and pair.confirmed else (),
        key=(pair.cell.model, pair.cell.name),
        detail={"before": was.p50, "after": now.p50, "ratio": ratio, "confirmed": confirmed},
        weight=max(ratio, 1 / ratio),
    )


@dataclass
class Timing:
    """What became of the times: `compared` cells, those whose machines are `unlike` (in these `facts`), and column → the ratios of p50."""

    compared: int = 0
    unlike: int = 0
    facts: tuple[str, ...] = ()
    ratios: dict[str, list[float]] = field(default_factory=dict)

    def take(self, pair: Pair) -> None:
        """Count a cell, if it has times."""
        times = times_of(pair)
        if times is None:
            return
        if not pair.alike:
            self.unlike += 1
            return
        self.compared += 1
        self.ratios.setdefault(pair.cell.name, []).append(times[1].p50 / times[0].p50)

    def medians(self) -> dict[str, float]:
        """Column → the median over its models: what all of them share."""
        return {column: median(ratios) for column, ratios in self.ratios.items()}

    def sentences(self, moved: Sequence[Difference]) -> Iterator[str]:
        """What of the times was not compared and why, what all models share, and what those that `moved` are worth."""
        if self.unlike:
            facts = ", ".join(self.facts) or "what is known of them"
            yield f"latency of {plural(self.unlike, 'cell')} not compared: the machines differ ({facts})"
        if self.compared:
            told = ", ".join(f"{column} ×{ratio:.2f}" for column, ratio in sorted(self.medians().items()))
            yield f"median of p50 over models: {told}"
        if moved:
            confirmed = sum(one.sense is Sense.WORSE for one in moved)
            yield (
                f"latency moved by {LEAST_RATIO - 1:.0%} or more in {plural(len(moved), 'cell')}, from one launch a side: "
                f"{confirmed or 'none'} of them confirmed by launching anew, as the gate does"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        told = {"compared": self.compared, "unlike_machines": self.unlike, "machines_differ_in": list(self.facts)}
        return told | {"median_ratio": self.medians()}
