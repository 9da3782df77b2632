"""Taking times alone: nothing else computes meanwhile, nobody starves, waiting costs no limit."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time

from driftgate.executors.local import LocalPool
from driftgate.machine.isolation.turns import MachineLock
from driftgate.testing.lab import Lab

OTHER = """
import sys
from pathlib import Path
from driftgate.testing.lab import Lab
lab = Lab(Path(sys.argv[1]), "")
lab.serial = 1000
with lab.pool(2) as pool:
    ends = lab.run(pool, *[lab.task("times_alone", fresh=False) for _ in range(5)])
    sys.exit(any(end.result.failure for end in ends))
"""


def _times(lab: Lab) -> list[tuple[float, float]]:
    """When each worker had the machine, in order."""
    texts = [path.read_text().split() for path in lab.folder.glob("*.times")]
    return sorted((float(start), float(end)) for _, start, end in texts)


def _no_overlap(times: list[tuple[float, float]]) -> bool:
    return all(end <= start for (_, end), (start, _) in itertools.pairwise(times))


def test_workers_take_times_one_after_another(lab: Lab) -> None:
    with lab.pool(2) as pool:
        ends = lab.run(pool, *[lab.task("times_alone") for _ in range(7)])

    assert [end.result.failure for end in ends] == [None] * 7
    assert len(_times(lab)) == 7
    assert _no_overlap(_times(lab))


def test_nothing_computes_while_a_worker_takes_times(lab: Lab) -> None:
    with lab.pool(2) as pool:
        tasks = [lab.task(fake) for fake in ("times_alone", "takes_a_moment", "times_alone", "takes_a_moment")]
        ends = lab.run(pool, *tasks)

    offset = time.time() - time.monotonic()
    computing = [
        (end.started_at.timestamp() - offset, end.started_at.timestamp() - offset + end.duration_s)
        for end in ends
        if end.task.function.endswith("takes_a_moment")
    ]
    slack = 0.02  # two clocks
    for start, end in _times(lab):
        assert all(stop <= start + slack or begin >= end - slack for begin, stop in computing)


def test_waiting_for_the_machine_does_not_count_against_the_time_limit(lab: Lab) -> None:
    held = MachineLock(lab.folder / "locks")
    assert held.share()
    with lab.pool(1) as pool:
        pool.submit(lab.task("times_alone", time_limit=1.0))
        assert pool.wait(2.5) == []
        assert [task.waiting_for_machine for task in pool.running] == [True]
        held.release()
        (end,) = pool.wait(20.0)
    held.close()

    assert end.result.failure is None
    assert end.duration_s < 1.0


def test_a_worker_that_waits_leaves_its_place_to_another(lab: Lab) -> None:
    with lab.pool(1) as pool:
        pool.submit(lab.task("times_alone"))
        assert pool.free() == 0
        assert pool.wait(10.0) == []
        assert pool.free() == 1


def test_a_worker_that_dies_while_it_waits_holds_nobody_up(lab: Lab) -> None:
    with lab.pool(2) as pool:
        ends = lab.run(pool, lab.task("dies_waiting"), lab.task("times_alone"), lab.task("takes_a_moment"))

    assert [end.result.failure is None for end in ends] == [False, True, True]


def test_nobody_starts_while_another_driftgate_takes_times(lab: Lab) -> None:
    other = MachineLock(lab.folder / "locks")
    assert other.exclude()
    with lab.pool(2) as pool:
        assert pool.free() == 0
        assert pool.wait(0.2) == []
        other.release()
        assert pool.free() == 2
    other.close()


def test_two_driftgates_never_take_times_together_and_neither_starves(lab: Lab) -> None:
    other = subprocess.Popen([sys.executable, "-c", OTHER, str(lab.folder)])
    with lab.pool(2) as pool:
        ends = lab.run(pool, *[lab.task("times_alone") for _ in range(5)])

    assert other.wait(30) == 0
    assert all(end.result.failure is None for end in ends)
    assert len(_times(lab)) == 10
    assert _no_overlap(_times(lab))


def test_progress_reaches_whoever_watches(lab: Lab) -> None:
    heard: list[tuple[str, int, int | None]] = []
    with LocalPool(
        1, warm=None, lock_folder=lab.folder / "locks", on_progress=lambda task, *far: heard.append((task.id, *far))
    ) as pool:
        task = lab.task("tells_progress")
        lab.run(pool, task)

    assert heard[-1] == (task.id, 20_000, 20_000)
    assert len(heard) < 100
