"""What a person reads beside a latency."""

import random

from driftgate.core.latency_words import disturbances, energy_words, facts, unsteady
from driftgate.core.records import Conditions, Energy, InferPayload, Latency, Memory
from driftgate.core.statistics import Samples, latency_of_samples

QUIET = Conditions(cpu="A processor", cores_allowed=2, threads=1)


def latency(step: float = 0.0, count: int = 200) -> Latency:
    numbers = random.Random(3)
    times = [int(1e6 * (1 + numbers.gauss(0, 0.01)) * (1 + step * (i >= count // 2))) for i in range(count)]
    return latency_of_samples(Samples(tuple(times), 25, "budget", warmup_ended_by="steady"))


def payload(**more: object) -> InferPayload:
    return InferPayload(device="cpu", init_s=0.1, first_s=0.1, **more)  # type: ignore[arg-type]


def test_a_cell_without_times_has_nothing_to_say() -> None:
    assert facts(payload()) == {}


def test_a_steady_cell_on_a_quiet_machine_says_why_it_ended_and_not_that_nothing_was_wrong() -> None:
    told = facts(payload(latency=latency(), conditions=QUIET))
    assert told["Warm-up"] == "25 runs, until times were steady"
    assert told["Samples"] == "200: the time budget was used up first"
    assert told["Interval of p99"] == "none: 200 samples; an interval needs 368"
    assert told["Machine"] == "A processor, 2 cores, 1 thread, governor unknown, turbo unknown"
    assert not {"Stationary", "Meanwhile", "Energy"} & told.keys()


def test_a_step_is_told_with_its_size_and_its_place() -> None:
    moved = unsteady(latency(step=0.1))
    assert moved is not None
    assert "p50 rose by 9." in moved
    assert "after sample 100 of 200" in moved
    assert unsteady(latency()) is None


def test_every_disturbance_is_named_once_it_matters() -> None:
    assert list(disturbances(QUIET.model_copy(update={"foreign_cores": 0.05, "steal": 0.001}))) == []
    noisy = QUIET.model_copy(
        update={
            "foreign_cores": 1.25,
            "steal": 0.04,
            "throttle_events": 1,
            "quota_throttled_s": 0.5,
            "gpu_processes": (7, 8),
        }
    )
    assert list(disturbances(noisy)) == [
        "others kept 1.2 cores busy",
        "the hypervisor took 4% of the machine",
        "the processor was slowed down by heat (1 event)",
        "a quota held the process back for 500 ms",
        "2 other processes on the GPU",
    ]


def test_components_memory_and_energy_are_told_or_why_there_are_none() -> None:
    told = facts(
        payload(
            latency=latency(),
            component_times={"pre": latency()},
            component_notes={"pre": "BertTokenizer", "post": "the outputs of x are used as they are"},
            memory=Memory(worker_peak_rss=3_000_000, unknown={"device_peak": "none"}),
            energy=Energy(unknown="there are no RAPL counters"),
        )
    )
    assert told["Before it (pre)"].endswith("ms (BertTokenizer)")
    assert told["After it (post)"] == "none: the outputs of x are used as they are"
    assert told["Peak memory"] == "worker 3 MB"
    assert told["Energy"] == "unknown: there are no RAPL counters"
    known = Energy(joules=12.0, per_run=0.12, per_sample=0.03, source="rapl:package-0")
    assert energy_words(known) == "0.03 J a sample (rapl:package-0, 12 J in all)"
