"""What there is to say of a latency beside its numbers: why sampling ended, whether times held still, what else the machine did."""

from __future__ import annotations

from collections.abc import Iterator

from driftgate.core.records import Conditions, Energy, InferPayload, Latency, Memory, StreamTest
from driftgate.core.text import human_bytes, human_seconds, plural

NOTABLE_CORES = 0.1
NOTABLE_STEAL = 0.01
_ENDS = {
    "precision": "p50 was known well enough",
    "budget": "the time budget was used up first",
    "iterations": "no more are taken",
}
_WARMUP_ENDS = {
    "steady": ", until times were steady",
    "ceiling": ", the most there are; times were not steady",
    "budget": ", all that the time budget allows",
}
_COMPONENTS = {"pre": "Before it (pre)", "post": "After it (post)"}


def facts(payload: InferPayload) -> dict[str, str]:
    """Title → what is to be known beside the percentiles; empty for a cell that took no times."""
    latency = payload.latency
    if latency is None:
        return {}
    found = {"Warm-up": f"{plural(latency.warmup, 'run')}{_WARMUP_ENDS.get(latency.warmup_ended_by or '', '')}"}
    found["Samples"] = f"{latency.samples:,}: {_ENDS.get(latency.stopped_by, latency.stopped_by)}"
    if latency.tail_ratio is not None:
        found["Tail, p99 ÷ p50"] = f"{latency.tail_ratio:.2f}"
    if (note := latency.ci95_notes.get("p99")) is not None:
        found["Interval of p99"] = f"none: {note}"
    found |= {_COMPONENTS[name]: _component(payload, name) for name in _COMPONENTS if name in payload.component_notes}
    if (moved := unsteady(latency)) is not None:
        found["Stationary"] = f"no: {moved}"
    if payload.conditions is not None:
        found["Machine"] = machine(payload.conditions)
        found["Meanwhile"] = "; ".join(disturbances(payload.conditions))
    if payload.memory is not None:
        found["Peak memory"] = memory_words(payload.memory)
    if payload.energy is not None:
        found["Energy"] = energy_words(payload.energy)
    return {title: told for title, told in found.items() if told}


def _component(payload: InferPayload, name: str) -> str:
    times, note = payload.component_times.get(name), payload.component_notes[name]
    return f"p50 {human_seconds(times.p50)}, p99 {human_seconds(times.p99)} ({note})" if times else f"none: {note}"


def unsteady(latency: Latency) -> str | None:
    """What changed while samples were taken; None for a stream that is stationary, or too short to tell."""
    flagged = [told for test in latency.stream_tests if test.flagged and (told := _told(test, latency.samples))]
    return "; ".join(flagged) or None


def _told(test: StreamTest, samples: int) -> str:
    way = "rose" if test.effect > 0 else "fell"
    match test.name:
        case "trend":
            return f"p50 {way} by {abs(test.effect):.1%} from the first third to the last"
        case "level shift":
            return f"p50 {way} by {abs(test.effect):.1%} after sample {test.at or 0:,} of {samples:,}"
        case "neighbours":
            return f"runs resemble the one before (correlation {test.effect:.2f})"
        case _:
            return "slow and fast runs come in clusters"


def disturbances(conditions: Conditions) -> Iterator[str]:
    """What else the machine did, where that is worth a word."""
    if (conditions.foreign_cores or 0) >= NOTABLE_CORES:
        yield f"others kept {conditions.foreign_cores:.1f} cores busy"
    if (conditions.steal or 0) >= NOTABLE_STEAL:
        yield f"the hypervisor took {conditions.steal:.0%} of the machine"
    if conditions.throttle_events:
        yield f"the processor was slowed down by heat ({plural(conditions.throttle_events, 'event')})"
    if conditions.quota_throttled_s:
        yield f"a quota held the process back for {human_seconds(conditions.quota_throttled_s)}"
    if conditions.gpu_processes:
        others = len(conditions.gpu_processes)
        yield f"{others} other process{'' if others == 1 else 'es'} on the GPU"


def machine(conditions: Conditions) -> str:
    """The processor and how it was set."""
    parts = [conditions.cpu, plural(conditions.cores_allowed, "core")]
    if conditions.threads is not None:
        parts.append(plural(conditions.threads, "thread"))
    parts.append(f"governor {conditions.governor or 'unknown'}")
    parts.append("turbo " + {True: "on", False: "off", None: "unknown"}[conditions.turbo])
    if conditions.load_before is not None and conditions.load_after is not None:
        parts.append(f"load {conditions.load_before:g} before, {conditions.load_after:g} after")
    return ", ".join(parts)


def memory_words(memory: Memory) -> str:
    """The peaks, as far as they are known."""
    peaks = {"worker": memory.worker_peak_rss, "inference": memory.step_peak_rss, "device": memory.device_peak}
    return ", ".join(f"{name} {human_bytes(peak)}" for name, peak in peaks.items() if peak is not None) or "unknown"


def energy_words(energy: Energy) -> str:
    """Joules a sample, or why that is unknown."""
    if energy.joules is None or energy.per_run is None:
        return f"unknown: {energy.unknown}"
    each = f"{energy.per_sample:.3g} J a sample" if energy.per_sample is not None else f"{energy.per_run:.3g} J a run"
    return f"{each} ({energy.source}, {energy.joules:.3g} J in all)"
