"""Parts of the machinery are killed from outside, at any moment: the task is run once more, or everything is gone."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from driftgate.core.errors import MachineryError
from driftgate.core.verdicts import FailureKind
from driftgate.executors.local import LocalPool
from driftgate.machine.isolation.family import children
from driftgate.testing.lab import WARM, Lab

PARENT = """
import sys
from pathlib import Path
from driftgate.testing.lab import Lab
lab = Lab(Path(sys.argv[1]), "")
with lab.pool(3) as pool:
    tasks = [lab.task("leaves_children"), lab.task("hangs"), lab.task("hangs_in_c", fresh=True)]
    for task in tasks:
        pool.submit(task)
    print("submitted", flush=True)
    while True:
        for end in pool.wait(10.0):
            print(end.task.id, flush=True)
"""


def _server(lab: Lab) -> int:
    assert lab.settles(lambda: bool(_pids(lab, "executors.server")))
    return min(_pids(lab, "executors.server"), key=lambda pid: int(Path(f"/proc/{pid}/stat").read_text().split()[21]))


def _pids(lab: Lab, words: str) -> list[int]:
    return [pid for pid, command in lab.processes().items() if words in command]


def _guardian(lab: Lab) -> int:
    assert lab.settles(lambda: bool(children(_server(lab))))
    return children(_server(lab))[0]


def test_a_killed_guardian_costs_one_more_try_that_nobody_sees(lab: Lab) -> None:
    with lab.pool() as pool:
        task = lab.task("takes_a_moment")
        pool.submit(task)
        os.kill(_guardian(lab), signal.SIGKILL)
        ends = pool.wait(20.0)

    assert [(end.task.id, end.result.failure) for end in ends] == [(task.id, None)]


def test_a_killed_server_costs_nothing_to_those_that_run_already(lab: Lab) -> None:
    with lab.pool() as pool:
        running = lab.task("takes_a_moment")
        pool.submit(running)
        _guardian(lab)
        os.kill(_server(lab), signal.SIGKILL)
        later = lab.task("passes")
        pool.submit(later)
        ends = [*pool.wait(20.0), *pool.wait(20.0)]

    assert {end.task.id: end.result.failure for end in ends} == {running.id: None, later.id: None}
    assert all(end.duration_s < 5 for end in ends)


def test_a_server_killed_while_it_warms_up_is_started_again(lab: Lab) -> None:
    with lab.pool() as pool:
        task = lab.task("passes")
        pool.submit(task)
        os.kill(_server(lab), signal.SIGKILL)
        (end,) = pool.wait(20.0)

    assert end.result.failure is None


def test_whoever_kills_its_guardian_every_time_has_crashed(lab: Lab) -> None:
    with lab.pool() as pool:
        killer, neighbour = lab.task("kills_its_guardian"), lab.task("takes_a_moment")
        killed, next_door = lab.run(pool, killer, neighbour)

        assert killed.result.failure is not None
        assert killed.result.failure.kind is FailureKind.SIGNAL
        assert "the process that watches the worker was killed 2 times" in killed.result.failure.message
        assert next_door.result.failure is None
        assert lab.settles(lambda: len(lab.processes()) == 1), lab.processes()


def test_a_fresh_worker_that_kills_its_guardian_leaves_nothing_either(lab: Lab) -> None:
    with lab.pool() as pool:
        (killed,) = lab.run(pool, lab.task("kills_its_guardian", fresh=True))

        assert killed.result.failure is not None
        assert killed.result.failure.kind is FailureKind.SIGNAL
        assert lab.settles(lambda: not lab.processes()), lab.processes()


def test_leaving_the_pool_kills_what_runs(lab: Lab) -> None:
    with lab.pool() as pool:
        for fake in ("hangs", "hangs_in_c", "leaves_children"):
            pool.submit(lab.task(fake))
        pool.submit(lab.task("hangs", fresh=True))
        pool.wait(20.0)
        assert lab.settles(lambda: len(lab.processes()) >= 7), lab.processes()
        folder = pool.folder
    assert not lab.processes()
    assert not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_nothing_outlives_the_parent(number: signal.Signals, lab: Lab) -> None:
    parent = _start_parent(lab)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"submitted\n"
    assert parent.stdout.readline().startswith(b"leaves_children")
    parent.send_signal(number)
    parent.wait(20)

    assert lab.settles(lambda: not lab.processes(), 5.0), lab.processes()


@pytest.mark.full
def test_nothing_outlives_a_parent_killed_at_thirty_random_moments(lab: Lab) -> None:
    moments = random.Random(30)
    for _ in range(30):
        parent = _start_parent(lab)
        time.sleep(moments.uniform(0.05, 1.5))
        parent.kill()
        parent.wait(20)
        assert lab.settles(lambda: not lab.processes(), 5.0), lab.processes()


def _start_parent(lab: Lab) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PARENT, str(lab.folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("warm", "says"),
    [
        ("driftgate.testing.misbehave:warm_and_fail", "ImportError: no module named 'torch'"),
        ("driftgate.testing.misbehave:warm_and_leave_a_thread", "left a thread running (left-behind)"),
        ("driftgate.testing.misbehave:warm_and_die", "died while it warmed up (status -11): about to crash"),
        ("driftgate.testing.misbehave:no_such", "has no attribute 'no_such'"),
    ],
)
def test_a_warm_up_that_cannot_serve_is_an_error_of_the_machinery(warm: str, says: str, lab: Lab) -> None:
    with lab.pool(warm=warm) as pool, pytest.raises(MachineryError) as error:
        lab.run(pool, lab.task("passes"))
    assert says in str(error.value)


def test_the_server_starts_only_when_something_must_be_forked(lab: Lab) -> None:
    with LocalPool(1, warm=WARM, lock_folder=lab.folder / "locks") as pool:
        lab.run(pool, lab.task("passes", fresh=True))

        assert lab.settles(lambda: not lab.processes())


def test_other_children_of_the_parent_are_left_alone(lab: Lab) -> None:
    other = subprocess.Popen(["sleep", "30"], start_new_session=True)
    try:
        with lab.pool() as pool:
            lab.run(pool, lab.task("kills_its_guardian"), lab.task("kills_its_guardian", fresh=True))
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
