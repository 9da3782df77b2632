"""One fault at a time, beside a neighbour, on one and the same pool: each ends once, rightly, and leaves nothing behind."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from driftgate.core.verdicts import FailureKind
from driftgate.executors.local import LocalPool
from driftgate.testing.lab import Lab
from driftgate.testing.misbehave import STRAY

LIMIT = 1.0
MEMORY = 200_000_000


@dataclass(frozen=True)
class Fault:
    """A fake, and what its end must look like."""

    fake: str
    kind: FailureKind | None = None
    says: str = ""
    signal: str | None = None
    traceback: str = ""


K = FailureKind
FAULTS = (
    Fault("passes"),
    Fault("fails_with_payload", K.OUT_OF_TOLERANCE, "off by 0.5"),
    Fault("raises", K.OTHER, "ValueError: bad colours and a lone surrogate", traceback="in raises"),
    Fault("raises_unprintable", K.OTHER, "Unprintable", traceback="in raises_unprintable"),
    Fault("raises_memory_error", K.MEMORY_LIMIT, "MemoryError"),
    Fault("exits", K.OTHER, "SystemExit: 0"),
    Fault("returns_nan", K.BAD_RECORD, "payload.values.tensors[1].max_abs is not a finite number"),
    Fault("returns_nothing", K.BAD_RECORD, "the stage returned NoneType, not a record"),
    Fault("returns_no_json", K.BAD_RECORD, "the payload is no JSON"),
    Fault("writes_garbage", K.BAD_RECORD, "the record is not valid"),
    Fault("writes_too_much", K.BAD_RECORD, "no plain file of at most 64 MiB"),
    Fault("writes_a_way_out", K.BAD_RECORD, "'../../x' lies outside the work folder"),
    Fault("leaves_a_link", K.BAD_RECORD, "'passwords', which is no plain file"),
    Fault("fills_the_disk", K.DISK, "cannot write"),
    Fault("makes_its_log_unwritable", K.DISK, "cannot write"),
    Fault("hangs", K.TIME_LIMIT, "did not end within 1 s", traceback="in hangs"),
    Fault("hangs_in_c", K.TIME_LIMIT, "did not end within 1 s", traceback="in hangs_in_c"),
    Fault("reads_for_ever", K.TIME_LIMIT, "did not end within 1 s", traceback="in reads_for_ever"),
    Fault("segfaults", K.SIGNAL, "killed by SIGSEGV", signal="SIGSEGV", traceback="in segfaults"),
    Fault("kills_itself", K.SIGNAL, "killed by SIGKILL", signal="SIGKILL"),
    Fault("kills_its_group", K.SIGNAL, "killed by SIGKILL", signal="SIGKILL"),
    Fault("exits_hard", K.EXIT_NO_RECORD, "exited with status 0 and left no record"),
    Fault("exits_hard_with_seven", K.EXIT_NO_RECORD, "exited with status 7", traceback="seven it is"),
    Fault("grows", K.MEMORY_LIMIT, "grew beyond 200 MB"),
    Fault("grows_in_a_child", K.MEMORY_LIMIT, "grew beyond 200 MB"),
    Fault("grows_and_swallows", K.MEMORY_LIMIT, "grew beyond 200 MB"),
    Fault("forks_without_growing"),
    Fault("leaves_children"),
    Fault("leaves_a_stranger"),
    Fault("leaves_a_fork_bomb"),
    Fault("floods"),
    Fault("prints_garbage"),
    Fault("closes_descriptors"),
    Fault("tells_progress"),
    Fault("disturbs"),
)


@pytest.fixture(scope="module")
def pool(shared_lab: Lab) -> Iterator[LocalPool]:
    with shared_lab.pool(2) as pool:
        yield pool


# What a fresh interpreter does differently is seen with a few.
FRESH = ("passes", "raises", "hangs_in_c", "segfaults", "leaves_a_stranger", "grows_in_a_child")
CASES = [
    *(pytest.param(fault, False, id=fault.fake) for fault in FAULTS),
    *(pytest.param(fault, True, id=f"{fault.fake}-fresh") for fault in FAULTS if fault.fake in FRESH),
]


@pytest.mark.parametrize(("fault", "fresh"), CASES)
def test_every_fault_ends_once_with_its_kind_and_leaves_the_neighbour_alone(
    fault: Fault, fresh: bool, shared_lab: Lab, pool: LocalPool
) -> None:
    time_limit = LIMIT if fault.kind is FailureKind.TIME_LIMIT else 20.0
    bad = shared_lab.task(fault.fake, fresh=fresh, time_limit=time_limit, memory_limit=MEMORY)
    neighbour = shared_lab.task("takes_a_moment")

    end, next_door = shared_lab.run(pool, bad, neighbour)

    failure = end.result.failure
    assert next_door.result.failure is None
    assert (failure.kind if failure else None) == fault.kind, failure
    if failure is not None:
        assert fault.says in failure.message
        assert "\x1b" not in failure.message
        assert failure.signal == fault.signal
        assert fault.traceback in (failure.traceback or "")
    if fault.kind is FailureKind.TIME_LIMIT:
        assert end.duration_s < LIMIT + 5
    assert shared_lab.settles(lambda: len(shared_lab.processes()) <= 1), shared_lab.processes()
    assert not _strangers()


def _strangers() -> str:
    return subprocess.run(["pgrep", "-f", f"sleep {STRAY}"], capture_output=True, text=True, check=False).stdout


def test_a_stage_that_did_its_job_hands_over_payload_files_and_sizes(shared_lab: Lab, pool: LocalPool) -> None:
    (end,) = shared_lab.run(pool, shared_lab.task("passes"))

    assert end.result.payload is not None
    assert end.result.payload["source"] == "passes"
    assert [(artifact.name, artifact.bytes) for artifact in end.result.artifacts] == [("kept.txt", 4)]
    assert end.peak_rss_bytes is not None
    assert end.baseline_rss_bytes is not None
    assert end.peak_rss_bytes >= end.baseline_rss_bytes > 10**6
    assert end.started_at.tzinfo is not None


def test_a_failed_stage_may_still_have_a_table_to_show(shared_lab: Lab, pool: LocalPool) -> None:
    (end,) = shared_lab.run(pool, shared_lab.task("fails_with_payload"))

    assert end.result.payload is not None
    assert end.result.payload["source"] == "fails_with_payload"
    assert end.result.failure is not None
    assert (end.result.failure.message, end.result.failure.hint) == ("off by 0.5", "look closer")


def test_a_flood_leaves_its_beginning_its_end_and_how_much_is_missing(shared_lab: Lab, pool: LocalPool) -> None:
    (end,) = shared_lab.run(pool, shared_lab.task("floods"))

    text = end.log.read_text()
    assert len(text) < 300_000
    assert text.startswith("the first line\n")
    assert text.endswith("the last line\n")
    assert "[… 104595486 bytes cut here …]" in text


def test_a_log_is_safe_to_show(shared_lab: Lab, pool: LocalPool) -> None:
    (end,) = shared_lab.run(pool, shared_lab.task("prints_garbage"))

    assert end.log.read_text() == "red\n100 %\n\ufffd\ufffdbytes\n"


@pytest.mark.parametrize("fresh", [False, True], ids=["forked", "fresh"])
def test_a_worker_finds_its_process_as_new_whatever_the_last_one_did(
    fresh: bool, shared_lab: Lab, pool: LocalPool
) -> None:
    first, _, last = [
        shared_lab.run(pool, shared_lab.task(fake, fresh=fresh))[0].result.payload
        for fake in ("reports_itself", "disturbs", "reports_itself")
    ]

    assert first is not None
    assert last is not None
    first, last = first["values"], last["values"]
    assert first.pop("random") != last.pop("random")
    assert first.pop("temporary") != last.pop("temporary")
    assert first == last
    assert first["path"] == first["cwd"]
    assert first["sigterm"] is True
    assert first["sigint"] == "default_int_handler"
    assert (first["stdin"], first["variable"], first["threads"]) == ("", None, ["MainThread"])
