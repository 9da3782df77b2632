"""Stages that grow, and stages whose children outlive them."""

# a stage takes a job and a bench, whether it needs them or not

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from typing import NoReturn

from driftgate.core.records import Record
from driftgate.machine.jobs import Bench, Job
from driftgate.testing.misbehave.common import FOREVER, a_payload

STRAY = "987654"
"""Seconds that the stray `sleep` of `leaves_a_stranger` asks for: how to find it in a list of processes."""


def grows(job: Job, bench: Bench) -> NoReturn:
    """20 MB more every 10 ms."""
    _grow()


def grows_in_a_child(job: Job, bench: Bench) -> NoReturn:
    """The same in a process that it forked."""
    child(_grow)
    while True:
        time.sleep(FOREVER)


def grows_and_swallows(job: Job, bench: Bench) -> NoReturn:
    """The same, deaf to MemoryError."""
    kept: list[bytes] = []
    while True:
        try:
            kept.append(b"x" * 20_000_000)
        except MemoryError:
            continue
        time.sleep(0.01)


def forks_without_growing(job: Job, bench: Bench) -> Record:
    """Eight children that share 40 MB with it: much to add up, little in truth."""
    shared = b"x" * 40_000_000
    pids = [child(lambda: time.sleep(0.4)) for _ in range(8)]
    for pid in pids:
        os.waitpid(pid, 0)
    return a_payload(f"forks_without_growing {len(shared)}")


def leaves_children(job: Job, bench: Bench) -> Record:
    """Children that outlive it and hold its output open: a plain one, one with its own session, one forked twice."""
    child(lambda: time.sleep(FOREVER))
    child(lambda: time.sleep(FOREVER), session=True)
    os.waitpid(child(lambda: child(lambda: time.sleep(FOREVER), session=True)), 0)
    return a_payload("leaves_children")


def leaves_a_stranger(job: Job, bench: Bench) -> Record:
    """A child with another program, an empty environment, a session of its own, and no parent."""
    script = f"setsid sleep {STRAY} & exit 0"
    subprocess.run(["/bin/sh", "-c", script], env={}, check=True)
    return a_payload("leaves_a_stranger")


def leaves_a_fork_bomb(job: Job, bench: Bench) -> Record:
    """Processes that fork the next one and end, over and over: gone before anyone can look twice."""
    for _ in range(4):
        child(_hop, session=True)
    return a_payload("leaves_a_fork_bomb")


def child(act: Callable[[], object], *, session: bool = False) -> int:
    """Fork; the child acts, in a session of its own if wanted, and exits. Returns its id."""
    pid = os.fork()
    if pid == 0:
        try:
            if session:
                os.setsid()
            act()
        finally:
            os._exit(0)
    return pid


def _grow() -> NoReturn:
    kept = []
    while True:
        kept.append(b"x" * 20_000_000)
        time.sleep(0.01)


def _hop() -> None:
    while os.fork() == 0:
        time.sleep(0.002)
